"""The promotion decision, compared with a second statement of its rules."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.promotion.evidence import ChampionComparison, Evidence, PairedScore, Policy
from registry.promotion.gates import decide

HORIZONS, LEVELS = (1, 5, 21), (0.8, 0.95, 0.99)
SPECIAL = st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -1.0])


def near(value: float, width: float) -> st.SearchStrategy[float]:
    """Draw values that mostly pass, sometimes fail, and sometimes are no numbers."""
    close = st.floats(value - width / 4, value + width / 4)
    return st.one_of(close, close, close, st.floats(value - width, value + width), SPECIAL)


@st.composite
def scores(draw: st.DrawFn, horizon: int) -> PairedScore:
    reference = draw(near(0.01, 0.002))
    candidate = draw(st.one_of(st.floats(0.008, 0.0101), near(0.01, 0.0004)))
    return PairedScore(
        draw(st.sampled_from([horizon] * 9 + [3])),
        draw(st.sampled_from([60, 61, 1000, 1000, 59, 0])),
        candidate,
        reference,
        draw(st.one_of(st.just(candidate - reference + 1e-5), st.floats(-0.001, 0.0002), SPECIAL)),
        draw(near(0.5, 0.6)),
    )


@st.composite
def by_horizon(draw: st.DrawFn) -> dict[int, PairedScore]:
    horizons = draw(st.sampled_from([HORIZONS, HORIZONS, HORIZONS, (1, 5), ()]))
    return {horizon: draw(scores(horizon)) for horizon in horizons}


def grids(
    value_of: dict[float, float], width: float
) -> st.SearchStrategy[dict[int, dict[float, float]]]:
    levels = st.fixed_dictionaries({level: near(value, width) for level, value in value_of.items()})
    return st.fixed_dictionaries(dict.fromkeys(HORIZONS, levels))


evidences = st.builds(
    Evidence,
    golden_holds=st.sampled_from([True, True, True, True, False, None]),
    outputs_finite=st.sampled_from([True, True, True, True, False, None]),
    coverage=grids({level: level for level in LEVELS}, 0.06),
    coverage_error=grids(dict.fromkeys(LEVELS, 0.02), 0.05),
    coverage_sessions=st.sampled_from([{}, dict.fromkeys(HORIZONS, 1250), {1: 60, 5: 60}]),
    against_naive=by_horizon(),
    against_garch=by_horizon(),
    squared_error=by_horizon(),
    withdrawal_reason=st.sampled_from([None, None, None, "", "bold"]),
)
champions = st.one_of(st.none(), st.builds(ChampionComparison, st.just(2), by_horizon()))
GOOD = PairedScore(1, 1000, 0.0099, 0.01, 0.00001, 0.9)


def is_valid(score: PairedScore | None, horizon: int) -> bool:
    if score is None:
        return False
    numbers = (score.candidate_crps, score.reference_crps, score.upper_bound)
    difference = score.candidate_crps - score.reference_crps
    return (
        all(map(math.isfinite, numbers))
        and min(score.candidate_crps, score.reference_crps) > 0
        and 0 <= score.p_worse <= 1
        and score.horizon == horizon
        and score.sessions >= 60
        and score.upper_bound / score.reference_crps >= difference / score.reference_crps - 1e-12
    )


def beats_naive(score: PairedScore | None, horizon: int) -> bool:
    if score is None or not is_valid(score, horizon):
        return False
    shortfall = (score.candidate_crps - score.reference_crps) / score.reference_crps
    return shortfall <= 0 or (shortfall <= 0.02 and score.p_worse >= 0.05)


def is_not_worse(score: PairedScore | None, horizon: int) -> bool:
    if score is None or not is_valid(score, horizon):
        return False
    return score.candidate_crps <= score.reference_crps or score.p_worse >= 0.05


def is_as_good(score: PairedScore | None, horizon: int) -> bool:
    if score is None or not is_valid(score, horizon):
        return False
    return score.upper_bound / score.reference_crps <= 0.005


def covers(coverage: float, error: float, level: float, outcomes: float) -> bool:
    """Return whether a coverage is within its limits, for a number of separate outcomes."""
    band = 0.04
    if error >= 0:
        band = min(max(band, 1.96 * error), 0.08)
    # A too wide interval is cautious, so it may deviate twice as far, or by chance.
    wide = 2 * min(0.04, 0.4 * (1 - level))
    if outcomes:
        wide = max(wide, 1.96 * (level * (1 - level) / outcomes) ** 0.5)
    return 0 <= coverage <= 1 and level - band - 1e-9 <= coverage <= level + wide + 1e-9


@settings(max_examples=60)
@given(evidences, champions)
def test_a_candidate_is_promoted_if_and_only_if_every_rule_holds(
    evidence: Evidence, champion: ChampionComparison | None
) -> None:
    expected = (
        evidence.golden_holds is True
        and evidence.outputs_finite is True
        and evidence.withdrawal_reason is None
        and all(
            covers(
                evidence.coverage[h][level],
                evidence.coverage_error[h][level],
                level,
                evidence.coverage_sessions.get(h, 0) / h,
            )
            for h in HORIZONS
            for level in LEVELS
        )
        and all(beats_naive(evidence.against_naive.get(h), h) for h in HORIZONS)
        and all(is_not_worse(evidence.against_garch.get(h), h) for h in HORIZONS)
        and all(is_not_worse(evidence.squared_error.get(h), h) for h in HORIZONS)
        and (champion is None or all(is_as_good(champion.scores.get(h), h) for h in HORIZONS))
    )
    decision = decide(evidence, champion)
    assert decision.promote == expected
    assert decision.promote == (not decision.failed)
    assert len({reason.gate for reason in decision.reasons}) == len(decision.reasons)


def good_scores() -> dict[int, PairedScore]:
    return {horizon: replace(GOOD, horizon=horizon) for horizon in HORIZONS}


def good_evidence() -> Evidence:
    coverage = {h: {level: level for level in LEVELS} for h in HORIZONS}
    return Evidence(
        golden_holds=True,
        outputs_finite=True,
        coverage=coverage,
        against_naive=good_scores(),
        against_garch=good_scores(),
        squared_error=good_scores(),
    )


@st.composite
def scores_at_the_limits(draw: st.DrawFn, horizon: int) -> PairedScore:
    """Draw consistent scores on both sides of every limit."""
    shortfall = draw(st.sampled_from([-0.01, 0.0, 0.004, 0.019, 0.021]))
    bound = shortfall + draw(st.sampled_from([0.0, 0.0005, 0.002, 0.02]))
    return PairedScore(
        horizon=draw(st.sampled_from([horizon, horizon, horizon, 3])),
        sessions=draw(st.sampled_from([59, 60, 1000, 1000])),
        candidate_crps=0.01 * (1 + shortfall),
        reference_crps=0.01,
        upper_bound=0.01 * bound,
        p_worse=draw(st.sampled_from([0.01, 0.049, 0.05, 0.051, 0.9])),
    )


@given(st.sampled_from(HORIZONS), st.data())
def test_one_score_decides_by_its_own_rule(horizon: int, data: st.DataObject) -> None:
    """All other evidence is good, so the drawn score decides."""
    score = data.draw(st.one_of(scores_at_the_limits(horizon), scores(horizon)))
    changed = good_scores() | {horizon: score}
    naive = decide(replace(good_evidence(), against_naive=changed), None)
    assert naive.promote == beats_naive(score, horizon)
    champion = decide(good_evidence(), ChampionComparison(2, changed))
    assert champion.promote == is_as_good(score, horizon)


@given(st.sampled_from(HORIZONS), st.sampled_from(LEVELS), st.data())
def test_one_coverage_decides_by_its_own_rule(
    horizon: int, level: float, data: st.DataObject
) -> None:
    distances = st.sampled_from([-0.081, -0.079, -0.05, -0.041, -0.039, 0.05, 0.079, 0.081])
    value = data.draw(st.one_of(distances.map(lambda distance: level + distance), near(level, 0.1)))
    error = data.draw(st.one_of(st.sampled_from([0.02, 0.03, 0.05]), near(0.02, 0.06)))
    good = good_evidence()
    coverage = {**good.coverage, horizon: {**good.coverage[horizon], level: value}}
    sessions = data.draw(st.sampled_from([0, 60, 250, 1250, 10_000]))
    evidence = replace(
        good,
        coverage=coverage,
        coverage_error={horizon: {level: error}},
        coverage_sessions={horizon: sessions},
    )
    assert decide(evidence, None).promote == covers(value, error, level, sessions / horizon)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(("error", "passes"), [(0.02, False), (0.025, False), (0.026, True)])
def test_chance_explains_1_96_standard_errors(level: float, error: float, *, passes: bool) -> None:
    """The interval is too narrow by 5 %, and 5 / 1.96 is 2.55."""
    good = good_evidence()
    coverage = {**good.coverage, 5: {**good.coverage[5], level: level - 0.05}}
    evidence = replace(good, coverage=coverage, coverage_error={5: {level: error}})
    assert decide(evidence, None).promote == passes


def test_a_withdrawal_with_an_empty_reason_counts() -> None:
    assert decide(good_evidence(), None).promote
    assert not decide(replace(good_evidence(), withdrawal_reason=""), None).promote


@given(
    horizon=st.sampled_from(HORIZONS),
    bound=st.floats(-0.001, 0.001),
    margins=st.tuples(st.floats(0, 0.1), st.floats(0, 0.1)),
)
def test_a_larger_margin_never_refuses_more(
    horizon: int, bound: float, margins: tuple[float, float]
) -> None:
    changed = good_scores() | {horizon: replace(GOOD, horizon=horizon, upper_bound=bound)}
    small, large = (
        decide(good_evidence(), ChampionComparison(2, changed), Policy(margin=margin)).promote
        for margin in sorted(margins)
    )
    assert large >= small
