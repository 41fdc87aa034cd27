"""Reading, splitting, scaling and batching of samples."""
