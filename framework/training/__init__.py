"""Training of R runs of one structure as one array program: the loop, its parts and the record of each run."""
