"""R runs of one structure trained as one array program: the loop, its parts, what is remembered of each run."""
