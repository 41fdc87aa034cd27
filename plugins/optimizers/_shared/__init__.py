"""What several update rules compute with."""
