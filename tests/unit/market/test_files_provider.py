"""Spellings and layouts are copied from what each source delivers; prices are real."""

import gzip
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from support.bars import sample_bars, xnys

from market.bars import BAR_SCHEMA, validate_bars
from market.errors import BarsError, UnknownTickerError
from market.providers.files import FilesProvider
from market.sessions import Sessions

YAHOO = """Date,Open,High,Low,Close,Adj Close,Volume
2013-02-27,448.43,452.44,440.65,444.57,57.98,20976800
2013-02-28,444.05,447.87,441.40,441.40,57.56,11518400
2013-03-01,438.00,438.18,429.98,430.47,56.14,19730300
"""
YFINANCE_HISTORY = """Date,Open,High,Low,Close,Adj Close,Volume,Dividends,Stock Splits
2013-02-27 00:00:00-05:00,448.43,452.44,440.65,444.57,57.98,20976800,0.0,0.0
2013-02-28 00:00:00-05:00,444.05,447.87,441.40,441.40,57.56,11518400,0.0,0.0
2013-03-01 00:00:00-05:00,438.00,438.18,429.98,430.47,56.14,19730300,0.0,0.0
"""
YFINANCE_DOWNLOAD = """Price,Adj Close,Close,High,Low,Open,Volume
Ticker,AAPL,AAPL,AAPL,AAPL,AAPL,AAPL
Date,,,,,,
2013-02-27,57.98,444.57,452.44,440.65,448.43,20976800
2013-02-28,57.56,441.40,447.87,441.40,444.05,11518400
2013-03-01,56.14,430.47,438.18,429.98,438.00,19730300
"""
ALPHA_VANTAGE = """timestamp,open,high,low,close,volume
2013-03-01,438.0000,438.1800,429.9800,430.4700,19730300
2013-02-28,444.0500,447.8700,441.4000,441.4000,11518400
2013-02-27,448.4300,452.4400,440.6500,444.5700,20976800
"""
ALPHA_VANTAGE_ADJUSTED = """timestamp,open,high,low,close,adjusted_close,volume,\
dividend_amount,split_coefficient
2013-03-01,438.00,438.18,429.98,430.47,56.14,19730300,0.0000,1.0
2013-02-28,444.05,447.87,441.40,441.40,57.56,11518400,0.0000,1.0
2013-02-27,448.43,452.44,440.65,444.57,57.98,20976800,0.0000,1.0
"""
ALPHA_VANTAGE_PANDAS = """date,1. open,2. high,3. low,4. close,5. adjusted close,6. volume,\
7. dividend amount,8. split coefficient
2013-02-27,448.43,452.44,440.65,444.57,57.98,20976800.0,0.0,1.0
2013-02-28,444.05,447.87,441.40,441.40,57.56,11518400.0,0.0,1.0
2013-03-01,438.00,438.18,429.98,430.47,56.14,19730300.0,0.0,1.0
"""
STOOQ = """Date,Open,High,Low,Close,Volume
2013-02-27,448.43,452.44,440.65,444.57,20976800
2013-02-28,444.05,447.87,441.40,441.40,11518400
2013-03-01,438.00,438.18,429.98,430.47,19730300
"""
STOOQ_BULK = """<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>
AAPL.US,D,20130227,000000,448.43,452.44,440.65,444.57,20976800,0
AAPL.US,D,20130228,000000,444.05,447.87,441.40,441.40,11518400,0
AAPL.US,D,20130301,000000,438.00,438.18,429.98,430.47,19730300,0
"""
SEMICOLONS = YAHOO.replace(",", ";").lower()
TRADED = [
    (date(2013, 2, 27), 448.43, 452.44, 440.65, 444.57, 20976800),
    (date(2013, 2, 28), 444.05, 447.87, 441.40, 441.40, 11518400),
    (date(2013, 3, 1), 438.00, 438.18, 429.98, 430.47, 19730300),
]
ADJUSTED = [57.98, 57.56, 56.14]

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_text(name: str, text: str, *, encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding=encoding)
        return path

    return write_text


def provider(bars: Path | str) -> FilesProvider:
    return FilesProvider(str(bars), xnys())


def refusal(bars: Path | str) -> str:
    with pytest.raises(BarsError) as caught:
        fetch_all(provider(bars))
    return str(caught.value)


def fetch_all(files: FilesProvider) -> list[pl.DataFrame]:
    return [files.fetch(ticker) for ticker in files.tickers()]


def traded(bars: pl.DataFrame) -> list[tuple[object, ...]]:
    return bars.sort("session").select("session", "open", "high", "low", "close", "volume").rows()


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
def test_the_usual_spellings_give_the_same_bars(
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


def test_events_that_yahoo_has_applied_already_are_not_applied_again(write: Write) -> None:
    lines = YFINANCE_HISTORY.replace("11518400,0.0,0.0", "11518400,2.65,7.0").splitlines()
    without_adjusted = [",".join(line.split(",")[:5] + line.split(",")[6:]) for line in lines]

    given = provider(write("AAPL.csv", "\n".join(lines))).fetch("AAPL")
    applied = provider(write("AAPL.csv", "\n".join(without_adjusted))).fetch("AAPL")

    assert given.get_column("split_factor").null_count() == 3
    assert given.get_column("dividend").to_list() == [0.0, 2.65, 0.0]
    assert applied.get_column("adj_close").equals(applied.get_column("close"))
    assert applied.get_column("dividend").null_count() == 3


def test_our_own_parquet_files_can_be_read_back(tmp_path: Path) -> None:
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
def test_dates_and_timestamps_of_any_kind_give_the_exchange_session(
    tmp_path: Path, session: pl.Expr, kind: str
) -> None:
    frame = sample_bars("FB").drop("ticker").with_columns(session)
    write_frame = frame.write_csv if kind == "csv" else frame.write_parquet
    write_frame(tmp_path / f"FB.{kind}")

    read = provider(tmp_path).fetch("FB")

    assert read.get_column("session").equals(sample_bars("FB").get_column("session"))


def test_midnight_in_asia_written_in_utc_is_the_session_there(tmp_path: Path) -> None:
    # Toyota on 2024-01-04: midnight in Tokyo is 15:00 UTC of the day before.
    frame = pl.DataFrame(
        {
            "Date": [datetime(2024, 1, 3, 15, tzinfo=UTC)],
            **{name: [2_600.0] for name in ("Open", "High", "Low", "Close")},
            "Volume": [30_000_000],
        }
    )
    frame.write_parquet(tmp_path / "7203.T.parquet")

    bars = FilesProvider(str(tmp_path), Sessions("XTKS")).fetch("7203.T")

    assert bars.get_column("session").to_list() == [date(2024, 1, 4)]


def test_several_tickers_in_one_file_are_told_apart(write: Write) -> None:
    rows = YAHOO.splitlines()[1:]
    text = "\n".join(
        ["Symbol," + YAHOO.splitlines()[0], *(f"{t},{r}" for r in rows for t in ("brk.b", "^GSPC"))]
    )

    files = provider(write("all.csv", text))

    assert files.tickers() == ("BRK.B", "^GSPC")
    assert traded(files.fetch("BRK.B")) == traded(files.fetch("^GSPC")) == TRADED


def test_a_glob_a_file_and_a_folder_find_the_same(write: Write, tmp_path: Path) -> None:
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


def test_history_spread_over_files_is_joined(write: Write, tmp_path: Path) -> None:
    header, *rows = YAHOO.splitlines()
    for year, part in (("a", rows[:2]), ("b", rows[1:])):
        lines = [f"AAPL,{row}" for row in part]
        write(f"{year}.csv", "\n".join([f"ticker,{header}", *lines]))

    assert traded(provider(tmp_path).fetch("AAPL")) == TRADED


def test_files_that_contradict_each_other_are_both_named(write: Write, tmp_path: Path) -> None:
    write("AAPL.csv", YAHOO)
    write("aapl.txt", YAHOO.replace("441.40,57.56", "441.50,57.56"))

    assert refusal(tmp_path) == (
        f"{tmp_path}/AAPL.csv and {tmp_path}/aapl.txt give different bars for AAPL on 2013-02-28; "
        f"remove one of the files, or the session from one of them."
    )


def test_a_session_repeated_within_a_file_is_left_to_validation(write: Write) -> None:
    text = YAHOO + "2013-03-01,438.00,438.18,429.98,431.00,56.14,19730300\n"

    bars = provider(write("AAPL.csv", text)).fetch("AAPL")

    assert bars.height == 4
    assert validate_bars(bars, xnys(), last_session=date(2013, 3, 1)).quarantine.height == 1


@pytest.mark.parametrize(
    ("old", "new", "at"),
    [
        ("441.40,57.56", "44l.40,57.56", "row 3, column 'Close': expected a number"),
        ("438.00,", '"438,00",', "row 4, column 'Open': expected a number"),
        ("57.98", "$57.98", "row 2, column 'Adj Close': expected a number"),
        ("20976800", "20.9M", "row 2, column 'Volume': expected a number"),
        ("20976800", "inf", "row 2, column 'Volume': expected a number of shares"),
        ("2013-02-28", "28/02/2013", "row 3, column 'Date': expected a date"),
        ("2013-02-28", "2013-02-30", "row 3, column 'Date': expected a date"),
        ("2013-02-28", "2013-02-28T25:00", "row 3, column 'Date': expected a date"),
    ],
)
def test_a_cell_that_cannot_be_read_is_named(write: Write, old: str, new: str, at: str) -> None:
    path = write("AAPL.csv", YAHOO.replace(old, new))

    message = refusal(path)

    value = new.strip(",").strip('"').removesuffix(",57.56")
    assert message.startswith(f"{path}, {at} such as ")
    assert f"got {value!r}; correct the cell" in message


def test_the_row_named_is_the_line_a_person_sees(write: Write) -> None:
    text = "\n" + YAHOO.replace("2013-03-01", "\n2013-03-01").replace("430.47", "bad")

    assert ", row 6, column 'Close'" in refusal(write("AAPL.csv", text))


def test_the_row_of_a_long_file_is_named_after_its_ticker_is_chosen(write: Write) -> None:
    text = STOOQ_BULK + "MSFT.US,D,20130301,000000,27.72,27.98,27.52,x,34849700,0\n"
    files = provider(write("us.txt", text))

    assert traded(files.fetch("AAPL.US")) == TRADED
    with pytest.raises(BarsError, match=r"row 5, column '<CLOSE>': expected a number .* got 'x'"):
        files.fetch("MSFT.US")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty; fill it or take it out of `bars`"),
        ("\n\n", "the file is empty"),
        ("Date,Open,High,Low,Close,Volume\n", "the file has a header but no rows"),
        (YAHOO.replace("Close", "Last", 1), "no column for close among 'Date', 'Open'"),
        (YAHOO.replace("Date", "When"), "no column for session among 'When'"),
        (YAHOO.replace("Adj Close", "close"), "'Close' and 'close' both mean `close`"),
        (YAHOO.replace("Adj Close", "Close"), "'Close' and 'Close_duplicated_0' both mean"),
        (YAHOO.replace("Open", "timestamp"), "'Date' and 'timestamp' both mean `session`"),
        (YAHOO + "2013-03-04,1,2,3,4,5,6,7\n", "row 5: 8 cells under a header of 7"),
        (STOOQ_BULK.replace("AAPL.US,D", "AAPL.US,60"), "row 2, column '<PER>': expected D"),
        (STOOQ_BULK.replace("AAPL.US,D", ",D"), "row 2, column '<TICKER>': `ticker` must be"),
        (
            YFINANCE_DOWNLOAD.replace("Ticker,AAPL", "Ticker,IBM"),
            "several tickers stand side by side (AAPL, IBM)",
        ),
        (YAHOO + '"2013-03-04,1\n', "the file cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_the_reason(
    write: Write, text: str, message: str
) -> None:
    path = write("AAPL.csv", text)

    refused = refusal(path)

    assert refused.startswith(str(path))
    assert message in refused


def test_a_damaged_parquet_or_gzip_file_is_named(tmp_path: Path) -> None:
    for name in ("AAPL.parquet", "AAPL.csv.gz"):
        path = tmp_path / name
        path.write_bytes(b"not what the name says")

        assert refusal(path).startswith(f"{path}: the file cannot be read (")


def test_a_file_name_that_is_no_ticker_is_named(write: Write) -> None:
    path = write("my prices.csv", YAHOO)

    assert refusal(path).startswith(f"{path}: the file has no column `ticker`, so its name must")


@pytest.mark.parametrize("bars", ["nothing", "*.csv", "*.md"])
def test_no_matching_file_is_named_with_what_was_looked_for(
    write: Write, tmp_path: Path, bars: str
) -> None:
    write("README.md", "not bars")

    message = refusal(tmp_path / bars)

    assert message.startswith("`bars` must be a folder, glob or file with bars in .csv, .txt")
    assert repr(str(tmp_path / bars)) in message


def test_a_foreign_letter_in_a_column_that_nobody_reads_is_no_fault(write: Write) -> None:
    header, *rows = YAHOO.splitlines()
    text = "\n".join([f"{header},Name", *(f"{row},Société" for row in rows)])

    files = provider(write("AAPL.csv", text, encoding="latin-1"))

    assert traded(files.fetch("AAPL")) == TRADED


def test_an_unknown_ticker_is_answered_with_near_ones(write: Write) -> None:
    with pytest.raises(UnknownTickerError, match="Did you mean AAPL"):
        provider(write("AAPL.csv", YAHOO)).fetch("APL")
