"""A batch of tickers: order, failures, merged outcomes and summaries."""

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
from market.ingest.batch import ingest_all
from market.ingest.outcome import (
    TickerOutcome,
    raise_if_all_failed,
    summarize_failures,
    summarize_outcomes,
)
from market.ingest.planning.ticker_plan import IngestTask
from market.ingest.report import IngestReport
from market.store import UpsertReport

SPENT = QuotaError("All 25 calls are spent.", renews_at=datetime(2013, 2, 6, 5, tzinfo=UTC))


def report(ticker: str, **values: object) -> IngestReport:
    defaults = {
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
    return IngestReport(ticker=ticker, **(defaults | values))


class FakeIngest:
    """Returns or raises the given result of each ticker, in the given order."""

    def __init__(self, results: Mapping[str, StockcastError | str]) -> None:
        self.results = results
        self.ingested: list[str] = []

    def plan(self, tickers: Sequence[str], *, force: bool) -> list[IngestTask]:
        assert force
        return [
            IngestTask(
                t, kind="nothing" if a == "up_to_date" else "bars", sessions_behind=1, reason=""
            )
            for t, a in self.results.items()
            if t in tickers
        ]

    def ingest_ticker(self, ticker: str, *, force: bool) -> IngestReport:
        assert force
        self.ingested.append(ticker)
        result = self.results[ticker]
        if isinstance(result, StockcastError):
            raise result
        return report(ticker, outcome=result)


def run_batch(**results: StockcastError | str) -> tuple[list[TickerOutcome], list[str]]:
    ingest = FakeIngest(results)
    return list(
        ingest_all(ingest, sorted(results), force=True, defer_actions=lambda: None)
    ), ingest.ingested  # type: ignore[arg-type]


def plans(*tasks: list[IngestTask]) -> Callable[..., list[IngestTask]]:
    """Return a `plan` method that returns each list of tasks once, then empty lists."""
    remaining = list(tasks)
    return lambda *_, **__: remaining.pop(0) if remaining else []


def test_order_of_the_plan() -> None:
    _, ingested = run_batch(MSFT="ingested", AAPL="ingested", IBM="up_to_date")

    assert ingested == ["MSFT", "AAPL", "IBM"]


def test_deferred_and_failed_tickers_do_not_stop_others() -> None:
    outcomes, ingested = run_batch(A=SPENT, B=BarsError("not\nreadable"), C="ingested")

    assert ingested == ["A", "B", "C"]
    assert [o.summary for o in outcomes] == [
        "deferred: waits for the budget to renew at 2013-02-06 05:00 UTC",
        "failed: not readable",
        "ingested: 1 from alpha_vantage to 2013-02-05",
    ]
    raise_if_all_failed(outcomes)


def test_rejected_key_fails_the_remaining_tickers_without_a_request() -> None:
    error = ProviderKeyError("STOCKCAST_ALPHA_VANTAGE_KEY is not accepted")
    outcomes, ingested = run_batch(A=error, B="ingested")

    assert ingested == ["A"]
    assert [o.outcome for o in outcomes] == ["failed", "failed"]
    with pytest.raises(PermanentError, match=r"^A, B: STOCKCAST_ALPHA_VANTAGE_KEY"):
        raise_if_all_failed(outcomes)


@pytest.mark.parametrize("result", [SPENT, "ingested", "nothing_new", "up_to_date"])
def test_batch_with_one_other_outcome_does_not_raise(
    result: StockcastError | str,
) -> None:
    outcomes, _ = run_batch(A=ProviderDownError("no answer"), B=result)

    raise_if_all_failed(outcomes)


def test_transient_error_if_a_retry_may_help_one_ticker() -> None:
    outcomes, _ = run_batch(A=BarsError("broken"), B=ProviderDownError("down"))

    with pytest.raises(TransientError, match=r"^A: broken\nB: down$"):
        raise_if_all_failed(outcomes)


def test_shared_error_is_listed_once() -> None:
    down = ProviderDownError("no answer")
    outcomes, _ = run_batch(**{f"T{n:02}": down for n in range(12)})

    listed = ", ".join(f"T{n:02}" for n in range(8))
    assert summarize_failures(outcomes) == f"{listed} and 4 more: no answer"


def test_summarize_outcomes() -> None:
    outcomes, _ = run_batch(A="ingested", B="ingested", C="nothing_new", D=SPENT)

    assert summarize_outcomes(outcomes) == "4 tickers: 2 ingested, 1 nothing new, 1 deferred"


def test_outcomes_of_bars_and_actions_are_merged() -> None:
    bars = TickerOutcome("A", "ingested", 0, report=report("A", notes=("late",)))
    through = date(2013, 2, 5)
    actions = report("A", stored=UpsertReport(0, 3, 7), actions_through=through, sources={})

    merged = bars.merge(TickerOutcome("A", "ingested", 0, report=actions))
    deferred = bars.merge(TickerOutcome("A", "deferred", 0, error=SPENT))

    assert merged.summary == "ingested: 1 from alpha_vantage to 2013-02-05; late"
    assert merged.report.stored == UpsertReport(1, 3, 7)
    assert merged.report.actions_through == through
    assert (deferred.outcome, deferred.error) == ("ingested", None)
    assert deferred.notes == (
        "late; splits and dividends: waits for the budget to renew at 2013-02-06 05:00 UTC"
    )


def test_actions_are_skipped_if_bars_are_deferred() -> None:
    ingest = FakeIngest({"A": SPENT, "B": "ingested"})
    tasks = ingest.plan(["A", "B"], force=True)
    ingest.plan = plans([*tasks, replace(tasks[0], kind="actions"), tasks[1]])

    outcomes = list(ingest_all(ingest, ["A", "B"], force=True, defer_actions=lambda: None))

    assert ingest.ingested == ["A", "B", "B"]
    assert [o.ticker for o in outcomes] == ["A", "B", "B"]


def test_actions_are_deferred_if_calls_are_reserved_for_bars() -> None:
    ingest = FakeIngest({"A": "ingested"})
    bars = ingest.plan(["A"], force=True)
    ingest.plan = plans([*bars, replace(bars[0], kind="actions")])

    outcomes = list(ingest_all(ingest, ["A"], force=True, defer_actions=lambda: SPENT))

    assert ingest.ingested == ["A"]
    assert [(o.outcome, o.actions_error) for o in outcomes] == [
        ("ingested", None),
        ("ingested", SPENT),
    ]


def test_actions_of_a_new_ticker_follow_its_history() -> None:
    ingest = FakeIngest({"A": "ingested"})
    (bars,) = ingest.plan(["A"], force=True)
    second_plan = [replace(bars, kind="actions"), replace(bars, kind="history")]
    ingest.plan = plans([replace(bars, kind="history")], second_plan)

    list(ingest_all(ingest, ["A"], force=True, defer_actions=lambda: None))

    assert ingest.ingested == ["A", "A"]


def test_summary_of_actions() -> None:
    values = {"sources": {}, "stored": UpsertReport(0, 9, 0), "actions_through": date(2013, 2, 5)}
    outcome = TickerOutcome("A", "ingested", 0, report=report("A", **values))

    assert outcome.summary == "ingested: splits and dividends to 2013-02-05"


def test_summary_has_refused_rows_and_notes() -> None:
    refused = pl.DataFrame({"reason": ["volume is missing"] * 2 + ["close is missing"]})
    outcome = TickerOutcome(
        "A", "ingested", 0, report=report("A", quarantine=refused, notes=("x",))
    )

    assert outcome.summary == (
        "ingested: 1 from alpha_vantage to 2013-02-05; "
        "3 rows refused: volume is missing (2 rows); x"
    )
