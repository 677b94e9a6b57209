"""Splits and dividends of a provider with separate actions."""

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from support.clocks.moving_clock import MovingClock
from support.market.bars import sample_bars, xnys
from support.market.ingest_setup import IngestSetup, free_key

from core.errors import PermanentError, ProviderDownError, QuotaError, StockcastError
from market.bars.adjustments import adjust_bars
from market.quality.report import unusable_tickers

SPLIT = date(2005, 2, 28)
CRASH = date(2000, 9, 29)
TOMORROW = datetime(2005, 3, 1, 5, tzinfo=UTC)


class ActionsSetup(IngestSetup):
    """A setup with a free key, which counts the requests for actions."""

    def __init__(self, home: Path, start: date) -> None:
        clock = MovingClock(datetime(start.year, start.month, start.day, 22, tzinfo=UTC))
        self.key = free_key(clock, "AAPL", "MSFT")
        super().__init__(home, clock, self.key)

    def run_to(self, end: date) -> None:
        """Execute the due tasks each evening."""
        for session in xnys().between(self.clock.now().date(), end):
            self.to_evening_of(session)
            while self.due_kind() != "nothing":
                self.ingest_ticker()

    def worst_return(self) -> float:
        adjusted = adjust_bars(self.bars()).get_column("close")
        return float((adjusted / adjusted.shift(1) - 1).abs().max())


def test_actions_are_fetched_after_the_bars_and_fill_all_of_them(tmp_path: Path) -> None:
    setup = ActionsSetup(tmp_path, date(2012, 8, 31))

    first = setup.ingest_ticker()
    assert (first.actions_through, setup.due_kind()) == (None, "actions")
    second = setup.ingest_ticker()

    assert (second.outcome, second.bars, second.stored.updated) == ("ingested", 0, 100)
    assert second.actions_through == date(2012, 8, 31)
    assert setup.due_kind() == "nothing"
    bars = setup.bars()
    assert bars.get_column("split_factor").unique().to_list() == [1.0]
    assert bars.filter(pl.col("dividend") > 0).select("session", "dividend").rows() == [
        (date(2012, 8, 9), 2.65)
    ]


def test_actions_are_fetched_every_21_sessions(tmp_path: Path) -> None:
    setup = ActionsSetup(tmp_path, date(2012, 6, 1))

    setup.run_to(date(2012, 8, 31))

    n_sessions = len(xnys().between(date(2012, 6, 1), date(2012, 8, 31)))
    assert (n_sessions, setup.key.n_action_requests) == (65, 4)
    assert len(setup.key.calls) == n_sessions
    ex_dates = setup.bars().filter(pl.col("dividend") > 0).get_column("session").to_list()
    assert ex_dates == [date(2012, 8, 9)]


def test_split_is_fetched_before_its_bar_is_stored(tmp_path: Path) -> None:
    setup = ActionsSetup(tmp_path, date(2005, 2, 18))
    setup.run_to(date(2005, 2, 25))
    assert setup.key.n_action_requests == 1
    setup.to_evening_of(SPLIT)

    report = setup.ingest_ticker()

    assert setup.key.n_action_requests == 2
    assert (report.outcome, report.sessions_behind) == ("ingested", 0)
    assert report.actions_through == SPLIT
    assert report.notes == ("AAPL: a split of 2 on 2005-02-28.",)
    assert setup.worst_return() < 0.2
    assert setup.due_kind() == "nothing"


@pytest.mark.parametrize(
    "refusal",
    [
        QuotaError("All 25 calls are spent.", renews_at=TOMORROW),
        ProviderDownError("It is down."),
        PermanentError("Only for premium keys."),
    ],
)
def test_jump_is_withheld_until_actions_can_be_fetched(
    tmp_path: Path, refusal: StockcastError
) -> None:
    setup = ActionsSetup(tmp_path, date(2005, 2, 18))
    setup.run_to(date(2005, 2, 25))
    setup.key.refusal = refusal
    setup.to_evening_of(date(2005, 3, 1))

    report = setup.ingest_ticker()

    assert (report.outcome, report.sessions_behind) == ("nothing_new", 2)
    assert "from 2005-02-28 on are withheld" in report.notes[0]
    assert str(refusal) in report.notes[0]
    assert setup.bars().get_column("session")[-1] == date(2005, 2, 25)
    assert setup.ticker_states.get("AAPL").withheld_from == SPLIT
    assert setup.due_kind() == "nothing"  # not again in the same hour

    setup.key.refusal = None
    setup.clock.advance(hours=5)
    assert "may be a split" in setup.ingest.plan(["AAPL"])[0].reason
    report = setup.ingest_ticker()
    assert (report.outcome, report.sessions_behind) == ("ingested", 0)
    assert setup.ticker_states.get("AAPL").withheld_from is None
    assert setup.worst_return() < 0.2


def test_bars_before_a_jump_are_stored(tmp_path: Path) -> None:
    setup = ActionsSetup(tmp_path, date(2005, 3, 10))
    setup.key.refusal = ProviderDownError("It is down.")

    report = setup.ingest_ticker()

    assert (report.stored.inserted, report.bars, report.sessions_behind) == (91, 100, 9)
    assert setup.bars().get_column("session")[-1] == date(2005, 2, 25)


def test_crash_is_stored_if_no_split_is_listed(tmp_path: Path) -> None:
    # AAPL fell by 51.9 %, just like a split of 2.
    setup = ActionsSetup(tmp_path, date(2000, 9, 22))
    setup.run_to(date(2000, 9, 28))
    setup.to_evening_of(CRASH)

    report = setup.ingest_ticker()

    assert report.notes == (
        "AAPL: the close of 2000-09-29 jumps like a split, but no split is listed: stored.",
    )
    assert setup.worst_return() == pytest.approx(0.5187, abs=1e-4)
    assert unusable_tickers(setup.bars()) == {}
    n_before = setup.key.n_action_requests
    setup.run_to(date(2000, 10, 13))
    # A split may be listed late, so actions are fetched again in the next three sessions.
    assert setup.key.n_action_requests == n_before + 3
    assert setup.worst_return() == pytest.approx(0.5187, abs=1e-4)


def test_late_listed_split_replaces_an_unconfirmed_jump(tmp_path: Path) -> None:
    setup = ActionsSetup(tmp_path, date(2005, 2, 18))
    setup.run_to(date(2005, 2, 25))
    setup.key.sessions_until_listed = 2
    setup.run_to(SPLIT)
    assert setup.worst_return() > 0.4
    # No forecast is made from a false return of -50 % while the split may be listed late.
    assert "on 2005-02-28 like a split of 2:1" in unusable_tickers(setup.bars())["AAPL"]

    setup.run_to(date(2005, 3, 2))

    assert setup.worst_return() < 0.2
    assert unusable_tickers(setup.bars()) == {}
    assert setup.ticker_states.get("AAPL").unconfirmed_jump is None


def test_daily_ingest_over_a_split_gives_the_adjusted_closes(tmp_path: Path) -> None:
    setup = ActionsSetup(tmp_path, date(2003, 2, 7))
    for session in xnys().between(date(2003, 2, 7), date(2003, 2, 28)):
        setup.to_evening_of(session)
        while setup.due_kind("MSFT") != "nothing":
            setup.ingest_ticker("MSFT")
    setup.clock.advance(days=30)
    setup.ingest.ingest_ticker("MSFT")
    setup.ingest_ticker("MSFT")  # bars, then actions

    adjusted = adjust_bars(setup.bars("MSFT")).get_column("close")

    given = sample_bars("MSFT").join(setup.bars("MSFT").select("session"), on="session", how="semi")
    expected = given.get_column("adj_close") * (adjusted[-1] / given.get_column("adj_close")[-1])
    assert adjusted.to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-9)


def test_stored_actions_are_not_fetched_again(tmp_path: Path) -> None:
    setup = ActionsSetup(tmp_path, date(2012, 8, 31))
    setup.ingest_ticker()
    setup.ingest_ticker()
    # The state after a kill between the upsert and the update.
    setup.ticker_states.update("AAPL", actions_through=None, actions_at=None)

    report = setup.ingest_ticker()

    assert (report.outcome, report.actions_through) == ("nothing_new", date(2012, 8, 31))
    assert setup.key.n_action_requests == 1
    assert setup.due_kind() == "nothing"


def test_failed_actions_do_not_stop_bars(tmp_path: Path) -> None:
    setup = ActionsSetup(tmp_path, date(2012, 8, 31))
    setup.ingest_ticker()
    setup.key.refusal = PermanentError("Only for premium keys.")

    with pytest.raises(PermanentError):
        setup.ingest_ticker()

    assert setup.due_kind() == "nothing"
    setup.to_evening_of(date(2012, 9, 4))
    assert setup.ingest_ticker().outcome == "ingested"
    assert setup.key.n_action_requests == 1


def test_spent_budget_for_actions_raises(tmp_path: Path) -> None:
    setup = ActionsSetup(tmp_path, date(2012, 8, 31))
    setup.ingest_ticker()
    setup.key.refusal = QuotaError("All 25 calls are spent.", renews_at=TOMORROW)

    with pytest.raises(QuotaError):
        setup.ingest_ticker()

    assert setup.due_kind() == "actions"
