"""Every number of a combination, compared with a recomputation by other libraries."""

from __future__ import annotations

from functools import cache

import numpy as np
import polars as pl
import pytest
import scoringrules
from support.forecasting.reference_weights import (
    LEVELS,
    reference_calibration,
    reference_mean_weights,
    reference_scale_weights,
)
from support.forecasting.unequal_folds import unequal_folds

from forecasting.distribution.levels import REPORTED_COLUMNS
from forecasting.evaluation.combination import combine_folds
from forecasting.evaluation.result import WalkForwardResult
from forecasting.horizons import HORIZONS
from forecasting.models.ensemble import EnsembleWeights

MEMBERS = ("forest", "lstm")
REPORTED = [float(name.removeprefix("q")) / 100 for name in REPORTED_COLUMNS]


@cache
def combined() -> WalkForwardResult:
    return combine_folds(unequal_folds())


@cache
def past_rows(fold: int | None, horizon: int) -> pl.DataFrame:
    """Rows with outcomes known before `fold`, or all rows."""
    rows = pl.concat(part.forecasts for part in unequal_folds()).filter(horizon=horizon)
    if fold is None:
        return rows
    first = rows.filter(fold=fold)["as_of"].min()
    return rows.filter(pl.col("target_session") < first)


def weights_of(fold: int | None) -> EnsembleWeights:
    return combined().final_weights if fold is None else combined().weights[fold]


def columns(rows: pl.DataFrame, kind: str) -> np.ndarray:
    return rows.select(f"{member}_{kind}" for member in MEMBERS).to_numpy()


def standardised(fold: int | None, horizon: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outcomes, locations and scales in units of each row."""
    rows = past_rows(fold, horizon)
    unit = rows["unit"].to_numpy()
    outcome = rows["log_return"].to_numpy() / unit
    return outcome, columns(rows, "mean") / unit[:, None], columns(rows, "scale") / unit[:, None]


def moments(rows: pl.DataFrame, model: str, fold: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Location and scale of a model, with the weights of the result."""
    if model != "ensemble":
        return rows[f"{model}_mean"].to_numpy(), rows[f"{model}_scale"].to_numpy()
    [horizon] = rows["horizon"].unique()
    mean, scale = (getattr(weights_of(fold), kind)[horizon] for kind in ("mean", "scale"))
    return (
        columns(rows, "mean") @ [mean["forest"], mean["lstm"]],
        columns(rows, "scale") @ [scale["forest"], scale["lstm"]],
    )


@cache
def calibration(model: str, fold: int | None) -> dict[int, np.ndarray]:
    residuals, sessions = {}, {}
    for horizon in HORIZONS:
        rows = past_rows(fold, horizon)
        location, scale = moments(rows, model, fold)
        residuals[horizon] = (rows["log_return"].to_numpy() - location) / scale
        sessions[horizon] = len(set(rows["as_of"]))
    return reference_calibration(residuals, sessions)


@pytest.mark.parametrize("horizon", HORIZONS)
@pytest.mark.parametrize("fold", [1, 2, 3, None])
def test_mean_weights_are_the_posterior_mode_of_the_known_outcomes_in_units(
    fold: int | None, horizon: int
) -> None:
    outcome, means, _ = standardised(fold, horizon)
    sessions = past_rows(fold, horizon)["as_of"].to_numpy()
    expected = reference_mean_weights(outcome, means, sessions, horizon)
    weights = weights_of(fold).mean[horizon]
    assert [weights[member] for member in MEMBERS] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("horizon", HORIZONS)
@pytest.mark.parametrize("fold", [2, None])
def test_scale_weights_minimise_the_crps_in_units(fold: int | None, horizon: int) -> None:
    outcome, means, scales = standardised(fold, horizon)
    weights = weights_of(fold)
    location = means @ [weights.mean[horizon][member] for member in MEMBERS]
    expected = reference_scale_weights(outcome, location, scales, steps=100)
    scale = weights.scale[horizon]
    assert [scale[member] for member in MEMBERS] == pytest.approx(expected, abs=0.03)


def test_the_mean_of_the_calibrated_residuals_is_not_zero() -> None:
    """The tails of the example are skewed, so a forecast without this mean is wrong."""
    assert all(calibration(model, 1)[1].mean() < -0.02 for model in (*MEMBERS, "ensemble"))


def test_members_of_unequal_skill_get_unequal_weights() -> None:
    """The forest has the better location, the LSTM the better scale, so exchanges show."""
    final = combined().final_weights
    assert final.mean[1]["forest"] > final.mean[1]["lstm"] + 0.2
    assert final.scale[1]["lstm"] > final.scale[1]["forest"] + 0.2
    for horizon in HORIZONS:
        assert final.mean[horizon] != pytest.approx(combined().weights[3].mean[horizon], abs=1e-3)


@pytest.mark.parametrize("horizon", HORIZONS)
def test_final_quantiles_are_those_of_the_residuals_of_all_folds(horizon: int) -> None:
    expected = calibration("ensemble", None)[horizon]
    np.testing.assert_allclose(combined().conformal_quantiles[horizon], expected, rtol=1e-9)


@pytest.mark.parametrize("horizon", HORIZONS)
@pytest.mark.parametrize("model", [*MEMBERS, "ensemble"])
@pytest.mark.parametrize("fold", [1, 2, 3])
def test_scored_forecasts_are_location_plus_scale_times_the_calibrated_residuals(
    fold: int, model: str, horizon: int
) -> None:
    key = ["ticker", "as_of"]
    rows = unequal_folds()[fold].forecasts.filter(horizon=horizon).sort(key)
    scored = combined().forecasts.filter(fold=fold, model=model, horizon=horizon).sort(key)
    location, scale = moments(rows, model, fold)
    z = calibration(model, fold)[horizon]
    surface = location[:, None] + scale[:, None] * z
    np.testing.assert_allclose(scored["mean"], location + scale * z.mean(), atol=1e-12)
    at = [int(np.argmin(abs(LEVELS - level))) for level in REPORTED]
    np.testing.assert_allclose(scored.select(REPORTED_COLUMNS), surface[:, at], atol=1e-12)
    crps = scoringrules.crps_quantile(rows["log_return"].to_numpy(), surface, LEVELS)
    np.testing.assert_allclose(scored["crps"], crps, atol=1e-12)
