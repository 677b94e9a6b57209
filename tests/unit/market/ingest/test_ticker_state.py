"""`TickerStateStore`: fields, partial updates, and databases of earlier versions."""

import sqlite3
import threading
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from market.ingest.ticker_state import TickerState, TickerStateStore

EVENING = datetime(2012, 6, 1, 22, 30, 15, 250000, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> TickerStateStore:
    return TickerStateStore(tmp_path / "market.sqlite")


def test_new_ticker_has_default_state(store: TickerStateStore) -> None:
    assert store.get("AAPL") == TickerState("AAPL")
    assert store.read() == {}


def test_state_round_trip(store: TickerStateStore, tmp_path: Path) -> None:
    state = TickerState(
        "AAPL",
        requested_at=EVENING,
        responded_at=EVENING,
        has_full_history=True,
        actions_through=date(2012, 6, 1),
        actions_at=EVENING,
        stale_responses=2,
        withheld_from=date(2012, 6, 4),
        unconfirmed_jump=date(2012, 5, 31),
        last_error="No such ticker.",
        failed_at=EVENING,
        is_permanent=True,
        permanent_failures=3,
    )
    values = {name: value for name, value in vars(state).items() if name != "ticker"}

    store.update("AAPL", **values)

    assert TickerStateStore(tmp_path / "market.sqlite").get("AAPL") == state
    assert store.read() == {"AAPL": state}


def test_state_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "market.sqlite")
    connection.execute(
        "CREATE TABLE ticker_records (ticker TEXT PRIMARY KEY, asked_at REAL, answered_at REAL, "
        "complete INTEGER NOT NULL DEFAULT 0, actions_through TEXT, actions_at REAL, "
        "quiet INTEGER NOT NULL DEFAULT 0, suspicion TEXT, doubt TEXT, failure TEXT, "
        "failed_at REAL, permanent INTEGER NOT NULL DEFAULT 0, failures INTEGER NOT NULL DEFAULT 0)"
    )
    connection.execute(
        "INSERT INTO ticker_records VALUES "
        "('AAPL', 1.0, 2.0, 1, '2012-06-01', 3.0, 4, '2012-06-04', '2012-05-31', 'No.', 5.0, 1, 6)"
    )
    connection.commit()
    connection.close()

    assert TickerStateStore(tmp_path / "market.sqlite").get("AAPL") == TickerState(
        "AAPL",
        requested_at=datetime.fromtimestamp(1, UTC),
        responded_at=datetime.fromtimestamp(2, UTC),
        has_full_history=True,
        actions_through=date(2012, 6, 1),
        actions_at=datetime.fromtimestamp(3, UTC),
        stale_responses=4,
        withheld_from=date(2012, 6, 4),
        unconfirmed_jump=date(2012, 5, 31),
        last_error="No.",
        failed_at=datetime.fromtimestamp(5, UTC),
        is_permanent=True,
        permanent_failures=6,
    )


def test_update_keeps_other_fields(store: TickerStateStore) -> None:
    store.update("AAPL", has_full_history=True, stale_responses=1)
    store.update("AAPL", stale_responses=0, withheld_from=None)

    assert store.get("AAPL") == TickerState("AAPL", has_full_history=True)


def test_read_returns_only_the_requested_tickers(store: TickerStateStore) -> None:
    for ticker in ("MSFT", "AAPL", "IBM"):
        store.update(ticker, stale_responses=1)

    assert list(store.read(["MSFT", "AAPL", "GOOG"])) == ["AAPL", "MSFT"]


def test_unknown_field_raises(store: TickerStateStore) -> None:
    with pytest.raises(TypeError, match=r"must be fields of `TickerState` .*got 'loud'"):
        store.update("AAPL", loud=1)


def test_concurrent_updates_of_different_fields_are_all_kept(store: TickerStateStore) -> None:
    values = {
        "stale_responses": 4,
        "permanent_failures": 2,
        "has_full_history": True,
        "withheld_from": date(2012, 6, 4),
    }
    threads = [
        threading.Thread(target=lambda name=name, value=value: store.update("A", **{name: value}))
        for name, value in values.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert store.get("A") == TickerState("A", **values)
