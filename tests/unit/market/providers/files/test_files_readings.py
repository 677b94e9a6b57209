"""The reading of a file is named, decided by evidence or refused; of repeated rows one is kept."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from support.market.bars import xnys
from support.market.file_formats import NAMES, TRADED, YAHOO, Write, provider, refusal, traded

from market.bars.contract import validate_bars
from market.calendars.exchanges import SessionsByTicker
from market.providers.files.provider import FilesProvider


def test_formats_and_ignored_rows_are_named(write: Write) -> None:
    text = (
        YAHOO.replace("Close", "Last", 1)
        .replace("2013-02-28", "02/28/2013")
        .replace("2013-02-27", "02/27/2013")
        .replace("2013-03-01", "03/01/2013")
    )
    path = write("AAPL.csv", text + "Total,,,,,,1\n")
    files = provider(path)
    files.fetch("AAPL")

    assert files.notes() == (
        f"{path}: read 'Last' as close, dates as month/day/year.",
        f"{path}: ignored row 5 ('Total'), which contain no bar.",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # Both orders give sessions of New York.
        (
            YAHOO.replace("2013-02-27", "02/01/2013")
            .replace("2013-02-28", "04/02/2013")
            .replace("2013-03-01", "05/02/2013"),
            "dates such as '02/01/2013' can be read as day/month/year and as month/day/year",
        ),
        (
            "Date;Open;High;Low;Close;Volume\n2013-02-27;1,234;1,236;1,231;1,235;9\n",
            "column 'Open': the mark in '1,234' can be a decimal mark",
        ),
        (
            "Date;Open;High;Low;Close;Volume\n2013-02-27;12;13;11;12;432.600\n",
            "column 'Volume': the mark in '432.600' can be a decimal mark",
        ),
        (
            "Date,Open,High,Low,Close,Volume\n2013-02-27,$12,€13,11,12,4\n2013-02-28,€1,1,1,1,1\n",
            "column 'Open': the prices are in several currencies ($, €)",
        ),
        (
            "Date,Open,High,Low,Price,Last,Volume\n2013-02-27,12,13,11,12,12,4\n",
            "the columns 'Price' and 'Last' both map to `close`",
        ),
        ("Date,AAPL,MSFT\n2013-02-27,12,13\n", "no column for open, high, low, close, volume"),
    ],
)
def test_a_file_with_two_readings_is_refused(write: Write, text: str, message: str) -> None:
    assert message in refusal(write("AAPL.csv", text))


def test_the_calendar_decides_the_order_of_day_and_month(write: Write) -> None:
    # 2013-08-06 is a Tuesday, and 2013-06-08 a Saturday.
    text = YAHOO.replace("2013-02-27", "06/05/2013").replace("2013-02-28", "06/08/2013")
    files = provider(write("AAPL.csv", text.replace("2013-03-01", "07/08/2013")))

    assert files.fetch("AAPL").get_column("session").to_list() == [
        date(2013, 5, 6),
        date(2013, 8, 6),
        date(2013, 8, 7),
    ]


@pytest.mark.parametrize("start", [date(1970, 1, 5), date(1999, 11, 1), date(2013, 1, 2)])
@pytest.mark.parametrize("per_second", [1, 10**3, 10**6, 10**9])
@pytest.mark.parametrize("as_text", [True, False])
def test_epochs_of_every_unit_and_age_are_read(
    tmp_path: Path, start: date, per_second: int, *, as_text: bool
) -> None:
    sessions = xnys().between(start, start + timedelta(days=900))
    stamps = sessions.cast(pl.Datetime("us")).dt.epoch("s") * per_second
    prices = {name: [10.0] * len(sessions) for name in NAMES}
    frame = pl.DataFrame({"timestamp": stamps, **prices})
    write_frame = frame.write_csv if as_text else frame.write_parquet
    write_frame(tmp_path / ("AAPL.csv" if as_text else "AAPL.parquet"))

    assert provider(tmp_path).fetch("AAPL").get_column("session").equals(sessions)


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("partial_first", [False, True])
def test_the_settled_bar_of_a_session_wins_in_any_order(
    write: Write, *, newest_first: bool, partial_first: bool
) -> None:
    header, *rows = YAHOO.splitlines()
    partial = rows[-1].replace("430.47", "431.00").replace("19730300", "123456")
    last = [partial, rows[-1]] if partial_first else [rows[-1], partial]
    ordered = [*last, *rows[-2::-1]] if newest_first else [*rows[:-1], *last]

    bars = provider(write("AAPL.csv", "\n".join([header, *ordered]))).fetch("AAPL")

    assert traded(validate_bars(bars, xnys(), last_session=date(2013, 3, 1)).bars) == TRADED


def test_float_noise_in_overlapping_files_is_no_difference(write: Write, tmp_path: Path) -> None:
    write("AAPL.csv", YAHOO)
    write("AAPL.txt", YAHOO.replace("444.57", "444.57000732421875").replace("20976800", "20976801"))

    assert traded(provider(tmp_path).fetch("AAPL")) == TRADED


def test_named_columns_take_precedence(write: Write) -> None:
    path = write("AAPL.csv", YAHOO.replace("Close", "Ending", 1))
    files = FilesProvider(str(path), SessionsByTicker(), {"close": "ending"})

    assert traded(files.fetch("AAPL")) == TRADED
