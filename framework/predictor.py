"""Import path of `Predictor` for models logged by version 0.1: their code, stored in MLflow, imports it from here."""

from framework.training.predictor import Predictor

__all__ = ["Predictor"]
