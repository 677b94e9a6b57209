"""The coverage gate: the intervals must contain their stated share of the outcomes."""

from __future__ import annotations

import math

from registry.promotion.evidence import WIDE_SHARE, Evidence, Policy
from registry.promotion.reasons import Reason, label_of, missing_evidence, reason_of

# Two-sided, at the 5 % level.
CHANCE = 1.96
# Rounding must not fail a coverage that equals a bound.
ROUNDING = 1e-9


def check_coverage(candidate: Evidence, policy: Policy) -> tuple[Reason, ...]:
    """Return the result of the coverage gate of every horizon and interval."""
    return tuple(
        _coverage(candidate, horizon, level, policy)
        for horizon in policy.horizons
        for level in policy.levels
    )


def _coverage(candidate: Evidence, horizon: int, level: float, policy: Policy) -> Reason:
    """Pass inside the band, or within twice the band if the interval is too wide.

    A too wide interval is cautious: the true risk is smaller than the forecast one. A too narrow
    interval hides risk, so it passes outside the band only if chance explains the deviation.
    Targets over many sessions overlap, so years of forecasts contain few independent outcomes.
    Chance explains a deviation of at most `CHANCE` standard errors. A missing standard error
    explains none. A coverage of 1 has no error, so a too wide one is compared with the error of an
    interval of the stated level.
    """
    gate = f"coverage_{100 * level:g}_{label_of(horizon)}"
    coverage = candidate.coverage.get(horizon, {}).get(level, math.nan)
    error = candidate.coverage_error.get(horizon, {}).get(level, math.nan)
    claim = f"The {100 * level:g} % interval at {label_of(horizon)}"
    if not 0 <= coverage <= 1:
        return missing_evidence(gate, f"{claim} covers its share of outcomes")
    by_chance = CHANCE * error if error >= 0 else 0.0
    band = min(max(policy.coverage_band, by_chance), 2 * policy.coverage_band)
    wide_band = min(policy.coverage_band, WIDE_SHARE * (1 - level))
    low, high = max(0.0, level - band), level + max(wide_band, min(by_chance, 2 * wide_band))
    stated_error = _stated_error(candidate.coverage_sessions.get(horizon, 0), horizon, level)
    widest = min(1.0, level + max(2 * wide_band, CHANCE * stated_error))
    reason = (
        "" if band == policy.coverage_band else f", with a standard error of {100 * error:.1f} %"
    )
    allowed = f"allowed {100 * low:.3g} to {100 * high:.3g} %{reason}"
    is_narrow, is_wide = coverage < low - ROUNDING, coverage > high + ROUNDING
    if is_wide:
        allowed += f"; up to {100 * widest:.3g} % for a too wide interval"
    return reason_of(
        gate,
        f"{claim} covered {100 * coverage:.1f} % ({allowed})",
        passed=not is_narrow and coverage <= widest + ROUNDING,
        explanation=f"the interval is too {'narrow' if is_narrow else 'wide'}",
        note="the interval is too wide, which is cautious" if is_wide else "",
    )


def _stated_error(sessions: int, horizon: int, level: float) -> float:
    """Return the standard error of the coverage of an interval that has the stated level.

    Only every `horizon`-th session counts, because the targets of the others overlap, and the
    tickers of a session count as one outcome.
    """
    return math.sqrt(level * (1 - level) * horizon / sessions) if sessions > 0 else 0.0
