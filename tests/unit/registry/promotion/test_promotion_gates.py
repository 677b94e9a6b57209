"""Every gate passes on sufficient evidence and fails without it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from support.registry.evidence import champion, evidence, failed_gates, paired

from core.errors import SettingsError
from forecasting.horizons import HORIZONS
from registry.promotion.evidence import ChampionComparison, Evidence, Policy
from registry.promotion.gates import decide


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
