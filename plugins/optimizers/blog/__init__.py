"""The blog post's optimizers exactly as published, quirks included."""
