"""The code that MLflow runs to serve a logged model ("models from code": the class is named by this file, not pickled).

MLflow executes this file when it saves and loads a model; nothing else imports it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

from framework import Predictor


class Served(PythonModel):
    """A saved predictor as a pyfunc model.

    Inputs are in the data set's own units and of any real dtype; `Predictor.predict` checks and casts them. The
    parameter ``output`` chooses between ``"scores"`` and ``"class"``.
    """

    def load_context(self, context: Any) -> None:
        """Load the predictor from the model's artifacts; loading an MLflow model implies consent to run its code."""
        self.predictor = Predictor.load(Path(context.artifacts["model"]), plugins=True)

    # Lists and data frames are passed too. MLflow derives a schema from most annotations, but none from an array's.
    def predict(self, context: Any, model_input: np.ndarray, params: dict[str, Any] | None = None) -> np.ndarray:
        """Return the predictions for ``model_input``, as `Predictor.predict`."""
        return self.predictor.predict(model_input, **(params or {}))


set_model(Served())
