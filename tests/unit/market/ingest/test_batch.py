"""A round over tickers: the most overdue first, and what one meets is told for it alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

import polars as pl
import pytest

from core.errors import (
    BarsError,
    PermanentError,
    ProviderDownError,
    ProviderKeyError,
    QuotaError,
    StockcastError,
    TransientError,
)
from market.bars.quarantine import QUARANTINE_SCHEMA
from market.ingest.batch import (
    TickerOutcome,
    ingest_all,
    raise_if_all_failed,
    summarize_failures,
    summarize_outcomes,
)
from market.ingest.plan import IngestTask
from market.ingest.report import IngestReport
from market.store import UpsertReport

SPENT = QuotaError("All 25 calls are spent.", renews_at=datetime(2013, 2, 6, 5, tzinfo=UTC))


def report(ticker: str, **values: object) -> IngestReport:
    made = {
        "outcome": "ingested",
        "first_session": date(2013, 2, 5),
        "last_session": date(2013, 2, 5),
        "bars": 1,
        "stored": UpsertReport(1, 0, 0),
        "quarantine": QUARANTINE_SCHEMA.to_frame(),
        "sources": {"alpha_vantage": 1},
        "restated": 0,
        "actions_through": None,
        "sessions_behind": 0,
        "notes": (),
    }
    return IngestReport(ticker=ticker, **(made | values))


class FakeIngest:
    """Answers as told, in the order that it was made with."""

    def __init__(self, answers: Mapping[str, StockcastError | str]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def plan(self, tickers: Sequence[str], *, force: bool) -> list[IngestTask]:
        assert force
        return [
            IngestTask(
                t, kind="nothing" if a == "up_to_date" else "bars", sessions_behind=1, reason=""
            )
            for t, a in self.answers.items()
            if t in tickers
        ]

    def ingest_ticker(self, ticker: str, *, force: bool) -> IngestReport:
        assert force
        self.asked.append(ticker)
        answer = self.answers[ticker]
        if isinstance(answer, StockcastError):
            raise answer
        return report(ticker, outcome=answer)


def round_of(**answers: StockcastError | str) -> tuple[list[TickerOutcome], list[str]]:
    ingest = FakeIngest(answers)
    return list(
        ingest_all(ingest, sorted(answers), force=True, defer_actions=lambda: None)
    ), ingest.asked  # type: ignore[arg-type]


def plans(*tasks: list[IngestTask]) -> Callable[..., list[IngestTask]]:
    """Plans to be given one after the other, and then empty ones."""
    left = list(tasks)
    return lambda *_, **__: left.pop(0) if left else []


def test_tickers_are_taken_in_the_order_of_the_plan() -> None:
    _, asked = round_of(MSFT="ingested", AAPL="ingested", IBM="up_to_date")

    assert asked == ["MSFT", "AAPL", "IBM"]


def test_a_spent_budget_defers_and_one_that_fails_stops_no_other() -> None:
    outcomes, asked = round_of(A=SPENT, B=BarsError("not\nreadable"), C="ingested")

    assert asked == ["A", "B", "C"]
    assert [o.summary for o in outcomes] == [
        "deferred: waits for a budget until 2013-02-06 05:00 UTC",
        "failed: not readable",
        "ingested: 1 from alpha_vantage to 2013-02-05",
    ]
    raise_if_all_failed(outcomes)


def test_a_key_that_is_not_accepted_is_not_tried_for_every_ticker() -> None:
    wrong = ProviderKeyError("STOCKCAST_ALPHA_VANTAGE_KEY is not accepted")
    outcomes, asked = round_of(A=wrong, B="ingested")

    assert asked == ["A"]
    assert [o.outcome for o in outcomes] == ["failed", "failed"]
    with pytest.raises(PermanentError, match=r"^A, B: STOCKCAST_ALPHA_VANTAGE_KEY"):
        raise_if_all_failed(outcomes)


@pytest.mark.parametrize("answer", [SPENT, "ingested", "nothing_new", "up_to_date"])
def test_a_round_in_which_not_all_failed_is_no_failure(
    answer: StockcastError | str,
) -> None:
    outcomes, _ = round_of(A=ProviderDownError("no answer"), B=answer)

    raise_if_all_failed(outcomes)


def test_when_all_failed_trying_again_may_help_one() -> None:
    outcomes, _ = round_of(A=BarsError("broken"), B=ProviderDownError("down"))

    with pytest.raises(TransientError, match=r"^A: broken\nB: down$"):
        raise_if_all_failed(outcomes)


def test_a_cause_that_many_share_is_told_once() -> None:
    down = ProviderDownError("no answer")
    outcomes, _ = round_of(**{f"T{n:02}": down for n in range(12)})

    named = ", ".join(f"T{n:02}" for n in range(8))
    assert summarize_failures(outcomes) == f"{named} and 4 more: no answer"


def test_outcomes_are_counted_in_words() -> None:
    outcomes, _ = round_of(A="ingested", B="ingested", C="nothing_new", D=SPENT)

    assert summarize_outcomes(outcomes) == "4 tickers: 2 ingested, 1 nothing new, 1 deferred"


def test_bars_and_then_actions_of_a_ticker_become_one_outcome() -> None:
    bars = TickerOutcome("A", "ingested", 0, report=report("A", notes=("late",)))
    through = date(2013, 2, 5)
    actions = report("A", stored=UpsertReport(0, 3, 7), actions_through=through, sources={})

    both = bars.merge(TickerOutcome("A", "ingested", 0, report=actions))
    waiting = bars.merge(TickerOutcome("A", "deferred", 0, error=SPENT))

    assert both.summary == "ingested: 1 from alpha_vantage to 2013-02-05; late"
    assert both.report.stored == UpsertReport(1, 3, 7)
    assert both.report.actions_through == through
    assert (waiting.outcome, waiting.error) == ("ingested", None)
    assert waiting.notes == (
        "late; splits and dividends: waits for a budget until 2013-02-06 05:00 UTC"
    )


def test_a_ticker_whose_bars_had_to_wait_is_not_asked_for_its_actions() -> None:
    ingest = FakeIngest({"A": SPENT, "B": "ingested"})
    tasks = ingest.plan(["A", "B"], force=True)
    ingest.plan = plans([*tasks, replace(tasks[0], kind="actions"), tasks[1]])

    outcomes = list(ingest_all(ingest, ["A", "B"], force=True, defer_actions=lambda: None))

    assert ingest.asked == ["A", "B", "B"]
    assert [o.ticker for o in outcomes] == ["A", "B", "B"]


def test_actions_wait_when_the_calls_left_are_needed_for_bars() -> None:
    ingest = FakeIngest({"A": "ingested"})
    bars = ingest.plan(["A"], force=True)
    ingest.plan = plans([*bars, replace(bars[0], kind="actions")])

    outcomes = list(ingest_all(ingest, ["A"], force=True, defer_actions=lambda: SPENT))

    assert ingest.asked == ["A"]
    assert [(o.outcome, o.actions_error) for o in outcomes] == [
        ("ingested", None),
        ("ingested", SPENT),
    ]


def test_a_new_ticker_gets_its_actions_in_the_round_that_brought_its_history() -> None:
    ingest = FakeIngest({"A": "ingested"})
    (bars,) = ingest.plan(["A"], force=True)
    later = [replace(bars, kind="actions"), replace(bars, kind="history")]
    ingest.plan = plans([replace(bars, kind="history")], later)

    list(ingest_all(ingest, ["A"], force=True, defer_actions=lambda: None))

    assert ingest.asked == ["A", "A"]


def test_splits_and_dividends_alone_are_told_by_how_far_they_are_known() -> None:
    values = {"sources": {}, "stored": UpsertReport(0, 9, 0), "actions_through": date(2013, 2, 5)}
    told = TickerOutcome("A", "ingested", 0, report=report("A", **values))

    assert told.summary == "ingested: splits and dividends to 2013-02-05"


def test_what_was_refused_or_noted_is_part_of_the_sentence() -> None:
    refused = pl.DataFrame({"ticker": ["A"]}).select(pl.col("ticker"))
    told = TickerOutcome("A", "ingested", 0, report=report("A", quarantine=refused, notes=("x",)))

    assert told.summary == ("ingested: 1 from alpha_vantage to 2013-02-05; 1 rows refused; x")
