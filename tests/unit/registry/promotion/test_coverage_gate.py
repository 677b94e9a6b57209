"""The coverage of every interval must be close to its level; too wide passes more easily."""

from __future__ import annotations

import math

import pytest
from support.registry.evidence import COVERAGE, evidence, failed_gates

from forecasting.horizons import HORIZONS
from registry.promotion.gates import decide


def test_the_sentence_of_a_coverage_gate_contains_its_band() -> None:
    assert (
        "The 80 % interval at 1d covered 79.0 % (allowed 76 to 84 %): passed"
        in decide(evidence(), None).sentences
    )


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
