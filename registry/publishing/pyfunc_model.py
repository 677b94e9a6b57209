"""Code of a packaged MLflow model. MLflow copies this file into the model and runs it on loading.

It must work without Stockcast, so it imports only NumPy, pandas, ONNX Runtime and MLflow. No module
imports it; `registry.publishing.packaging` passes its path to MLflow. Its quantiles are those of
`forecasting.distribution.predictive`; an integration test compares both.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

QUANTILES = (0.005, 0.025, 0.1, 0.5, 0.9, 0.975, 0.995)


class EnsembleModel(PythonModel):
    """Forecasts of windows of raw feature values: one row a window and horizon."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the graph and the calibration of the model."""
        # ONNX Runtime reads this at import; by default it sends telemetry.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        import onnxruntime as ort  # noqa: PLC0415

        bundle = Path(context.artifacts["bundle"])
        self._manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
        self._session = ort.InferenceSession(
            bundle / "ensemble.onnx", providers=["CPUExecutionProvider"]
        )

    # MLflow passes a mapping, but does not accept a mapping as type hint, and warns about a model
    # without type hints. It also prescribes the names of all three parameters.
    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002
        model_input: np.ndarray,
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> pd.DataFrame:
        """Forecast the log return of every window at every horizon.

        `model_input` maps ``window`` to a float32 array (n, lookback, features) of raw values, in
        the order of `features` in the manifest.
        """
        windows = np.asarray(model_input["window"], dtype=np.float32)
        mean, scale = self._session.run(["mean", "scale"], {"window": windows})
        levels = np.array(self._manifest["quantile_levels"])
        rows = []
        for column, horizon in enumerate(self._manifest["horizons"]):
            residuals = np.array(self._manifest["conformal_quantiles"][str(horizon)])
            for window in range(len(windows)):
                mu, sigma = float(mean[window, column]), float(scale[window, column])
                quantiles = mu + sigma * residuals
                row = {"window": window, "horizon": horizon, "mean": mu, "scale": sigma}
                row["probability_up"] = 1 - float(np.interp(0.0, quantiles, levels))
                values = np.interp(QUANTILES, levels, quantiles)
                row |= {f"q{100 * p:g}": float(q) for p, q in zip(QUANTILES, values, strict=True)}
                rows.append(row)
        return pd.DataFrame(rows).sort_values(["window", "horizon"], ignore_index=True)


set_model(EnsembleModel())
