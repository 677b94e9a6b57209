"""Inputs of the promotion decision: the evidence about a candidate, and the policy.

The gates that use them are in `registry.promotion.gates`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from core.errors import SettingsError
from forecasting.distribution.levels import COVERAGES
from forecasting.horizons import HORIZONS

# Twice this share of the distance from a level to 1 is less than the distance, so that the coverage
# of a too wide interval can exceed the limit also at 95 and 99 %.
WIDE_SHARE = 0.4


@dataclass(frozen=True)
class PairedScore:
    """The loss of the candidate and of a reference at one horizon, on the same sessions.

    It is the CRPS, or the squared error in `Evidence.squared_error`.

    The loss of a session is the mean over its tickers. The difference is the loss of the candidate
    minus the loss of the reference, averaged over sessions. Forecasts of neighbouring sessions
    overlap, so the standard error must be robust to autocorrelation (HAC).

    Attributes
    ----------
    horizon
        Horizon in sessions.
    sessions
        Number of sessions that were scored for both, out of sample for both.
    candidate_crps, reference_crps
        Mean losses.
    upper_bound
        One-sided 95 % upper confidence bound of the difference.
    p_worse
        One-sided p-value of the hypothesis that the candidate is not worse; small means worse.
    """

    horizon: int
    sessions: int
    candidate_crps: float
    reference_crps: float
    upper_bound: float
    p_worse: float

    @property
    def shortfall(self) -> float:
        """The difference as a share of the reference CRPS; negative if the candidate is better."""
        return self._share(self.candidate_crps - self.reference_crps)

    @property
    def bound(self) -> float:
        """The upper bound of `shortfall`."""
        return self._share(self.upper_bound)

    @property
    def is_consistent(self) -> bool:
        """Whether all numbers are finite and consistent with each other."""
        scores = (self.candidate_crps, self.reference_crps)
        return (
            all(math.isfinite(score) and score > 0 for score in scores)
            and 0 <= self.p_worse <= 1
            and math.isfinite(self.bound)
            and self.bound >= self.shortfall - 1e-12
        )

    def _share(self, difference: float) -> float:
        return difference / self.reference_crps if self.reference_crps else math.nan


@dataclass(frozen=True)
class Evidence:
    """Evidence about a candidate. A missing part keeps its default and fails its gate.

    Attributes
    ----------
    golden_holds
        Whether the bundle, read back, reproduced its golden outputs within tolerance.
    outputs_finite
        Whether every forecast was finite with a positive scale.
    coverage
        Horizon -> level (0.8) -> share of outcomes inside that interval, out of sample.
    coverage_error
        Horizon -> level -> standard error of the coverage, robust to overlapping targets.
    coverage_sessions
        Horizon -> number of sessions in the coverage.
    against_naive, against_garch
        Horizon -> scores paired with those of the naive forecast and of GARCH.
    squared_error
        Horizon -> squared error of the mean, paired with that of no change.
    withdrawal_reason
        Reason of a rollback from this version; such a version is not promoted automatically.
    """

    golden_holds: bool | None = None
    outputs_finite: bool | None = None
    coverage: Mapping[int, Mapping[float, float]] = field(default_factory=dict)
    coverage_error: Mapping[int, Mapping[float, float]] = field(default_factory=dict)
    coverage_sessions: Mapping[int, int] = field(default_factory=dict)
    against_naive: Mapping[int, PairedScore] = field(default_factory=dict)
    against_garch: Mapping[int, PairedScore] = field(default_factory=dict)
    squared_error: Mapping[int, PairedScore] = field(default_factory=dict)
    withdrawal_reason: str | None = None


@dataclass(frozen=True)
class ChampionComparison:
    """The champion, and the scores paired with its own; empty without shared sessions."""

    version: int
    scores: Mapping[int, PairedScore] = field(default_factory=dict)


@dataclass(frozen=True)
class Policy:
    """Limits of the gates; see `registry.promotion.gates`.

    Attributes
    ----------
    margin
        Largest accepted shortfall against the champion, as a share of its CRPS.
    naive_margin
        Largest accepted shortfall against the naive forecast, if chance explains it.
    coverage_band
        Largest accepted distance of a coverage from its level, or twice that if the interval is too
        wide or if chance explains it. For a too wide interval, at most `WIDE_SHARE` of the distance
        from the level to 1 replaces it.
    alpha
        Level of the one-sided tests.
    min_sessions
        Smallest number of sessions of a comparison.
    horizons, levels
        Horizons and interval levels that need evidence.
    """

    margin: float = 0.005
    naive_margin: float = 0.02
    coverage_band: float = 0.04
    alpha: float = 0.05
    min_sessions: int = 60
    horizons: tuple[int, ...] = HORIZONS
    levels: tuple[float, ...] = COVERAGES

    def __post_init__(self) -> None:
        for name in ("margin", "naive_margin", "coverage_band"):
            value = getattr(self, name)
            if not 0 <= value < 1:
                msg = f"`{name}` must be at least 0 and less than 1, got {value}."
                raise SettingsError(msg)
        if not 0 < self.alpha < 1:
            msg = f"`alpha` must be greater than 0 and less than 1, got {self.alpha}."
            raise SettingsError(msg)
        if not (self.horizons and self.levels):
            msg = (
                "`horizons` and `levels` must not be empty, because a policy without gates would "
                "promote every candidate."
            )
            raise SettingsError(msg)
