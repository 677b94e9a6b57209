"""What an indicator that we did not write must show before it becomes a feature.

Belongs here: the proof, on made-up bars that are the same everywhere, that an indicator has no
gaps, does not look ahead, can be made free of units and has a finite warm-up. The bars only
exercise the code; no model ever sees them.
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
# The promise is wider than the admission, because real prices are wilder than the probe.
ADMITTED, PROMISED = 0.002, 0.02


@dataclass(frozen=True)
class Units:
    """Powers of the price and of the volume in which an indicator is measured."""

    price: int
    volume: int

    def __str__(self) -> str:
        powers = {"close": self.price, "mean volume": self.volume}
        divided = [f"{name}^{power}" for name, power in powers.items() if power]
        return "over " + " ".join(divided) if divided else "as it is"


@dataclass(frozen=True)
class Checked:
    """What the checks found: the units, and the tolerance of the warm-up in unit-free terms."""

    units: Units
    tolerance: float


def check_indicator(name: str, compute: Compute) -> Checked:
    """Check `compute` on the probe and tell how to make its output free of units.

    Raises
    ------
    SettingsError
        With the first promise that the indicator breaks.
    """
    bars = _probe()
    whole = compute(bars)
    _check_gaps(name, whole)
    _check_leak(name, compute, bars, whole)
    units = Units(
        _power(name, compute, bars, whole, ("open", "high", "low", "close")),
        _power(name, compute, bars, whole, ("volume",)),
    )
    spread = _check_warmup(name, compute, bars, _unit_free(whole, bars, units), units)
    return Checked(units, PROMISED * spread)


def _refuse(name: str, reason: str) -> SettingsError:
    return SettingsError(f"`extra_indicators`: {name!r} {reason}; choose another.")


def _check_gaps(name: str, whole: NDArray[np.float64]) -> None:
    known = np.isfinite(whole[MAX_WARMUP - 1 :])
    if not known.all():
        share = f"{1 - known.mean():.0%}"
        raise _refuse(name, f"is unknown on {share} of bars, so windows would have gaps")


def _check_leak(name: str, compute: Compute, bars: Bars, whole: NDArray[np.float64]) -> None:
    """Rows before the warm-up are never used: some of `ta` fill them with a mean of all bars."""
    for cut in range(MAX_WARMUP + 1, PROBE_SIZE, 47):
        used = slice(MAX_WARMUP - 1, cut)
        later = np.arange(PROBE_SIZE) >= cut
        futures = [{c: values[:cut] for c, values in bars.items()}]
        futures += [
            {c: np.where(later, values * f, values) for c, values in bars.items()}
            for f in (0.1, 10.0)
        ]
        for future in futures:
            if not np.allclose(compute(future)[used], whole[used], rtol=1e-9, atol=0):
                raise _refuse(name, "looks ahead: later bars change its earlier values")


def _power(
    name: str, compute: Compute, bars: Bars, whole: NDArray[np.float64], columns: tuple[str, ...]
) -> int:
    """Find p such that doubling `columns` multiplies the output by 2^p."""
    doubled = compute({c: values * 2 if c in columns else values for c, values in bars.items()})
    late = slice(MAX_WARMUP - 1, None)
    atol = 1e-9 * np.abs(whole[late]).max()
    for power in (0, 1, -1, 2, -2):
        if np.allclose(doubled[late], whole[late] * 2.0**power, rtol=1e-9, atol=atol):
            return power
    raise _refuse(name, f"depends on the unit of the {columns[-1]} in no way that can be undone")


def _check_warmup(
    name: str, compute: Compute, bars: Bars, whole: NDArray[np.float64], units: Units
) -> float:
    """Compare every row that has its warm-up, for many starts of history; return the spread."""
    spread = float(whole[MAX_WARMUP - 1 :].std())
    for start in range(1, PROBE_SIZE - MAX_WARMUP, 7):
        window = {column: values[start:] for column, values in bars.items()}
        part = _unit_free(compute(window), window, units)[MAX_WARMUP - 1 :]
        off = np.abs(part - whole[start + MAX_WARMUP - 1 :]).max()
        if not off <= ADMITTED * spread:
            reason = f"has not settled after {MAX_WARMUP} bars: its value depends on older history"
            raise _refuse(name, reason)
    return spread


def _unit_free(values: NDArray[np.float64], bars: Bars, units: Units) -> NDArray[np.float64]:
    mean_volume = np.full(len(values), np.nan)
    mean_volume[19:] = np.convolve(bars["volume"], np.full(20, 1 / 20), mode="valid")
    divisor = bars["close"] ** float(units.price) * mean_volume ** float(units.volume)
    free: NDArray[np.float64] = values / divisor
    return free


@cache
def _probe() -> Bars:
    """Make bars of a random walk whose volatility changes slowly."""
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
