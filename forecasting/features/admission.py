"""Admission of third-party indicators: checks that an indicator has the properties of a feature.

The checks run on synthetic bars that are equal on every machine. An indicator must have no gaps,
must not look ahead, must have a unit-free form and must have a finite warm-up. The synthetic bars
are never used for training.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from core.errors import SettingsError
from forecasting.features.spec import MAX_WARMUP

Bars = Mapping[str, NDArray[np.float64]]
Compute = Callable[[Bars], NDArray[np.float64]]

PROBE_SIZE = 420
# Shares of an indicator's standard deviation. The tolerance of the feature is wider than the
# tolerance of the check because real prices vary more than the synthetic ones.
CHECK_TOLERANCE, FEATURE_TOLERANCE = 0.002, 0.02


@dataclass(frozen=True)
class Units:
    """Powers of the price and of the volume that make up the unit of an indicator."""

    price: int
    volume: int

    def __str__(self) -> str:
        powers = {"close": self.price, "mean volume": self.volume}
        factors = [f"{name}^{power}" for name, power in powers.items() if power]
        return "divided by " + " ".join(factors) if factors else "without a unit"


@dataclass(frozen=True)
class AdmittedIndicator:
    """Result of the checks.

    Attributes
    ----------
    units
        Unit of the indicator's output.
    tolerance
        Tolerance of the warm-up for the unit-free form, see `Feature.tolerance`.
    """

    units: Units
    tolerance: float


def admit_indicator(name: str, compute: Compute) -> AdmittedIndicator:
    """Check an indicator on synthetic bars, and return its units and tolerance.

    Parameters
    ----------
    name
        Name for error messages.
    compute
        Function from bars, column -> (n,) values of one ticker in session order, to (n,) values.

    Raises
    ------
    SettingsError
        When the indicator has gaps, looks ahead, has no unit-free form or no finite warm-up.

    Examples
    --------
    >>> admit_indicator("my.range", lambda bars: bars["high"] - bars["low"]).units
    Units(price=1, volume=0)
    >>> admit_indicator("my.next_close", lambda bars: np.append(bars["close"][1:], 0.0))
    Traceback (most recent call last):
        ...
    core.errors.SettingsError: `extra_indicators`: 'my.next_close' looks ahead: ...
    """
    bars = _synthetic_bars()
    full = compute(bars)
    _check_gaps(name, full)
    _check_look_ahead(name, compute, bars, full)
    units = Units(
        price=_find_power(name, compute, bars, full, ("open", "high", "low", "close")),
        volume=_find_power(name, compute, bars, full, ("volume",)),
    )
    spread = _check_warmup(name, compute, bars, _unit_free(full, bars, units), units)
    return AdmittedIndicator(units, FEATURE_TOLERANCE * spread)


def _not_admitted(name: str, reason: str) -> SettingsError:
    return SettingsError(f"`extra_indicators`: {name!r} {reason}; choose another indicator.")


def _check_gaps(name: str, full: NDArray[np.float64]) -> None:
    has_value = np.isfinite(full[MAX_WARMUP - 1 :])
    if not has_value.all():
        share = f"{1 - has_value.mean():.0%}"
        raise _not_admitted(name, f"has no value on {share} of bars, so windows would have gaps")


def _check_look_ahead(name: str, compute: Compute, bars: Bars, full: NDArray[np.float64]) -> None:
    """Compare values before a cut for altered bars after the cut.

    Rows before the warm-up are not compared: some functions of `ta` fill them with the mean of all
    bars, and features do not use them.
    """
    for cut in range(MAX_WARMUP + 1, PROBE_SIZE, 47):
        before = slice(MAX_WARMUP - 1, cut)
        is_later = np.arange(PROBE_SIZE) >= cut
        variants = [{c: values[:cut] for c, values in bars.items()}]
        variants += [
            {c: np.where(is_later, values * factor, values) for c, values in bars.items()}
            for factor in (0.1, 10.0)
        ]
        for variant in variants:
            if not np.allclose(compute(variant)[before], full[before], rtol=1e-9, atol=0):
                raise _not_admitted(name, "looks ahead: later bars change its earlier values")


def _find_power(
    name: str, compute: Compute, bars: Bars, full: NDArray[np.float64], columns: tuple[str, ...]
) -> int:
    """Return p such that doubling `columns` multiplies the output by 2^p."""
    doubled = compute({c: values * 2 if c in columns else values for c, values in bars.items()})
    after = slice(MAX_WARMUP - 1, None)
    atol = 1e-9 * np.abs(full[after]).max()
    for power in (0, 1, -1, 2, -2):
        if np.allclose(doubled[after], full[after] * 2.0**power, rtol=1e-9, atol=atol):
            return power
    raise _not_admitted(
        name, f"depends on the unit of the {columns[-1]} in a way that no division removes"
    )


def _check_warmup(
    name: str, compute: Compute, bars: Bars, full: NDArray[np.float64], units: Units
) -> float:
    """Compare windows that start later with the whole history; return the standard deviation."""
    spread = float(full[MAX_WARMUP - 1 :].std())
    for start in range(1, PROBE_SIZE - MAX_WARMUP, 7):
        window = {column: values[start:] for column, values in bars.items()}
        part = _unit_free(compute(window), window, units)[MAX_WARMUP - 1 :]
        difference = np.abs(part - full[start + MAX_WARMUP - 1 :]).max()
        if not difference <= CHECK_TOLERANCE * spread:
            reason = f"has not settled after {MAX_WARMUP} bars: its value depends on older history"
            raise _not_admitted(name, reason)
    return spread


def _unit_free(values: NDArray[np.float64], bars: Bars, units: Units) -> NDArray[np.float64]:
    mean_volume = np.full(len(values), np.nan)
    mean_volume[19:] = np.convolve(bars["volume"], np.full(20, 1 / 20), mode="valid")
    divisor = bars["close"] ** float(units.price) * mean_volume ** float(units.volume)
    free: NDArray[np.float64] = values / divisor
    return free


@cache
def _synthetic_bars() -> Bars:
    """Return bars of a random walk with slowly changing volatility."""
    rng = np.random.default_rng(20130301)
    volatility = 0.015 * np.exp(0.5 * np.sin(np.arange(PROBE_SIZE) / 40))
    close = 50 * np.exp(np.cumsum(volatility * rng.standard_normal(PROBE_SIZE)))
    open_ = close * np.exp(0.5 * volatility * rng.standard_normal(PROBE_SIZE))
    above, below = np.exp(np.abs(volatility * rng.standard_normal((2, PROBE_SIZE))))
    return {
        "open": open_,
        "high": np.maximum(open_, close) * above,
        "low": np.minimum(open_, close) / below,
        "close": close,
        "volume": np.round(1e6 * np.exp(0.4 * rng.standard_normal(PROBE_SIZE))),
    }
