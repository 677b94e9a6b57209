"""The linear members, recomputed by other libraries."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import cache

import numpy as np
import pytest
from scipy import optimize, stats
from sklearn.linear_model import Ridge
from support.forecasting.panels import rows_between, sample_panel

from core.errors import ForecastError
from forecasting.models.linear import PENALTY, LinearModel, StudentModel
from forecasting.models.student_scale import fit_log_scale
from forecasting.models.z_space import fitting_targets

FIRST, CUTOFF = date(2004, 1, 1), date(2006, 9, 1)
INPUTS = 22


@cache
def fitted(model: type[LinearModel]) -> LinearModel:
    panel = sample_panel("AAPL", "IBM")
    return model().fit(panel, rows_between(panel, FIRST, CUTOFF))


def training_inputs(model: LinearModel) -> tuple[np.ndarray, np.ndarray]:
    panel = sample_panel("AAPL", "IBM")
    rows = rows_between(panel, FIRST, CUTOFF)
    used = model.coefficients.any(axis=1)
    return rows, model.scaler.transform(panel.last(rows))[:, used].astype(np.float64)


def test_the_ridge_regression_is_that_of_scikit_learn() -> None:
    model = fitted(LinearModel)
    rows, x = training_inputs(model)
    targets = fitting_targets(sample_panel("AAPL", "IBM"), rows)
    expected = Ridge(alpha=PENALTY * len(rows)).fit(x, targets)
    used = model.coefficients.any(axis=1)
    np.testing.assert_allclose(model.coefficients[used].T, expected.coef_, atol=1e-6)
    np.testing.assert_allclose(model.intercept, expected.intercept_, atol=1e-6)


@pytest.mark.parametrize("model", [LinearModel, StudentModel])
def test_only_features_that_are_linear_in_a_log_scale_are_used(model: type[LinearModel]) -> None:
    used = fitted(model).coefficients.any(axis=1)
    names = np.array(sample_panel("AAPL", "IBM").feature_names)[used]
    assert len(names) == INPUTS
    assert {"scaled_realised_1", "log_ewma_volatility", "volume_ratio_20"} <= set(names)
    assert not any(name.startswith(("atr", "parkinson", "weekday")) for name in names)


@pytest.mark.parametrize("model", [LinearModel, StudentModel])
def test_scales_are_the_linear_log_scales_in_the_documented_units(
    model: type[LinearModel],
) -> None:
    panel = sample_panel("AAPL", "IBM")
    rows = rows_between(panel, date(2007, 1, 3), date(2007, 3, 1))
    x = fitted(model).scaler.transform(panel.last(rows)).astype(np.float64)
    log_scale = x @ fitted(model).coefficients + fitted(model).intercept
    unit = panel.volatility[rows][:, None] * np.sqrt([1, 5, 21])
    np.testing.assert_allclose(fitted(model).scales(panel, rows), np.exp(log_scale) * unit)


def test_the_student_t_fit_maximises_the_penalised_likelihood() -> None:
    rng = np.random.default_rng(4)
    x = np.column_stack([np.ones(800), rng.normal(size=(800, 2))])
    outcomes = np.exp(x @ [0.2, 0.4, -0.3]) * rng.standard_t(5, size=800)
    penalty = np.diag([0.0, 0.05, 0.05])
    found = fit_log_scale(x, outcomes, penalty)

    def loss(values: np.ndarray) -> float:
        scale = np.exp(x @ values[:3])
        density = stats.t.logpdf(np.clip(outcomes, -10, 10), values[3], scale=scale)
        return float(values[:3] @ penalty @ values[:3] / 2 - density.mean())

    best = optimize.minimize(loss, [0.0, 0.0, 0.0, 6.0], method="Nelder-Mead", tol=1e-10)
    np.testing.assert_allclose(found, best.x[:3], atol=1e-4)


def test_one_crash_does_not_dominate_the_student_t_fit() -> None:
    rng = np.random.default_rng(5)
    x = np.column_stack([np.ones(800), rng.normal(size=800)])
    outcomes = rng.standard_t(5, size=800)
    crash = outcomes.copy()
    crash[3] = -60.0
    penalty = np.zeros((2, 2))
    calm, shaken = (fit_log_scale(x, y, penalty) for y in (outcomes, crash))
    assert np.abs(calm - shaken).max() < 0.02


@pytest.mark.parametrize("model", [LinearModel, StudentModel])
def test_shuffled_targets_make_the_skill_vanish(model: type[LinearModel]) -> None:
    """Targets are shuffled in units of the volatility, which stays known."""
    panel = sample_panel("AAPL", "IBM")
    train = rows_between(panel, FIRST, CUTOFF)
    test = rows_between(panel, date(2006, 11, 1), date(2007, 6, 1))
    order = np.arange(len(panel))
    order[train] = np.random.default_rng(2).permutation(train)
    ratio = (panel.volatility / panel.volatility[order])[:, None]
    shuffled = replace(
        panel,
        realised_variance=panel.realised_variance[order] * ratio**2,
        log_returns=panel.log_returns[order] * ratio,
    )
    log_scales = [
        np.log(model().fit(part, train).scales(panel, test)[:, 0] / panel.volatility[test])
        for part in (panel, shuffled)
    ]
    truth = fitting_targets(panel, test)[:, 0]
    skill, no_skill = (float(np.corrcoef(values, truth)[0, 1]) for values in log_scales)
    assert skill > 0.3
    assert abs(no_skill) < 0.2


def test_samples_without_known_outcomes_cannot_be_fitted() -> None:
    panel = sample_panel("AAPL", "IBM")
    for model in (LinearModel, StudentModel):
        with pytest.raises(ForecastError, match="known targets"):
            model().fit(panel, np.arange(len(panel)))


@pytest.mark.parametrize("model", [LinearModel, StudentModel])
def test_an_unfitted_model_raises(model: type[LinearModel]) -> None:
    with pytest.raises(ForecastError, match=f"`{model.name}` must be fitted"):
        model().coefficients  # noqa: B018
