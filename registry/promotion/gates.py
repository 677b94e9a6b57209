"""The promotion decision: a pure function from evidence to a decision and all its reasons.

A gate passes only on evidence: a missing, NaN or inconsistent number fails it. The decision is
applied by `registry.promotion.aliases`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from registry.promotion.coverage_gate import check_coverage
from registry.promotion.evidence import ChampionComparison, Evidence, PairedScore, Policy
from registry.promotion.reasons import Reason, label_of, missing_evidence, reason_of


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
        yield reason_of("withdrawn", text, passed=False, explanation=explanation)
    yield from check_coverage(candidate, policy)
    for horizon in policy.horizons:
        yield _against_naive(candidate.against_naive.get(horizon), horizon, policy)
        yield _against_garch(candidate.against_garch.get(horizon), horizon, policy)
        yield _squared_error(candidate.squared_error.get(horizon), horizon, policy)
    if champion is None:
        yield reason_of("champion", "There is no champion to compare with", passed=True)
        return
    for horizon in policy.horizons:
        yield _against_champion(champion, horizon, policy)


def _flag(gate: str, claim: str, *, holds: bool | None) -> Reason:
    if holds is None:
        return missing_evidence(gate, claim)
    # `holds` may be NumPy's True, which passes, or NaN, which is truthy and must fail.
    return reason_of(gate, claim, passed=bool(holds == 1), explanation="they do not")


def _against_naive(score: PairedScore | None, horizon: int, policy: Policy) -> Reason:
    """Pass on a pooled skill of at least 0, or on a small shortfall that chance explains.

    A shortfall is small up to `naive_margin` of the naive CRPS. Chance explains it if the one-sided
    test does not reject "not worse" at `alpha`.
    """
    gate = f"naive_{label_of(horizon)}"
    claim = f"CRPS at {label_of(horizon)}"
    if score is None or not _paired(score, horizon):
        return missing_evidence(gate, f"{claim} is not worse than that of the naive forecast")
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
    return reason_of(gate, sentence, passed=passed, explanation=explanation)


def _against_garch(score: PairedScore | None, horizon: int, policy: Policy) -> Reason:
    """Pass unless the CRPS is worse than that of GARCH beyond chance."""
    gate, claim = f"garch_{label_of(horizon)}", f"CRPS at {label_of(horizon)}"
    if score is None or not _paired(score, horizon):
        return missing_evidence(gate, f"{claim} is not worse than that of GARCH")
    sentence = f"{claim} is {_compare(score, 'GARCH', 'sessions')}"
    return _not_worse(gate, sentence, score, policy)


def _squared_error(score: PairedScore | None, horizon: int, policy: Policy) -> Reason:
    """Pass unless the squared error is larger than that of no change beyond chance."""
    gate, claim = f"squared_error_{label_of(horizon)}", f"The squared error at {label_of(horizon)}"
    if score is None or not _paired(score, horizon):
        return missing_evidence(gate, f"{claim} is not larger than that of no change")
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
    return reason_of(gate, sentence, passed=passed, explanation="chance does not explain it")


def _against_champion(champion: ChampionComparison, horizon: int, policy: Policy) -> Reason:
    """Pass if the one-sided upper bound of the difference is within the margin.

    This proves that the candidate is not worse. A test that finds no difference is not enough,
    because a short comparison would promote every candidate.
    """
    gate = f"champion_{label_of(horizon)}"
    claim = f"CRPS at {label_of(horizon)}"
    score = champion.scores.get(horizon)
    if score is None or score.sessions == 0:
        text = (
            f"{claim}: no session was scored for both the candidate and version {champion.version}"
        )
        explanation = (
            "the candidate stays challenger until both are scored on the same "
            f"{policy.min_sessions} sessions, or `stockcast promote` is used with a reason"
        )
        return reason_of(gate, text, passed=False, explanation=explanation)
    if not _paired(score, horizon):
        return missing_evidence(
            gate, f"{claim} is not worse than that of version {champion.version}"
        )
    passed = score.bound <= policy.margin
    sign = "<=" if passed else ">"
    comparison = _compare(score, "the champion", "shared sessions")
    sentence = (
        f"{claim} is {comparison} "
        f"(upper bound {_percent(score.bound)} {sign} margin {100 * policy.margin:.2f} %)"
    )
    if score.sessions < policy.min_sessions:
        return _too_few(gate, sentence, policy)
    return reason_of(gate, sentence, passed=passed, explanation="not proven to be as good")


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


def _too_few(gate: str, sentence: str, policy: Policy) -> Reason:
    explanation = f"at least {policy.min_sessions} sessions are needed"
    return reason_of(gate, sentence, passed=False, explanation=explanation)
