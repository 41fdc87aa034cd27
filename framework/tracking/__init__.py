"""MLflow: delivery of journals to a store, and download of runs from it."""
