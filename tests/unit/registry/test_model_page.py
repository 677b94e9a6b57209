"""The description of a version: complete, within the limit of MLflow, and idempotent."""

from __future__ import annotations

from datetime import UTC, datetime

from support.forecasting.bundles import tiny_manifest

from registry.model_page import LIMIT, candidate_page, with_decisions
from registry.promotion.audit import Move

AT = datetime(2013, 3, 1, 22, 5, tzinfo=UTC)
METRICS = {
    "ensemble": {"1": {"crps": 0.00812, "skill_naive": 0.021}, "21": {"crps": 0.0371}},
    "naive": {"1": {"crps": 0.0083, "skill_naive": None}},
}


def page(**fields: object) -> str:
    return candidate_page(tiny_manifest(metrics=METRICS, **fields), "b" * 64, bars=12_345)


def move(version: int, *reasons: str) -> Move:
    return Move("run", AT, "promote", version - 1, version, "ann", reasons)


def test_the_page_contains_the_training_data() -> None:
    text = page()
    assert "**Trained through 2012-12-31** on 12,345 bars of AAPL, MSFT (XNYS)." in text
    assert "data `dddddddddddddddd`, code `test`, bundle `bbbbbbbbbbbbbbbb`" in text


def test_the_page_compares_the_models_by_horizon() -> None:
    lines = page().splitlines()
    start = lines.index("### Out of sample")
    assert lines[start + 2 : start + 7] == [
        "| horizon | model | crps | skill naive |",
        "| --- | --- | --- | --- |",
        "| 1d | naive | 0.0083 | - |",
        "| 1d | ensemble | 0.00812 | +2.10 % |",
        "| 1m | ensemble | 0.0371 | - |",
    ]


def test_the_page_shows_the_weights_of_the_members() -> None:
    assert "| 1d | 0.4 | 0.6 |" in page()


def test_a_large_universe_is_shortened() -> None:
    text = page(tickers=tuple(f"T{i:04}" for i in range(500)))
    assert "T0019 and 480 more" in text


def test_decisions_are_shown_newest_first_with_their_reasons() -> None:
    text = with_decisions(page(), [move(1, "first"), move(2, "better", "calibrated")])
    section = text.partition("## Decisions")[2]
    assert section.strip().startswith(
        "**Version 2 promoted to champion, previously version 1** (2013-03-01 22:05 UTC, ann)"
        "\n\n- better\n- calibrated"
    )
    assert section.index("Version 2 promoted") < section.index("Version 1 promoted")


def test_writing_decisions_again_changes_nothing() -> None:
    once = with_decisions(page(), [move(1, "first")])
    assert with_decisions(once, [move(1, "first")]) == once


def test_the_page_never_exceeds_the_limit_of_mlflow() -> None:
    wide = {
        f"model_{i}": {str(h): dict.fromkeys("abcdefgh", 0.1) for h in (1, 5, 21)}
        for i in range(60)
    }
    long = candidate_page(tiny_manifest(metrics=wide), "b" * 64, bars=1)
    moves = [move(i, *(f"reason {k} " * 20 for k in range(20))) for i in range(2, 30)]
    text = with_decisions(long, moves)
    assert len(long) <= LIMIT
    assert len(text) <= LIMIT
    assert "Version 29 promoted" in text
    assert "**Trained through" in text
    assert "(cut)" in text
