"""The report of a comparison: one self-contained HTML page, its data as CSV and Parquet, and animated paths."""
