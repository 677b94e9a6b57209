"""Files in the formats of several sources, with real prices."""

import gzip
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from support.market.bars import sample_bars, xnys
from support.market.file_formats import (
    ADJUSTED,
    ALPHA_VANTAGE,
    ALPHA_VANTAGE_ADJUSTED,
    ALPHA_VANTAGE_PANDAS,
    SEMICOLONS,
    STOOQ,
    STOOQ_BULK,
    TRADED,
    YAHOO,
    YFINANCE_DOWNLOAD,
    YFINANCE_HISTORY,
    Write,
    provider,
    refusal,
    traded,
)

from market.bars.contract import BAR_SCHEMA, validate_bars


@pytest.mark.parametrize(
    ("text", "ticker", "adjusted"),
    [
        pytest.param(YAHOO, "AAPL", ADJUSTED, id="yahoo"),
        pytest.param(YFINANCE_HISTORY, "AAPL", ADJUSTED, id="yfinance-history"),
        pytest.param(YFINANCE_DOWNLOAD, "AAPL", ADJUSTED, id="yfinance-download"),
        pytest.param(ALPHA_VANTAGE, "AAPL", [None] * 3, id="alpha-vantage"),
        pytest.param(ALPHA_VANTAGE_ADJUSTED, "AAPL", ADJUSTED, id="alpha-vantage-adjusted"),
        pytest.param(ALPHA_VANTAGE_PANDAS, "AAPL", ADJUSTED, id="alpha-vantage-pandas"),
        pytest.param(STOOQ, "AAPL", [None] * 3, id="stooq"),
        pytest.param(STOOQ_BULK, "AAPL.US", [None] * 3, id="stooq-bulk"),
        pytest.param(SEMICOLONS, "AAPL", ADJUSTED, id="semicolons"),
        pytest.param(YAHOO.replace("Date", ""), "AAPL", ADJUSTED, id="nameless-index"),
        pytest.param("\ufeff" + YAHOO.replace("\n", "\r\n"), "AAPL", ADJUSTED, id="windows"),
        pytest.param(YAHOO.replace("\n", ",\n"), "AAPL", ADJUSTED, id="comma-at-the-end"),
        pytest.param("\n\n" + YAHOO + "\n\n", "AAPL", ADJUSTED, id="blank-lines"),
    ],
)
def test_all_formats_give_the_same_bars(
    write: Write, text: str, ticker: str, adjusted: list[float | None]
) -> None:
    files = provider(write("aapl.csv", text).parent)

    bars = files.fetch(ticker)

    assert files.tickers() == (ticker,)
    assert bars.schema == BAR_SCHEMA
    assert traded(bars) == TRADED
    assert bars.sort("session").get_column("adj_close").to_list() == adjusted
    assert validate_bars(bars, xnys(), last_session=date(2013, 3, 1)).quarantine.is_empty()


def test_splits_and_dividends_of_alpha_vantage_are_read(write: Write) -> None:
    text = ALPHA_VANTAGE_ADJUSTED.replace("11518400,0.0000,1.0", "11518400,2.6500,7.0")

    bars = provider(write("AAPL.csv", text)).fetch("AAPL").sort("session")

    assert bars.get_column("split_factor").to_list() == [1.0, 7.0, 1.0]
    assert bars.get_column("dividend").to_list() == [0.0, 2.65, 0.0]


def test_actions_that_yahoo_has_applied_are_not_applied_again(write: Write) -> None:
    lines = YFINANCE_HISTORY.replace("11518400,0.0,0.0", "11518400,2.65,7.0").splitlines()
    without_adjusted = [",".join(line.split(",")[:5] + line.split(",")[6:]) for line in lines]

    given = provider(write("AAPL.csv", "\n".join(lines))).fetch("AAPL")
    applied = provider(write("AAPL.csv", "\n".join(without_adjusted))).fetch("AAPL")

    assert given.get_column("split_factor").null_count() == 3
    assert given.get_column("dividend").to_list() == [0.0, 2.65, 0.0]
    assert applied.get_column("adj_close").equals(applied.get_column("close"))
    assert applied.get_column("dividend").null_count() == 3


def test_our_parquet_files_are_read(tmp_path: Path) -> None:
    bars = sample_bars("FB")
    bars.write_parquet(tmp_path / "any name.parquet")

    read = provider(tmp_path).fetch("FB")

    assert read.drop("source").equals(bars.drop("source"))


@pytest.mark.parametrize(
    "session",
    [
        pl.col("session").cast(pl.Datetime("ns")),
        pl.col("session").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
        pl.col("session").cast(pl.Datetime("us")).dt.replace_time_zone("America/New_York"),
        pl.col("session")
        .cast(pl.Datetime("us"))
        .dt.replace_time_zone("America/New_York")
        .dt.convert_time_zone("UTC"),
        pl.col("session").cast(pl.Datetime("us")).dt.offset_by("16h"),
        pl.col("session").dt.strftime("%Y%m%d").cast(pl.Int64),
        pl.col("session").cast(pl.Datetime("ms")).cast(pl.Int64),
        pl.col("session").cast(pl.Datetime("ms")).dt.offset_by("16h").dt.epoch("s"),
        pl.col("session").dt.strftime("%Y/%m/%d"),
        pl.col("session").dt.strftime("%Y-%m-%dT00:00:00.000Z"),
        pl.col("session").dt.strftime("%Y-%m-%d 16:00"),
        pl.col("session").dt.strftime("%Y-%m-%dT20:00:00+00:00"),
    ],
    ids=[
        "naive",
        "midnight-utc",
        "new-york",
        "new-york-in-utc",
        "naive-afternoon",
        "number",
        "epoch-milliseconds",
        "epoch-seconds",
        "slashes",
        "text-midnight-utc",
        "text-naive-close",
        "text-close-in-utc",
    ],
)
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_all_date_formats_give_the_session_of_the_exchange(
    tmp_path: Path, session: pl.Expr, kind: str
) -> None:
    frame = sample_bars("FB").drop("ticker").with_columns(session)
    write_frame = frame.write_csv if kind == "csv" else frame.write_parquet
    write_frame(tmp_path / f"FB.{kind}")

    read = provider(tmp_path).fetch("FB")

    assert read.get_column("session").equals(sample_bars("FB").get_column("session"))


def test_midnight_in_asia_written_in_utc_gives_the_local_session(tmp_path: Path) -> None:
    # Toyota on 2024-01-04: midnight in Tokyo is 15:00 UTC of the previous date.
    frame = pl.DataFrame(
        {
            "Date": [datetime(2024, 1, 3, 15, tzinfo=UTC)],
            **{name: [2_600.0] for name in ("Open", "High", "Low", "Close")},
            "Volume": [30_000_000],
        }
    )
    frame.write_parquet(tmp_path / "7203.T.parquet")

    bars = provider(tmp_path).fetch("7203.T")

    assert bars.get_column("session").to_list() == [date(2024, 1, 4)]


def test_several_tickers_in_one_file(write: Write) -> None:
    rows = YAHOO.splitlines()[1:]
    text = "\n".join(
        ["Symbol," + YAHOO.splitlines()[0], *(f"{t},{r}" for r in rows for t in ("brk.b", "^GSPC"))]
    )

    files = provider(write("all.csv", text))

    assert files.tickers() == ("BRK.B", "^GSPC")
    assert traded(files.fetch("BRK.B")) == traded(files.fetch("^GSPC")) == TRADED


def test_a_glob_a_file_and_a_folder(write: Write, tmp_path: Path) -> None:
    path = write("BRK.B.csv", YAHOO)
    write("notes.md", "not bars")
    (tmp_path / "^GSPC.csv.gz").write_bytes(gzip.compress(YAHOO.encode()))
    (tmp_path / "deep").mkdir()
    write("deep/IBM.csv", YAHOO)

    assert provider(path).tickers() == ("BRK.B",)
    assert provider(tmp_path).tickers() == ("BRK.B", "^GSPC")
    assert provider(tmp_path / "*.csv").tickers() == ("BRK.B",)
    assert provider(tmp_path / "**" / "*.csv*").tickers() == ("BRK.B", "IBM", "^GSPC")
    assert traded(provider(tmp_path).fetch("^GSPC")) == TRADED


def test_missing_values_are_null_and_quarantined_by_validation(write: Write) -> None:
    text = YAHOO + "2013-03-04,null,null,null,null,null,null\n2013-03-05,,,,,,\n"

    bars = provider(write("AAPL.csv", text)).fetch("AAPL")
    validated = validate_bars(bars, xnys(), last_session=date(2013, 3, 5))

    assert bars.height == 5
    assert validated.bars.height == 3
    assert validated.quarantine.get_column("session").to_list() == [
        date(2013, 3, 4),
        date(2013, 3, 5),
    ]


def test_a_history_in_several_files_is_merged(write: Write, tmp_path: Path) -> None:
    header, *rows = YAHOO.splitlines()
    for year, part in (("a", rows[:2]), ("b", rows[1:])):
        lines = [f"AAPL,{row}" for row in part]
        write(f"{year}.csv", "\n".join([f"ticker,{header}", *lines]))

    assert traded(provider(tmp_path).fetch("AAPL")) == TRADED


def test_files_with_different_bars_are_both_named(write: Write, tmp_path: Path) -> None:
    write("AAPL.csv", YAHOO)
    write("aapl.txt", YAHOO.replace("441.40,57.56", "441.50,57.56"))

    assert refusal(tmp_path) == (
        f"{tmp_path}/AAPL.csv and {tmp_path}/aapl.txt have different bars of AAPL on 2013-02-28; "
        f"remove one of the files, or the session from one of them."
    )


@pytest.mark.parametrize("names", [("a.csv", "b.csv"), ("b.csv", "a.csv")])
def test_partial_last_bar_of_an_older_export_gives_way_to_the_settled_one(
    write: Write, tmp_path: Path, names: tuple[str, str]
) -> None:
    """Regression: two exports of one ticker were refused because of the day of the first one."""
    header, *rows = YAHOO.splitlines()
    partial = rows[1].replace("441.40,441.40,57.56,11518400", "441.40,446.02,57.56,1151840")
    for name, part in zip(names, ([rows[0], partial], rows), strict=True):
        write(name, "\n".join([f"ticker,{header}", *(f"AAPL,{row}" for row in part)]))

    bars = provider(tmp_path).fetch("AAPL")
    validated = validate_bars(bars, xnys(), last_session=date(2013, 3, 1))

    assert traded(validated.bars) == TRADED
    assert validated.quarantine["close"].to_list() == [446.02]


def test_a_session_repeated_within_a_file_is_left_to_validation(write: Write) -> None:
    text = YAHOO + "2013-03-01,438.00,438.18,429.98,431.00,56.14,19730300\n"

    bars = provider(write("AAPL.csv", text)).fetch("AAPL")

    assert bars.height == 4
    assert validate_bars(bars, xnys(), last_session=date(2013, 3, 1)).quarantine.height == 2
