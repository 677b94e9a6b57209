"""Files without a header: the values show the columns, or the file is refused."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest
from support.market.bars import sample_bars
from support.market.file_formats import TRADED, YAHOO, Write, provider, refusal, traded

from market.calendars.exchanges import SessionsByTicker
from market.providers.files.provider import FilesProvider

BARS = sample_bars("MSFT", start=date(2012, 1, 3), end=date(2012, 3, 30)).select(
    "session", "open", "high", "low", "close", "volume"
)
COLUMNS = {name: BARS[name] for name in BARS.columns}
EXTRA = {
    "ticker": pl.Series(["MSFT"] * BARS.height),
    "time": pl.Series(["00:00"] * BARS.height),
    "open_interest": pl.Series([0] * BARS.height),
    "number": pl.Series(range(BARS.height)),
    "compact": BARS["session"].dt.strftime("%Y%m%d"),
    "us": BARS["session"].dt.strftime("%m/%d/%Y"),
}


def headerless(*names: str) -> str:
    columns = COLUMNS | EXTRA
    return pl.DataFrame([columns[name].alias(name) for name in names]).write_csv(
        include_header=False
    )


@pytest.mark.parametrize(
    "names",
    [
        ("session", "open", "high", "low", "close", "volume"),
        ("compact", "open", "high", "low", "close", "volume", "open_interest"),
        ("session", "time", "open", "high", "low", "close", "volume"),
        ("ticker", "us", "open", "high", "low", "close", "volume"),
        ("session", "open", "close", "high", "low", "volume"),
        ("session", "close", "high", "low", "open", "volume"),
        ("volume", "low", "high", "close", "open", "session"),
    ],
)
@pytest.mark.parametrize("is_newest_first", [False, True])
def test_the_values_show_the_columns_of_a_file_without_a_header(
    write: Write, names: tuple[str, ...], *, is_newest_first: bool
) -> None:
    lines = headerless(*names).splitlines()
    path = write("MSFT.csv", "\n".join(reversed(lines) if is_newest_first else lines))
    files = provider(path)

    assert traded(files.fetch("MSFT")) == BARS.rows()
    assert f"'column {names.index('close') + 1}' as close" in files.notes()[0]


@pytest.mark.parametrize(
    "names",
    [
        ("session", "open", "high", "low", "close", "volume", "number"),
        ("session", "open", "high", "low", "volume"),
        ("open", "high", "low", "close", "volume", "number"),
    ],
    ids=["one column too many", "no close", "no date"],
)
def test_a_file_without_a_header_whose_columns_are_open_is_refused(
    write: Write, names: tuple[str, ...]
) -> None:
    message = refusal(write("MSFT.csv", headerless(*names)))

    assert "the file has no header" in message
    assert "STOCKCAST_COLUMNS (session=column 1,open=column 2,...)" in message


def test_too_few_rows_show_no_columns(write: Write) -> None:
    assert "the file has no header" in refusal(write("AAPL.csv", YAHOO.partition("\n")[2]))


def test_the_setting_names_the_columns_of_a_file_without_a_header(write: Write) -> None:
    path = write("AAPL.csv", YAHOO.partition("\n")[2])
    numbers = {"session": 1, "open": 2, "high": 3, "low": 4, "close": 5, "volume": 7}
    named = {name: f"column {number}" for name, number in numbers.items()}
    files = FilesProvider(str(path), SessionsByTicker(), named)

    assert traded(files.fetch("AAPL")) == TRADED
