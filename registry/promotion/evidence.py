"""What a promotion decision rests on: the evidence about a candidate, and the policy.

Only plain numbers and their consistency. Computing them belongs to `forecasting`, weighing them to
`registry.promotion.gates`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from core.errors import SettingsError
from forecasting.distribution.levels import COVERAGES
from forecasting.horizons import HORIZONS


@dataclass(frozen=True)
class PairedScore:
    """The candidate's CRPS beside a reference's, at one horizon, on the same sessions.

    The unit is one session: its loss is the mean over its tickers, and the difference is the
    candidate's loss minus the reference's, averaged over the sessions. Forecasts of neighbouring
    sessions overlap, so its standard error must be robust to autocorrelation (HAC).

    Attributes
    ----------
    horizon
        In sessions.
    sessions
        How many sessions both were scored on, each out of sample for both.
    candidate_crps, reference_crps
        The mean losses.
    upper_bound
        The one-sided 95 % upper confidence bound of the difference.
    p_worse
        The p-value of "the candidate is not worse" against "it is worse": small means worse.
    """

    horizon: int
    sessions: int
    candidate_crps: float
    reference_crps: float
    upper_bound: float
    p_worse: float

    @property
    def shortfall(self) -> float:
        """How much worse the candidate is, as a share of the reference's CRPS; negative: better."""
        return self._share(self.candidate_crps - self.reference_crps)

    @property
    def bound(self) -> float:
        """The upper bound of `shortfall`."""
        return self._share(self.upper_bound)

    @property
    def is_consistent(self) -> bool:
        """Whether the numbers are there and do not contradict each other."""
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
    """What is known about a candidate; a part that is not known stays at its default and fails.

    Attributes
    ----------
    golden_holds
        Whether the bundle, read back, gave its golden outputs within tolerance.
    outputs_finite
        Whether every forecast it made was finite with a positive scale.
    coverage
        Horizon -> level (0.8) -> share of outcomes inside that interval, out of sample.
    coverage_error
        Horizon -> level -> standard error of the coverage, robust to overlapping targets.
    against_naive
        Horizon -> scores paired with the naive forecast's.
    withdrawal_reason
        Why a person took this very version back, if one did: it is not promoted by itself again.
    """

    golden_holds: bool | None = None
    outputs_finite: bool | None = None
    coverage: Mapping[int, Mapping[float, float]] = field(default_factory=dict)
    coverage_error: Mapping[int, Mapping[float, float]] = field(default_factory=dict)
    against_naive: Mapping[int, PairedScore] = field(default_factory=dict)
    withdrawal_reason: str | None = None


@dataclass(frozen=True)
class ChampionComparison:
    """The present champion, and the scores paired with its own; no scores: no shared sessions."""

    version: int
    scores: Mapping[int, PairedScore] = field(default_factory=dict)


@dataclass(frozen=True)
class Policy:
    """What counts as good enough.

    Attributes
    ----------
    margin
        How much worse than the champion, as a share of its CRPS, still counts as not worse.
    naive_margin
        How far CRPS may lie above naive's by chance (`registry.promotion.gates`).
    coverage_band
        How far coverage may be off its level, in either direction; up to twice as far where chance
        explains it (`registry.promotion.gates`).
    alpha
        The level of the one-sided tests.
    min_sessions
        Fewer sessions than these prove nothing.
    horizons, levels
        What must have evidence.
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
                msg = f"`{name}` must be a share from 0 up to 1, got {value}."
                raise SettingsError(msg)
        if not 0 < self.alpha < 1:
            msg = f"`alpha` must lie between 0 and 1, got {self.alpha}."
            raise SettingsError(msg)
        if not (self.horizons and self.levels):
            msg = "`horizons` and `levels` must not be empty: a policy without gates promotes all."
            raise SettingsError(msg)
