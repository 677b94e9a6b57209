"""Every gate passes on sufficient evidence and fails without it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from core.errors import SettingsError
from forecasting.horizons import HORIZONS
from registry.promotion.evidence import ChampionComparison, Evidence, PairedScore, Policy
from registry.promotion.gates import Decision, decide

COVERAGE = {h: {0.8: 0.79, 0.95: 0.955, 0.99: 0.988} for h in HORIZONS}


def paired(horizon: int = 1, **fields: float) -> PairedScore:
    """Return the score of a candidate that is slightly better than its reference."""
    values: dict[str, float] = {
        "sessions": 1260,
        "candidate_crps": 0.00812,
        "reference_crps": 0.00815,
        "upper_bound": 0.0000163,
        "p_worse": 0.9,
    }
    return PairedScore(horizon, **{**values, **fields})  # type: ignore[arg-type]


def evidence(**fields: object) -> Evidence:
    values: dict[str, object] = {
        "golden_holds": True,
        "outputs_finite": True,
        "coverage": COVERAGE,
        "against_naive": {h: paired(h) for h in HORIZONS},
        "against_garch": {h: paired(h) for h in HORIZONS},
        "squared_error": {h: paired(h) for h in HORIZONS},
    }
    return Evidence(**{**values, **fields})  # type: ignore[arg-type]


def champion(**fields: float) -> ChampionComparison:
    return ChampionComparison(2, {h: paired(h, **fields) for h in HORIZONS})


def failed_gates(decision: Decision) -> set[str]:
    assert decision.promote == (not decision.failed)
    return {reason.gate for reason in decision.failed}


def test_a_first_version_that_passes_its_gates_is_promoted() -> None:
    decision = decide(evidence(), None)
    assert decision.promote
    assert "There is no champion to compare with: passed" in decision.sentences


def test_a_version_as_good_as_the_champion_is_promoted() -> None:
    assert decide(evidence(), champion()).promote


def test_the_sentence_of_a_champion_gate_contains_its_numbers() -> None:
    sentence = next(s for s in decide(evidence(), champion()).sentences if "champion" in s)
    assert sentence == (
        "CRPS at 1d is 0.00812, 0.37 % better than the champion's 0.00815 on 1,260 shared sessions "
        "(upper bound +0.20 % <= margin 0.50 %): passed"
    )


def test_the_sentence_of_a_passed_naive_gate_does_not_read_like_a_failure() -> None:
    better = paired(1, candidate_crps=0.009912, reference_crps=0.01035, sessions=1_259, p_worse=1.0)
    worse = paired(5, candidate_crps=0.0101, reference_crps=0.01, upper_bound=0.001, p_worse=0.2)
    scores = {h: paired(h) for h in HORIZONS} | {1: better, 5: worse}

    sentences = [s for s in decide(evidence(against_naive=scores), None).sentences if "naive" in s]

    assert sentences[:2] == [
        "CRPS at 1d is 0.00991, 4.23 % better than naive's 0.01035 on 1,259 sessions: passed",
        (
            "CRPS at 1w is 0.01010, 1.00 % worse than naive's 0.01000 on 1,260 sessions "
            "(one-sided p 0.200): passed"
        ),
    ]


def test_the_sentence_of_a_coverage_gate_contains_its_band() -> None:
    assert (
        "The 80 % interval at 1d covered 79.0 % (allowed 76 to 84 %): passed"
        in decide(evidence(), None).sentences
    )


def test_missing_evidence_fails_every_gate_that_needs_it() -> None:
    decision = decide(Evidence(), champion())
    assert failed_gates(decision) >= {"golden", "finite", "coverage_95_1w", "naive_1m"}
    assert all("missing" in reason.sentence for reason in decision.failed)


@pytest.mark.parametrize("gate", ["golden_holds", "outputs_finite"])
@pytest.mark.parametrize("value", [False, np.False_, None, math.nan])
def test_a_flag_that_is_not_true_fails(gate: str, value: object) -> None:
    assert len(failed_gates(decide(evidence(**{gate: value}), None))) == 1


def test_a_flag_from_numpy_passes() -> None:
    assert decide(evidence(golden_holds=np.True_), None).promote


@pytest.mark.parametrize(
    ("level", "value", "passes"),
    [
        (0.8, 0.76, True),
        (0.8, 0.7599, False),
        (0.8, 0.84, True),
        (0.8, 0.8401, True),
        (0.8, 0.88, True),
        (0.8, 0.8801, False),
        (0.95, 0.97, True),
        (0.95, 0.99, True),
        (0.95, 0.9901, False),
        (0.99, 0.998, True),
        (0.99, 0.9981, False),
        (0.99, 1.0, False),
        (0.99, 0.949, False),
        (0.95, math.nan, False),
        (0.95, -0.1, False),
        (0.95, 1.2, False),
    ],
)
def test_coverage_must_lie_within_its_band(level: float, value: float, passes: bool) -> None:  # noqa: FBT001
    coverage = {**COVERAGE, 5: {**COVERAGE[5], level: value}}
    expected = set() if passes else {f"coverage_{100 * level:g}_1w"}
    assert failed_gates(decide(evidence(coverage=coverage), None)) == expected


@pytest.mark.parametrize(
    ("level", "sessions", "passes"),
    [
        (0.95, 360, True),
        (0.95, 370, False),
        (0.99, 1890, True),
        (0.99, 1910, False),
    ],
)
def test_chance_explains_that_few_outcomes_are_all_inside_an_interval(
    level: float,
    sessions: int,
    passes: bool,  # noqa: FBT001
) -> None:
    """At 5 sessions, 95 % needs 73 separate outcomes to be found too wide, and 99 % needs 380."""
    coverage = {**COVERAGE, 5: {**COVERAGE[5], level: 1.0}}
    decision = decide(evidence(coverage=coverage, coverage_sessions={5: sessions}), None)

    assert decision.promote == passes
    (sentence,) = (r.sentence for r in decision.reasons if r.gate == f"coverage_{100 * level:g}_1w")
    assert "the interval is too wide" in sentence


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_every_level_can_fail_for_a_too_wide_interval(level: float) -> None:
    """Regression: the band reached 100 %, so 95 and 99 % could not fail."""
    coverage = {h: {**COVERAGE[h], level: 1.0} for h in HORIZONS}
    sessions = dict.fromkeys(HORIZONS, 10_000)

    failed = failed_gates(decide(evidence(coverage=coverage, coverage_sessions=sessions), None))

    assert failed == {f"coverage_{100 * level:g}_{label}" for label in ("1d", "1w", "1m")}


@pytest.mark.parametrize(
    ("value", "passes", "end"),
    [
        (
            0.854,
            True,
            (
                "; up to 88 % for a too wide interval): "
                "passed, the interval is too wide, which is cautious"
            ),
        ),
        (0.881, False, "; up to 88 % for a too wide interval): failed, the interval is too wide"),
        (0.756, False, "): failed, the interval is too narrow"),
        (0.746, False, "): failed, the interval is too narrow"),
    ],
)
def test_a_slightly_too_wide_interval_does_not_refuse_a_version(
    value: float,
    passes: bool,  # noqa: FBT001
    end: str,
) -> None:
    coverage = {**COVERAGE, 5: {**COVERAGE[5], 0.8: value}}
    errors = {5: {0.8: 0.0219}}  # allows 75.7 to 84.3 %

    decision = decide(evidence(coverage=coverage, coverage_error=errors), None)

    assert decision.promote == passes
    (sentence,) = (r.sentence for r in decision.reasons if r.gate == "coverage_80_1w")
    assert sentence == (
        f"The 80 % interval at 1w covered {100 * value:.1f} % (allowed 75.7 to 84.3 %, "
        f"with a standard error of 2.2 %{end}"
    )


@pytest.mark.parametrize(
    ("candidate_crps", "p_worse", "passes"),
    [
        (0.0099, 0.99, True),
        (0.0100, 0.5, True),
        (0.0101, 0.2, True),  # 1 % worse, and chance explains it
        (0.0101, 0.05, True),  # exactly at the level of the test
        (0.0101, 0.04, False),  # 1 % worse, and chance does not explain it
        (0.0103, 0.2, False),  # 3 % worse is too much, even if chance explains it
    ],
)
def test_a_candidate_may_be_slightly_worse_than_naive_if_chance_explains_it(
    candidate_crps: float,
    p_worse: float,
    passes: bool,  # noqa: FBT001
) -> None:
    score = paired(
        21,
        candidate_crps=candidate_crps,
        reference_crps=0.01,
        upper_bound=0.001,
        p_worse=p_worse,
    )
    naive = {**evidence().against_naive, 21: score}
    expected = set() if passes else {"naive_1m"}
    assert failed_gates(decide(evidence(against_naive=naive), None)) == expected


def test_an_insignificant_difference_does_not_replace_the_champion() -> None:
    uncertain = champion(candidate_crps=0.00815, upper_bound=0.0008, p_worse=0.5)
    decision = decide(evidence(), uncertain)
    assert failed_gates(decision) == {"champion_1d", "champion_1w", "champion_1m"}
    assert "upper bound +9.82 % > margin 0.50 %): failed" in decision.failed[0].sentence


def test_one_failed_horizon_keeps_the_champion() -> None:
    scores = {**champion().scores, 5: paired(5, upper_bound=0.001)}
    decision = decide(evidence(), ChampionComparison(2, scores))
    assert failed_gates(decision) == {"champion_1w"}


def test_the_margin_is_exact() -> None:
    at_edge = champion(candidate_crps=0.0100, reference_crps=0.01, upper_bound=0.00005)
    assert decide(evidence(), at_edge, Policy(margin=0.00501)).promote
    assert not decide(evidence(), at_edge, Policy(margin=0.00499)).promote


def test_without_shared_sessions_the_champion_gates_fail_with_instructions() -> None:
    decision = decide(evidence(), ChampionComparison(2))
    assert failed_gates(decision) == {"champion_1d", "champion_1w", "champion_1m"}
    sentence = decision.failed[0].sentence
    assert "no session was scored for both the candidate and version 2" in sentence
    assert "until both are scored on the same 60 sessions, or `stockcast promote`" in sentence


def test_too_few_sessions_fail() -> None:
    assert not decide(evidence(), champion(sessions=59)).promote
    assert decide(evidence(), champion(sessions=60)).promote


@pytest.mark.parametrize(
    "fields",
    [
        {"candidate_crps": math.nan},
        {"reference_crps": math.nan},
        {"reference_crps": 0.0},
        {"candidate_crps": -1.0},
        {"upper_bound": math.nan},
        {"upper_bound": -math.inf},
        {"upper_bound": -1.0},  # below the difference that it bounds
        {"p_worse": math.nan},
        {"p_worse": 1.5},
    ],
)
def test_missing_or_inconsistent_numbers_fail(fields: dict[str, float]) -> None:
    assert not decide(evidence(), champion(**fields)).promote
    naive = {h: paired(h, **fields) for h in HORIZONS}
    assert not decide(evidence(against_naive=naive), None).promote


def test_a_score_of_another_horizon_fails() -> None:
    scores = {**champion().scores, 21: paired(1)}
    assert failed_gates(decide(evidence(), ChampionComparison(2, scores))) == {"champion_1m"}


def test_a_version_that_was_rolled_back_is_not_promoted_automatically() -> None:
    decision = decide(evidence(withdrawal_reason="wrong splits"), champion())
    assert failed_gates(decision) == {"withdrawn"}
    assert "wrong splits" in decision.failed[0].sentence


def test_equal_evidence_gives_equal_decisions() -> None:
    assert decide(evidence(), champion()) == decide(evidence(), champion())
    assert decide(evidence(), champion()) != decide(
        replace(evidence(), withdrawal_reason="x"), champion()
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [("margin", -0.1), ("coverage_band", math.nan), ("alpha", 0), ("horizons", ()), ("levels", ())],
)
def test_an_invalid_policy_is_rejected(field: str, value: object) -> None:
    with pytest.raises(SettingsError, match=field):
        Policy(**{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(("part", "gate"), [("against_garch", "garch"), ("squared_error",) * 2])
@pytest.mark.parametrize(
    ("p_worse", "loss", "passes"),
    [(0.03, 0.0104, False), (0.06, 0.0104, True), (0.03, 0.0099, True)],
)
def test_a_candidate_worse_than_garch_or_no_change_beyond_chance_is_kept_back(
    part: str, gate: str, p_worse: float, loss: float, *, passes: bool
) -> None:
    score = paired(21, candidate_crps=loss, reference_crps=0.01, upper_bound=0.001, p_worse=p_worse)
    scores = {h: paired(h) for h in HORIZONS} | {21: score}
    decision = decide(evidence(**{part: scores}), None)
    assert failed_gates(decision) == (set() if passes else {f"{gate}_1m"})
    if not passes:
        [reason] = decision.failed
        assert "4.00 %" in reason.sentence
        assert "chance does not explain it" in reason.sentence


def test_the_sentence_of_the_squared_error_states_its_size_relative_to_no_change() -> None:
    [sentence] = [s for s in decide(evidence(), None).sentences if "squared error at 1m" in s]
    assert sentence == (
        "The squared error at 1m is 0.37 % smaller than that of no change on 1,260 sessions: passed"
    )
