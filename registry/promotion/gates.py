"""The promotion decision: a pure function from evidence to a decision and all its reasons.

A gate passes only on evidence: a missing, NaN or inconsistent number fails it. The decision is
applied by `registry.promotion.aliases`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from forecasting.horizons import LABEL_OF
from registry.promotion.evidence import (
    WIDE_SHARE,
    ChampionComparison,
    Evidence,
    PairedScore,
    Policy,
)

# Two-sided, at the 5 % level.
CHANCE = 1.96
# Rounding must not fail a coverage that equals a bound.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Reason:
    """The result of one gate. `sentence` contains its numbers."""

    gate: str
    passed: bool
    sentence: str


@dataclass(frozen=True)
class Decision:
    """Whether to promote, and the result of every gate."""

    promote: bool
    reasons: tuple[Reason, ...]

    @property
    def failed(self) -> tuple[Reason, ...]:
        """The gates that did not pass."""
        return tuple(reason for reason in self.reasons if not reason.passed)

    @property
    def sentences(self) -> tuple[str, ...]:
        """The sentence of every reason."""
        return tuple(reason.sentence for reason in self.reasons)


def decide(
    candidate: Evidence, champion: ChampionComparison | None, policy: Policy | None = None
) -> Decision:
    """Decide to promote if every gate passes; the champion gates need a champion."""
    reasons = tuple(_reasons(candidate, champion, policy or Policy()))
    return Decision(all(reason.passed for reason in reasons), reasons)


def _reasons(
    candidate: Evidence, champion: ChampionComparison | None, policy: Policy
) -> Iterator[Reason]:
    yield _flag("golden", "Golden vectors match within tolerance", holds=candidate.golden_holds)
    yield _flag("finite", "Outputs are finite with positive scales", holds=candidate.outputs_finite)
    if candidate.withdrawal_reason is not None:
        text = f"This version was rolled back ({candidate.withdrawal_reason})"
        explanation = "`stockcast promote` can make it champion again"
        yield _reason("withdrawn", text, passed=False, explanation=explanation)
    yield from check_coverage(candidate, policy)
    for horizon in policy.horizons:
        yield _against_naive(candidate.against_naive.get(horizon), horizon, policy)
        yield _against_garch(candidate.against_garch.get(horizon), horizon, policy)
        yield _squared_error(candidate.squared_error.get(horizon), horizon, policy)
    if champion is None:
        yield _reason("champion", "There is no champion to compare with", passed=True)
        return
    for horizon in policy.horizons:
        yield _against_champion(champion, horizon, policy)


def _flag(gate: str, claim: str, *, holds: bool | None) -> Reason:
    if holds is None:
        return _missing(gate, claim)
    # `holds` may be NumPy's True, which passes, or NaN, which is truthy and must fail.
    return _reason(gate, claim, passed=bool(holds == 1), explanation="they do not")


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
    gate = f"coverage_{100 * level:g}_{_label(horizon)}"
    coverage = candidate.coverage.get(horizon, {}).get(level, math.nan)
    error = candidate.coverage_error.get(horizon, {}).get(level, math.nan)
    claim = f"The {100 * level:g} % interval at {_label(horizon)}"
    if not 0 <= coverage <= 1:
        return _missing(gate, f"{claim} covers its share of outcomes")
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
    return _reason(
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


def _against_naive(score: PairedScore | None, horizon: int, policy: Policy) -> Reason:
    """Pass on a pooled skill of at least 0, or on a small shortfall that chance explains.

    A shortfall is small up to `naive_margin` of the naive CRPS. Chance explains it if the one-sided
    test does not reject "not worse" at `alpha`.
    """
    gate = f"naive_{_label(horizon)}"
    claim = f"CRPS at {_label(horizon)}"
    if score is None or not _paired(score, horizon):
        return _missing(gate, f"{claim} is not worse than that of the naive forecast")
    sentence = f"{claim} is {_compare(score, 'naive', 'sessions')}"
    if score.shortfall > 0:
        sentence += f" (one-sided p {score.p_worse:.3f})"
    if score.sessions < policy.min_sessions:
        return _too_few(gate, sentence, policy)
    by_chance = score.shortfall <= policy.naive_margin and score.p_worse >= policy.alpha
    passed = score.shortfall <= 0 or by_chance
    explanation = (
        f"over {100 * policy.naive_margin:g} % worse than naive, or not explained by chance"
    )
    return _reason(gate, sentence, passed=passed, explanation=explanation)


def _against_garch(score: PairedScore | None, horizon: int, policy: Policy) -> Reason:
    """Pass unless the CRPS is worse than that of GARCH beyond chance."""
    gate, claim = f"garch_{_label(horizon)}", f"CRPS at {_label(horizon)}"
    if score is None or not _paired(score, horizon):
        return _missing(gate, f"{claim} is not worse than that of GARCH")
    sentence = f"{claim} is {_compare(score, 'GARCH', 'sessions')}"
    return _not_worse(gate, sentence, score, policy)


def _squared_error(score: PairedScore | None, horizon: int, policy: Policy) -> Reason:
    """Pass unless the squared error is larger than that of no change beyond chance."""
    gate, claim = f"squared_error_{_label(horizon)}", f"The squared error at {_label(horizon)}"
    if score is None or not _paired(score, horizon):
        return _missing(gate, f"{claim} is not larger than that of no change")
    relation = "larger" if score.shortfall > 0 else "smaller"
    sentence = (
        f"{claim} is {100 * abs(score.shortfall):.2f} % {relation} than that of no change on "
        f"{score.sessions:,} sessions"
    )
    return _not_worse(gate, sentence, score, policy)


def _not_worse(gate: str, sentence: str, score: PairedScore, policy: Policy) -> Reason:
    """Pass if the loss is not larger, or if the one-sided test does not reject that at `alpha`."""
    if score.shortfall > 0:
        sentence += f" (one-sided p {score.p_worse:.3f})"
    if score.sessions < policy.min_sessions:
        return _too_few(gate, sentence, policy)
    passed = score.shortfall <= 0 or score.p_worse >= policy.alpha
    return _reason(gate, sentence, passed=passed, explanation="chance does not explain it")


def _against_champion(champion: ChampionComparison, horizon: int, policy: Policy) -> Reason:
    """Pass if the one-sided upper bound of the difference is within the margin.

    This proves that the candidate is not worse. A test that finds no difference is not enough,
    because a short comparison would promote every candidate.
    """
    gate = f"champion_{_label(horizon)}"
    claim = f"CRPS at {_label(horizon)}"
    score = champion.scores.get(horizon)
    if score is None or score.sessions == 0:
        text = (
            f"{claim}: no session was scored for both the candidate and version {champion.version}"
        )
        explanation = (
            "the candidate stays challenger until both are scored on the same "
            f"{policy.min_sessions} sessions, or `stockcast promote` is used with a reason"
        )
        return _reason(gate, text, passed=False, explanation=explanation)
    if not _paired(score, horizon):
        return _missing(gate, f"{claim} is not worse than that of version {champion.version}")
    passed = score.bound <= policy.margin
    sign = "<=" if passed else ">"
    comparison = _compare(score, "the champion", "shared sessions")
    sentence = (
        f"{claim} is {comparison} "
        f"(upper bound {_percent(score.bound)} {sign} margin {100 * policy.margin:.2f} %)"
    )
    if score.sessions < policy.min_sessions:
        return _too_few(gate, sentence, policy)
    return _reason(gate, sentence, passed=passed, explanation="not proven to be as good")


def _paired(score: PairedScore, horizon: int) -> bool:
    return score.is_consistent and score.horizon == horizon and score.sessions > 0


def _compare(score: PairedScore, reference: str, sessions: str) -> str:
    direction = "worse" if score.shortfall > 0 else "better"
    return (
        f"{score.candidate_crps:.5f}, {100 * abs(score.shortfall):.2f} % {direction} than "
        f"{reference}'s {score.reference_crps:.5f} on {score.sessions:,} {sessions}"
    )


def _percent(share: float) -> str:
    return f"{100 * share:+.2f} %"


def _label(horizon: int) -> str:
    return LABEL_OF.get(horizon, f"{horizon} sessions")


def _too_few(gate: str, sentence: str, policy: Policy) -> Reason:
    explanation = f"at least {policy.min_sessions} sessions are needed"
    return _reason(gate, sentence, passed=False, explanation=explanation)


def _missing(gate: str, claim: str) -> Reason:
    explanation = "the evidence is missing or not a number"
    return _reason(gate, claim, passed=False, explanation=explanation)


def _reason(
    gate: str, sentence: str, *, passed: bool, explanation: str = "", note: str = ""
) -> Reason:
    """Return a reason; `explanation` is added to a failure, and `note` to a pass."""
    result, detail = ("passed", note) if passed else ("failed", explanation)
    return Reason(gate, passed, f"{sentence}: {result}{', ' if detail else ''}{detail}")
