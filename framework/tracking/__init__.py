"""MLflow: a journal on its way to a store, and a run on its way back."""
