"""Where models that version 0.1 logged find `Predictor`: MLflow keeps their code, which imports it from here."""

from framework.training.predictor import Predictor

__all__ = ["Predictor"]
