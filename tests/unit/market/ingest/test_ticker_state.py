"""What is remembered of tickers, by one process and several."""

import threading
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from market.ingest.ticker_state import TickerRecord, TickerRecords

EVENING = datetime(2012, 6, 1, 22, 30, 15, 250000, tzinfo=UTC)


@pytest.fixture
def records(tmp_path: Path) -> TickerRecords:
    return TickerRecords(tmp_path / "market.sqlite")


def test_a_ticker_that_was_never_asked_has_an_empty_record(records: TickerRecords) -> None:
    assert records.of("AAPL") == TickerRecord("AAPL")
    assert records.read() == {}


def test_a_record_comes_back_as_it_was_written(records: TickerRecords, tmp_path: Path) -> None:
    whole = TickerRecord(
        ticker="AAPL",
        asked_at=EVENING,
        answered_at=EVENING,
        complete=True,
        actions_through=date(2012, 6, 1),
        actions_at=EVENING,
        quiet=2,
        suspicion=date(2012, 6, 4),
        failure="No such ticker.",
        failed_at=EVENING,
        permanent=True,
        failures=3,
    )
    values = {name: value for name, value in vars(whole).items() if name != "ticker"}

    records.update("AAPL", **values)

    assert TickerRecords(tmp_path / "market.sqlite").of("AAPL") == whole
    assert records.read() == {"AAPL": whole}


def test_an_update_leaves_what_it_does_not_name(records: TickerRecords) -> None:
    records.update("AAPL", complete=True, quiet=1)
    records.update("AAPL", quiet=0, suspicion=None)

    assert records.of("AAPL") == TickerRecord("AAPL", complete=True)


def test_only_the_records_asked_for_are_read(records: TickerRecords) -> None:
    for ticker in ("AAPL", "IBM", "MSFT"):
        records.update(ticker, quiet=1)

    assert list(records.read(["MSFT", "AAPL", "GOOG"])) == ["AAPL", "MSFT"]


def test_an_attribute_that_no_record_has_is_refused(records: TickerRecords) -> None:
    with pytest.raises(TypeError, match="got loud"):
        records.update("AAPL", loud=1)


def test_writers_of_different_attributes_lose_nothing(records: TickerRecords) -> None:
    values = {"quiet": 4, "failures": 2, "complete": True, "suspicion": date(2012, 6, 4)}
    threads = [
        threading.Thread(target=lambda name=name, value=value: records.update("A", **{name: value}))
        for name, value in values.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert records.of("A") == TickerRecord("A", **values)
