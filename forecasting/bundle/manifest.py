"""The manifest of a bundle: its fields and their consistency.

`forecasting.bundle.sealing` has its JSON form and checksums.
"""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from typing import Annotated, Any, Final, Literal, NoReturn, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)
from pydantic_core import to_jsonable_python

from core.errors import BundleError
from core.tickers import TICKER_PATTERN
from forecasting.distribution.levels import COVERAGES, interval_levels

GRAPH_FILE = "ensemble.onnx"
GOLDEN_FILE = "golden.npz"
MANIFEST_FILE = "manifest.json"
SCHEMA_VERSION: Final = 2
# Tolerance for the rounding of a sum; the weights themselves are stored exactly.
WEIGHT_TOLERANCE = 1e-6
# Limit of a conformal quantile, in scales of the forecast. The largest daily moves of stocks are
# some dozens of scales.
MAX_QUANTILE = 1_000.0

# A name becomes part of paths and responses, so it has no separator and does not begin with a dot.
_Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,255}$")]
_Column = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,127}$")]
_Indicator = Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,64}\.[A-Za-z0-9_]{1,64}$")]
_Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
_Ticker = Annotated[str, StringConstraints(pattern=TICKER_PATTERN)]
# `market.calendars` knows the calendars; serving compares the exchange with them.
_Exchange = Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9_]{2,32}|24/[57])$")]
_Metric = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9 ()._-]{0,63}$")]
_Scores = Annotated[dict[_Metric, float | None], Field(max_length=100)]
_ScoresByHorizon = Annotated[dict[_Metric, _Scores], Field(max_length=16)]
_Horizon = Annotated[int, Field(ge=1, le=260)]


def bundle_error(*, check: str, problem: str) -> BundleError:
    """Return the error for a bundle that failed `check`."""
    fix = "Fetch the bundle from the registry again, or train a new one with `stockcast run`."
    return BundleError(f"The bundle failed the check of {check}: {problem} {fix}")


class Manifest(BaseModel):
    """Description of a bundle.

    Parameters
    ----------
    name
        Name of the registered model.
    features, feature_hash, extra_indicators
        Columns of a window in order, hash of their definitions, and the named indicators of the
        feature set.
    lookback, warmup
        Sessions in a window, and warm-up of the feature set in bars.
    horizons, members
        Sessions ahead and members of the ensemble, in the order of the graph's output axes.
    mean_weights, scale_weights
        Horizon -> member -> weight. Mean weights sum to at most 1, and the remainder belongs to the
        naive mean of 0. Scale weights belong to the log scales and sum to 1.
    quantile_levels, conformal_quantiles
        Levels in (0, 1), and horizon -> quantile of ``(log_return - mean) / scale`` at each level.
    cutoff
        Last session of the training data.
    tickers, exchange, data_fingerprint
        Training data.
    code_version, settings
        Code and settings of the training. Settings are stored in their JSON form.
    metrics
        Model -> horizon -> metric -> value out of sample. An undefined metric is None.
    checksums
        File name -> SHA-256, set by `write_bundle`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    schema_version: Literal[2] = SCHEMA_VERSION
    name: _Name
    features: tuple[_Column, ...] = Field(min_length=1, max_length=1_000)
    feature_hash: _Sha256
    extra_indicators: tuple[_Indicator, ...] = Field((), max_length=1_000)
    lookback: int = Field(ge=1, le=1_000)
    warmup: int = Field(ge=0, le=10_000)
    horizons: tuple[_Horizon, ...] = Field(min_length=1, max_length=16)
    members: tuple[_Column, ...] = Field(("forest", "lstm"), min_length=1, max_length=16)
    mean_weights: dict[int, dict[str, float]]
    scale_weights: dict[int, dict[str, float]]
    quantile_levels: tuple[float, ...] = Field(min_length=2, max_length=10_000)
    conformal_quantiles: dict[int, tuple[float, ...]]
    cutoff: date
    tickers: tuple[_Ticker, ...] = Field(min_length=1, max_length=100_000)
    exchange: _Exchange
    data_fingerprint: _Sha256
    code_version: _Name
    settings: dict[str, Any]
    metrics: dict[_Metric, _ScoresByHorizon] = Field(max_length=100)
    checksums: dict[_Name, _Sha256] = Field(default_factory=dict)

    @field_validator("settings", mode="after")
    @classmethod
    def _as_json(cls, value: dict[str, Any]) -> dict[str, Any]:
        """Convert to JSON types, so that a manifest equals itself after writing and reading."""
        return {str(k): v for k, v in to_jsonable_python(value, inf_nan_mode="strings").items()}

    @field_validator("features", "extra_indicators", "members", "tickers", mode="after")
    @classmethod
    def _no_repeats(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        repeated = sorted({name for name in value if value.count(name) > 1})
        if repeated:
            msg = f"must name each entry once, got {', '.join(repeated)} more than once"
            raise ValueError(msg)
        return value

    @field_validator("horizons", mode="after")
    @classmethod
    def _ascending(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if any(a >= b for a, b in pairwise(value)):
            msg = f"must be ascending, got {value}"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _check_weights(self) -> Self:
        for name in ("mean_weights", "scale_weights"):
            weights: dict[int, dict[str, float]] = getattr(self, name)
            if set(weights) != set(self.horizons):
                _invalid(name, f"horizons {self.horizons}", tuple(weights))
            for horizon, by_member in weights.items():
                total = sum(by_member.values())
                if set(by_member) != set(self.members):
                    _invalid(f"{name}[{horizon}]", f"members {self.members}", tuple(by_member))
                if min(by_member.values()) < 0 or total > 1 + WEIGHT_TOLERANCE:
                    _invalid(f"{name}[{horizon}]", "weights >= 0 with a sum <= 1", by_member)
                if name == "scale_weights" and total < 1 - WEIGHT_TOLERANCE:
                    _invalid(f"{name}[{horizon}]", "weights with a sum of 1", by_member)
        return self

    @model_validator(mode="after")
    def _check_quantiles(self) -> Self:
        levels = self.quantile_levels
        if not (levels[0] > 0 and levels[-1] < 1 and all(a < b for a, b in pairwise(levels))):
            _invalid("quantile_levels", "ascending levels between 0 and 1", levels)
        low, high = interval_levels(max(COVERAGES))
        if levels[0] > low + WEIGHT_TOLERANCE or levels[-1] < high - WEIGHT_TOLERANCE:
            _invalid("quantile_levels", f"levels from {low} to {high}", (levels[0], levels[-1]))
        if set(self.conformal_quantiles) != set(self.horizons):
            horizons = tuple(self.conformal_quantiles)
            _invalid("conformal_quantiles", f"horizons {self.horizons}", horizons)
        for horizon, quantiles in self.conformal_quantiles.items():
            name = f"conformal_quantiles[{horizon}]"
            if len(quantiles) != len(levels):
                _invalid(name, f"{len(levels)} values, one per level", len(quantiles))
            if any(a > b for a, b in pairwise(quantiles)):
                _invalid(name, "values that do not decrease", "a decrease")
            largest = max(map(abs, quantiles))
            if largest > MAX_QUANTILE:
                _invalid(name, f"values of at most {MAX_QUANTILE:g} scales", largest)
        return self


def _invalid(name: str, expected: str, got: object) -> NoReturn:
    msg = f"`{name}` must contain {expected}, got {got}"
    raise ValueError(msg)
