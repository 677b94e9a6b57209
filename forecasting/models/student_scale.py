"""Maximum likelihood of a linear log scale under Student-t outcomes, by Fisher scoring."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from core.errors import ForecastError

Array = npt.NDArray[np.float64]

# Outcomes are clipped at ten volatilities, so that one crash does not dominate the fit.
CLIP = 10.0
NU_BOUNDS = (2.1, 50.0)
STEPS, TOLERANCE = 200, 1e-7
# Full steps may oscillate on few rows, where the expected information is too small.
DAMPING = 0.5
# Median of the absolute value of a Student t with 5 degrees of freedom.
MEDIAN = 0.727


def fit_log_scale(design: Array, outcomes: Array, penalty: Array) -> Array:
    """Return the coefficients of the log scale.

    The location is 0, and the degrees of freedom are fitted as well. A step solves the normal
    equations with the expected information ``2 nu / (nu + 3)`` of a log scale.

    Parameters
    ----------
    design
        (n, K) rows of inputs, the first of which is 1.
    outcomes
        (n,) outcomes in units of the volatility.
    penalty
        (K, K) penalty of the coefficients, relative to the mean log likelihood of a row.

    Raises
    ------
    ForecastError
        When the iteration does not converge.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=20_000)
    >>> outcomes = np.exp(0.5 + 0.3 * x) * rng.standard_t(6, size=20_000)
    >>> design = np.column_stack([np.ones_like(x), x])
    >>> fit_log_scale(design, outcomes, penalty=np.zeros((2, 2))).round(1).tolist()
    [0.5, 0.3]
    """
    z = np.clip(outcomes, -CLIP, CLIP)
    n, size = design.shape
    gram = design.T @ design / n
    coefficients = np.zeros(size)
    coefficients[0] = math.log(float(np.median(np.abs(z))) / MEDIAN)
    nu = 5.0
    for _ in range(STEPS):
        squared = (z * np.exp(-(design @ coefficients))) ** 2
        gradient = design.T @ ((nu + 1) * squared / (nu + squared) - 1) / n
        gradient -= penalty @ coefficients
        step = np.linalg.solve(2 * nu / (nu + 3) * gram + penalty, gradient)
        coefficients += DAMPING * step
        if np.abs(step).max() < TOLERANCE:
            return coefficients
        nu = _fit_nu(z * np.exp(-(design @ coefficients)))
    msg = f"The Student-t fit must converge within {STEPS} steps; check the features of the bars."
    raise ForecastError(msg)


def _fit_nu(residuals: Array) -> float:
    """Return the degrees of freedom with the largest likelihood of standardised residuals."""
    from scipy.optimize import minimize_scalar  # noqa: PLC0415  serving does not install scipy

    squared = residuals**2

    def loss(nu: float) -> float:
        constant = math.lgamma((nu + 1) / 2) - math.lgamma(nu / 2) - math.log(nu) / 2
        return float((nu + 1) / 2 * np.log1p(squared / nu).mean() - constant)

    return float(minimize_scalar(loss, bounds=NU_BOUNDS, method="bounded").x)
