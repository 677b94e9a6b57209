"""Ingest of tickers that stop trading, fail or are restated."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest
from support.market.bars import xnys
from support.market.ingest_setup import (
    FRIDAY,
    MONDAY,
    ClockedProvider,
    as_traded,
    bars_with_actions,
    raw_bars,
    setup_of,
)

from core.errors import ProviderDownError, ReconciliationError, UnknownTickerError


def test_requests_for_a_halted_ticker_are_backed_off(
    tmp_path: Path, premium: ClockedProvider
) -> None:
    premium.bars["AAPL"] = bars_with_actions("AAPL").filter(pl.col("session") <= FRIDAY)
    setup = setup_of(tmp_path, premium)
    sessions = xnys().between(FRIDAY, date(2013, 2, 28))

    for session in sessions:
        setup.to_evening_of(session)
        setup.ingest_ticker()

    # One request for the history, then after 1, 2, 3, 5, 10, 20, 41, 62, ... sessions.
    assert len(sessions) == 186
    assert len(premium.calls) == 14
    assert setup.ticker_states.get("AAPL").stale_responses == 13
    assert "requested every 21 sessions" in setup.ingest_ticker().notes[0]


def test_backoff_ends_when_a_ticker_trades_again(tmp_path: Path, premium: ClockedProvider) -> None:
    whole = bars_with_actions("AAPL")
    premium.bars["AAPL"] = whole.filter(pl.col("session") <= FRIDAY)
    setup = setup_of(tmp_path, premium)
    setup.ingest_ticker()
    for _ in range(10):
        setup.clock.advance(days=1)
        setup.ingest_ticker()

    # A halt of two weeks without bars.
    premium.bars["AAPL"] = whole.filter(
        (pl.col("session") <= FRIDAY) | (pl.col("session") > date(2012, 6, 15))
    )
    while setup.ingest_ticker().sessions_behind:
        setup.clock.advance(days=1)

    assert setup.ticker_states.get("AAPL").stale_responses == 0
    assert setup.bars().filter(pl.col("session") > FRIDAY).height >= 1


def test_requests_for_an_unknown_ticker_are_backed_off(
    tmp_path: Path, premium: ClockedProvider
) -> None:
    setup = setup_of(tmp_path, premium)

    with pytest.raises(UnknownTickerError):
        setup.ingest_ticker("APPL")
    assert (
        setup.ingest_ticker("APPL")
        .notes[0]
        .startswith("APPL: requests are backed off after an error")
    )
    for session in xnys().between(MONDAY, date(2012, 7, 31)):
        setup.to_evening_of(session)
        if setup.due_kind("APPL") != "nothing":
            with pytest.raises(UnknownTickerError):
                setup.ingest_ticker("APPL")

    assert len(premium.calls) == 1 + 5  # after 1, 3, 8, 18, 39 sessions


def test_force_ignores_the_backoff(tmp_path: Path, premium: ClockedProvider) -> None:
    setup = setup_of(tmp_path, premium)
    with pytest.raises(UnknownTickerError):
        setup.ingest_ticker("MSFT")
    premium.bars["MSFT"] = bars_with_actions("MSFT")

    assert setup.ingest_ticker("MSFT").outcome == "nothing_new"
    assert setup.ingest.ingest_ticker("MSFT", force=True).outcome == "ingested"
    assert setup.ticker_states.get("MSFT").permanent_failures == 0


def test_transient_failure_is_recorded_without_backoff(
    tmp_path: Path, premium: ClockedProvider
) -> None:
    setup = setup_of(tmp_path, premium)
    premium.fail()

    with pytest.raises(ProviderDownError):
        setup.ingest_ticker()

    state = setup.ticker_states.get("AAPL")
    assert (state.is_permanent, state.permanent_failures, setup.due_kind()) == (False, 0, "history")
    assert state.last_error == "alpha_vantage does not respond."
    premium.recover()
    assert setup.ingest_ticker().outcome == "ingested"
    assert setup.ticker_states.get("AAPL").last_error is None


def test_correction_is_stored_and_reported(tmp_path: Path, premium: ClockedProvider) -> None:
    setup = setup_of(tmp_path, premium)
    setup.ingest_ticker()
    premium.correct("AAPL", FRIDAY, close=561.5, volume=1.0)
    premium.correct("AAPL", date(2012, 5, 31), volume=2.0)
    setup.to_evening_of(MONDAY)

    report = setup.ingest_ticker()

    assert (report.restated, report.stored.updated, report.stored.inserted) == (1, 2, 1)
    [friday] = setup.bars().filter(pl.col("session") == FRIDAY).select("close", "volume").rows()
    assert friday == (561.5, 1)
    assert len(premium.calls) == 2


def test_restated_history_is_fetched_again(tmp_path: Path, premium: ClockedProvider) -> None:
    setup = setup_of(tmp_path, premium)
    setup.ingest_ticker()
    # The provider starts to adjust its prices for a split of 2.
    halved = [pl.col(name) / 2 for name in ("open", "high", "low", "close")]
    premium.bars["AAPL"] = bars_with_actions("AAPL").with_columns(halved)
    setup.to_evening_of(MONDAY)

    report = setup.ingest_ticker()

    stored = as_traded("AAPL", end=MONDAY)
    assert report.restated == stored.height - 1
    assert setup.bars().get_column("close").equals(stored.get_column("close") / 2)
    assert [session_range is None for _, session_range in premium.calls] == [True, False, True]
    assert "and fetched again" in report.notes[-1]


def test_restated_history_beyond_the_reach_raises(tmp_path: Path, free: ClockedProvider) -> None:
    setup = setup_of(tmp_path, free)
    setup.ingest_ticker()
    setup.to_evening_of(xnys().offset(FRIDAY, 20))
    setup.ingest_ticker()
    before = setup.store.fingerprint()
    halved = [pl.col(name) / 2 for name in ("open", "high", "low", "close")]
    free.bars["AAPL"] = raw_bars("AAPL").with_columns(halved)
    setup.to_evening_of(xnys().offset(FRIDAY, 21))

    with pytest.raises(ReconciliationError, match="likely cause is a split of 2") as caught:
        setup.ingest_ticker()

    assert "STOCKCAST_BACKUPS" in str(caught.value)
    assert setup.store.fingerprint() == before


def test_refused_rows_of_earlier_sessions_are_kept(
    tmp_path: Path, premium: ClockedProvider
) -> None:
    premium.correct("AAPL", date(2005, 3, 1), high=0.01)
    setup = setup_of(tmp_path, premium)

    first = setup.ingest_ticker()
    setup.to_evening_of(MONDAY)
    premium.correct("AAPL", MONDAY, low=1e6)
    second = setup.ingest_ticker()

    assert (first.quarantine.height, second.quarantine.height) == (1, 1)
    assert (second.outcome, second.sessions_behind) == ("nothing_new", 1)
    assert setup.quarantine.read(["AAPL"]).get_column("session").to_list() == [
        date(2005, 3, 1),
        MONDAY,
    ]
