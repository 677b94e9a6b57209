"""Result of a walk-forward: scored forecasts, weights and conformal quantiles, with their files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from forecasting.evaluation.walk_forward import EXCLUDED_FILE, FORECASTS_FILE
from forecasting.models.base import MEMBERS, PEERS, REFERENCES
from forecasting.models.ensemble import EnsembleWeights

Array = npt.NDArray[np.float64]

ENSEMBLE = "ensemble"
MODELS = (*REFERENCES, *PEERS, *MEMBERS, ENSEMBLE)
KEY = ["ticker", "as_of", "target_session", "horizon", "fold"]

WEIGHTS_FILE, QUANTILES_FILE = "weights.json", "conformal_quantiles.json"
FINAL_WEIGHTS_FILE = "final_weights.json"


@dataclass(frozen=True, eq=False)
class WalkForwardResult:
    """Scored forecasts of all models, and the weights and quantiles for production.

    Attributes
    ----------
    forecasts
        One row per (ticker, as_of, horizon, model), the same rows for every model: `KEY`, `model`,
        `mean` of the distribution, the reported quantiles (``q0.5`` to ``q99.5``), the realised
        `log_return`, `crps` over all 199 levels, `probability_up`, and `pit`, the probability of at
        most the outcome. The burn-in fold is not included.
    weights
        Scored fold -> weights of its ensemble forecasts.
    final_weights, conformal_quantiles
        Learned from all folds: the weights of the ensemble, and for each horizon the 199 quantiles
        of its standardised residuals.
    excluded
        ``fold, ticker, reason``: tickers without forecasts in a fold. A null ticker stands for all
        tickers of the fold.
    """

    forecasts: pl.DataFrame
    weights: dict[int, EnsembleWeights]
    final_weights: EnsembleWeights
    conformal_quantiles: dict[int, Array]
    excluded: pl.DataFrame

    def scale_weights(self) -> dict[int, list[dict[str, float]]]:
        """Return the scale weights of the members: horizon -> one mapping per scored fold."""
        folds = [weights.scale for _, weights in sorted(self.weights.items())]
        return {
            horizon: [scale[horizon] for scale in folds if horizon in scale]
            for horizon in sorted(self.final_weights.scale)
        }

    def save(self, folder: Path) -> None:
        """Write the result into the existing `folder`: two Parquet and three JSON files."""
        self.forecasts.write_parquet(folder / FORECASTS_FILE)
        self.excluded.write_parquet(folder / EXCLUDED_FILE)
        documents = {
            WEIGHTS_FILE: {fold: weights.as_dict() for fold, weights in self.weights.items()},
            FINAL_WEIGHTS_FILE: self.final_weights.as_dict(),
            QUANTILES_FILE: {h: values.tolist() for h, values in self.conformal_quantiles.items()},
        }
        for name, document in documents.items():
            (folder / name).write_text(json.dumps(document, sort_keys=True))

    @classmethod
    def load(cls, folder: Path) -> WalkForwardResult:
        """Read the files that `save` wrote into `folder`."""
        weights, final_weights, quantiles = (
            json.loads((folder / name).read_text())
            for name in (WEIGHTS_FILE, FINAL_WEIGHTS_FILE, QUANTILES_FILE)
        )
        return cls(
            forecasts=pl.read_parquet(folder / FORECASTS_FILE),
            weights={int(fold): EnsembleWeights.from_dict(w) for fold, w in weights.items()},
            final_weights=EnsembleWeights.from_dict(final_weights),
            conformal_quantiles={int(h): np.array(values) for h, values in quantiles.items()},
            excluded=pl.read_parquet(folder / EXCLUDED_FILE),
        )
