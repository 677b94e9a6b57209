"""The promotion decision: a pure function from evidence to a verdict with every reason.

How evidence is weighed belongs here. What the evidence consists of does not (`registry.promotion.evidence`),
nor does acting on the verdict (`registry.promotion.aliases`). Nothing here reads a clock, a file or a server.

A gate passes only on evidence: a number that is missing, NaN or contradictory fails it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from forecasting.horizons import LABEL_OF
from registry.promotion.evidence import ChampionComparison, Evidence, PairedScore, Policy

# Two-sided, at the 5 % level.
CHANCE = 1.96


@dataclass(frozen=True)
class Reason:
    """One gate's verdict; the sentence carries its numbers."""

    gate: str
    passed: bool
    sentence: str


@dataclass(frozen=True)
class Decision:
    """Whether to promote, and the verdict of every gate."""

    promote: bool
    reasons: tuple[Reason, ...]

    @property
    def failed(self) -> tuple[Reason, ...]:
        """The gates that stood in the way."""
        return tuple(reason for reason in self.reasons if not reason.passed)

    @property
    def sentences(self) -> tuple[str, ...]:
        """Every reason as one sentence."""
        return tuple(reason.sentence for reason in self.reasons)


def decide(
    candidate: Evidence, champion: ChampionComparison | None, policy: Policy | None = None
) -> Decision:
    """Promote when every gate passes; without a champion, the gates that need none decide."""
    rules = policy or Policy()
    reasons = tuple(_verdicts(candidate, champion, rules))
    return Decision(all(reason.passed for reason in reasons), reasons)


def _verdicts(
    candidate: Evidence, champion: ChampionComparison | None, policy: Policy
) -> Iterator[Reason]:
    yield _flag("golden", "Golden vectors come back within tolerance", holds=candidate.golden_holds)
    yield _flag("finite", "Outputs are finite with positive scales", holds=candidate.outputs_finite)
    if candidate.withdrawal_reason is not None:
        text = f"This version was taken back by a person ({candidate.withdrawal_reason})"
        way_out = "promote it by hand to have it back"
        yield _reason("withdrawn", text, passed=False, otherwise=way_out)
    yield from check_coverage(candidate, policy)
    for horizon in policy.horizons:
        yield _against_naive(candidate.against_naive.get(horizon), horizon, policy)
    if champion is None:
        yield _reason("champion", "There is no champion to compare with", passed=True)
        return
    for horizon in policy.horizons:
        yield _against_champion(champion, horizon, policy)


def _flag(gate: str, claim: str, *, holds: bool | None) -> Reason:
    if holds is None:
        return _missing(gate, claim)
    # NumPy's True passes too, and NaN, which is truthy, does not.
    return _reason(gate, claim, passed=bool(holds == 1), otherwise="they do not")


def check_coverage(candidate: Evidence, policy: Policy) -> tuple[Reason, ...]:
    """Return the verdict on every interval's coverage."""
    return tuple(
        _coverage(candidate, horizon, level, policy)
        for horizon in policy.horizons
        for level in policy.levels
    )


def _coverage(candidate: Evidence, horizon: int, level: float, policy: Policy) -> Reason:
    """Pass inside the band, or up to twice as far off where chance explains it.

    Targets over many sessions overlap, so that years of forecasts hold few independent outcomes:
    chance explains a deviation of no more than `CHANCE` standard errors. One that is not known
    explains nothing.
    """
    gate = f"coverage_{100 * level:g}_{_label(horizon)}"
    got = candidate.coverage.get(horizon, {}).get(level, math.nan)
    error = candidate.coverage_error.get(horizon, {}).get(level, math.nan)
    claim = f"The {100 * level:g} % interval at {_label(horizon)}"
    if not 0 <= got <= 1:
        return _missing(gate, f"{claim} covers its level")
    by_chance = CHANCE * error if error >= 0 else 0.0
    band = min(max(policy.coverage_band, by_chance), 2 * policy.coverage_band)
    low, high = max(0.0, level - band), min(1.0, level + band)
    why = "" if band == policy.coverage_band else f", with a standard error of {100 * error:.1f} %"
    allowed = f"allowed {100 * low:.3g} to {100 * high:.3g} %{why}"
    sentence = f"{claim} covered {100 * got:.1f} % ({allowed})"
    # Rounding of the bounds must not refuse a coverage that lies on one.
    return _reason(gate, sentence, passed=low - 1e-9 <= got <= high + 1e-9)


def _against_naive(score: PairedScore | None, horizon: int, policy: Policy) -> Reason:
    """Pass on a pooled skill of at least 0, or on a small shortfall that chance explains.

    Small is at most `naive_margin` of naive's CRPS; chance explains it when the one-sided test of
    "not worse" is not rejected at `alpha`.
    """
    gate = f"naive_{_label(horizon)}"
    claim = f"CRPS at {_label(horizon)}"
    if score is None or not _paired(score, horizon):
        return _missing(gate, f"{claim} is not worse than naive's")
    compared = _beside(score, "naive's", "sessions")
    sentence = f"{claim} is {compared}, one-sided p {score.p_worse:.3f})"
    if score.sessions < policy.min_sessions:
        return _too_few(gate, sentence, policy)
    by_chance = score.shortfall <= policy.naive_margin and score.p_worse >= policy.alpha
    worse = f"worse than naive by over {100 * policy.naive_margin:g} % or by more than chance"
    passed = score.shortfall <= 0 or by_chance
    return _reason(gate, sentence, passed=passed, otherwise=worse)


def _against_champion(champion: ChampionComparison, horizon: int, policy: Policy) -> Reason:
    """Pass when the difference's one-sided upper bound lies within the margin: not worse, proven.

    Failing to find a difference is not enough, or a short comparison would promote anything.
    """
    gate = f"champion_{_label(horizon)}"
    claim = f"CRPS at {_label(horizon)}"
    score = champion.scores.get(horizon)
    if score is None or score.sessions == 0:
        text = (
            f"{claim}: no session was scored by both the candidate and version {champion.version}"
        )
        way_out = (
            "nothing is proven, so it stays challenger until both are scored on the same "
            f"{policy.min_sessions} sessions, or a person promotes it with a reason"
        )
        return _reason(gate, text, passed=False, otherwise=way_out)
    if not _paired(score, horizon):
        return _missing(gate, f"{claim} is not worse than version {champion.version}'s")
    passed = score.bound <= policy.margin
    sign = "<=" if passed else ">"
    compared = _beside(score, "the champion's", "shared sessions")
    sentence = (
        f"{claim} is {compared}, "
        f"upper bound {_percent(score.bound)} {sign} margin {100 * policy.margin:.2f} %)"
    )
    if score.sessions < policy.min_sessions:
        return _too_few(gate, sentence, policy)
    return _reason(gate, sentence, passed=passed, otherwise="not proven to be as good")


def _paired(score: PairedScore, horizon: int) -> bool:
    return score.is_consistent and score.horizon == horizon and score.sessions > 0


def _beside(score: PairedScore, whose: str, what: str) -> str:
    return (
        f"{score.candidate_crps:.5f} against {whose} {score.reference_crps:.5f} "
        f"on {score.sessions:,} {what} ({_percent(score.shortfall)}"
    )


def _percent(share: float) -> str:
    return f"{100 * share:+.2f} %"


def _label(horizon: int) -> str:
    return LABEL_OF.get(horizon, f"{horizon} sessions")


def _too_few(gate: str, sentence: str, policy: Policy) -> Reason:
    way_out = f"fewer than {policy.min_sessions} sessions prove nothing"
    return _reason(gate, sentence, passed=False, otherwise=way_out)


def _missing(gate: str, claim: str) -> Reason:
    return _reason(gate, claim, passed=False, otherwise="the evidence is missing or not a number")


def _reason(gate: str, sentence: str, *, passed: bool, otherwise: str = "") -> Reason:
    verdict = "passed" if passed else "failed" + (f", {otherwise}" if otherwise else "")
    return Reason(gate, passed, f"{sentence}: {verdict}")
