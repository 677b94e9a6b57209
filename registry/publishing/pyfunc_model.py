"""A bundle as an MLflow model: MLflow copies this file beside the bundle and runs it when loading.

It must work where Stockcast is not installed: NumPy, pandas, ONNX Runtime and MLflow only, and no
import of ours. Nothing of ours imports it either; `registry.publishing.packaging` hands MLflow its path. The
arithmetic of quantiles is that of `forecasting.distribution.predictive`, and a test holds the two together.
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
    """Windows of raw feature values in, one row a window and horizon out."""

    def load_context(self, context: PythonModelContext) -> None:
        """Open the graph and the calibration that travel with the model."""
        # ONNX Runtime reports to its maker unless told so before its import.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        import onnxruntime as ort  # noqa: PLC0415

        bundle = Path(context.artifacts["bundle"])
        self._manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
        self._session = ort.InferenceSession(
            bundle / "ensemble.onnx", providers=["CPUExecutionProvider"]
        )

    # MLflow passes a mapping, as the signature says, but refuses that as a type hint, and warns
    # everyone who loads a model without one. It also fixes the names of all three parameters.
    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002
        model_input: np.ndarray,
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> pd.DataFrame:
        """Forecast the log return of every window at every horizon.

        `model_input` maps ``window`` to a float32 array (n, lookback, features), raw, in the order
        of the manifest's `features`.
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
