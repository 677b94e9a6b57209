"""Further exports that people have: dates of other programs, units, and names of files."""

from __future__ import annotations

import io
import zipfile
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest
from support.market.bars import sample_bars
from support.market.file_dialects import ENGLISH, EUROPEAN, SEMICOLONS, dialect
from support.market.file_formats import TRADED, YAHOO, Write, provider, refusal, traded

from market.providers.files.cells.date_formats import written_formats
from market.providers.files.headers.spellings import normalize_name, volume_power

DANISH_DATES = ("27-02-2013", "28-02-2013", "01-03-2013")
# Sixty sessions show which dates are weekends.
MANY = sample_bars("AAPL", start=date(2012, 1, 3), end=date(2012, 3, 30)).select(
    "session", "open", "high", "low", "close", "volume"
)
BARS = {
    "republic-of-china": dialect(
        '"102年02月 2330 各日成交資訊"\n日期,開盤價,最高價,最低價,收盤價,成交股數',
        ("102/02/27", "102/02/28", "102/03/01"),
    )
    + '"說明:"\n',
    "republic-of-china-words": dialect(
        "日期,開盤,最高,最低,收盤,成交量", ("102年2月27日", "102年2月28日", "102年3月1日")
    ),
    "republic-of-china-compact": dialect(ENGLISH, ("1020227", "1020228", "1020301")),
    "japanese-era": dialect("日付,始値,高値,安値,終値,出来高", ("H25.2.27", "H25.2.28", "H25.3.1")),
    "japanese-era-words": dialect(
        ENGLISH, ("平成25年2月27日", "平成25年2月28日", "平成25年3月1日")
    ),
    "names-of-zones": dialect(
        ENGLISH, ("2013-02-27 16:00 EST", "2013-02-28 16:00:00 EST", "2013-03-01 4:00 PM EST")
    ),
    "excel-of-1904": dialect(ENGLISH, ("39870", "39871", "39872")),
    "matlab": dialect(ENGLISH, ("735292", "735293", "735294")),
    "days-since-1970": dialect(ENGLISH, ("15763", "15764", "15765")),
    "yymmdd": dialect(ENGLISH, ("130227", "130228", "130301")),
    "iso-weeks": dialect(ENGLISH, ("2013-W09-3", "2013-W09-4", "2013-W09-5")),
    "russian-months": dialect(
        "Дата,Откр.,Макс.,Мин.,Закр.,Объём",
        ("27 фев 2013", "28 фев 2013", "1 мар 2013 г."),  # noqa: RUF001  # Russian
    ),
    "polish-months": dialect(ENGLISH, ("27 lut 2013", "28 lut 2013", "1 mar 2013")),
    "turkish-months": dialect(ENGLISH, ("27 Şub 2013", "28 Şub 2013", "1 Mar 2013")),
    "boursorama": dialect("date\touv\thaut\tbas\tclot\tvol\tdevise").replace(",", "\t"),
    "currency-column": dialect(
        ENGLISH + ",Currency", row="{date},{open},{high},{low},{close},{volume},USD"
    ),
    "units-in-names": dialect("Date,Open (USD),High (USD),Low (USD),Close (USD),Volume (shares)"),
    "thousands-in-the-name": dialect("Date,Open,High,Low,Close,Volume ('000)")
    .replace("20976800", "20976.8")
    .replace("11518400", "11518.4")
    .replace("19730300", "19730.3"),
    "volume-with-a-unit": dialect(ENGLISH)
    .replace("19730300", "19.7303 M")
    .replace("11518400", "11.518400 m")
    .replace("20976800", "20976.8K"),
    "two-headers-in-german": dialect(
        ";AAPL;;;;\nDatum;Eröffnung;Hoch;Tief;Schluss;Volumen", volume="{:,}", **EUROPEAN
    ),
    "full-width-digits": dialect(ENGLISH).translate(
        {ord(digit): 0xFEE0 + ord(digit) for digit in "0123456789"}
    ),
    "units-behind-numbers": dialect(
        "日付,始値,高値,安値,終値,出来高(株)",
        row="{date},{open}円,{high}円,{low}円,{close}円,{volume}株",
    ),
    "pieces": dialect(
        "Datum;Eröffnung;Hoch;Tief;Schluss;Volumen",
        **EUROPEAN | {"row": SEMICOLONS.replace("{volume}", "{volume} Stk.")},
    ),
    "danish": dialect(
        "Dato;Åbning;Højeste;Laveste;Lukket;Volumen", **EUROPEAN | {"dates": DANISH_DATES}
    ),
    "turkish": dialect("Tarih;Açılış;Yüksek;Düşük;Şimdi;Hac.", **EUROPEAN),  # noqa: RUF001
    "end-of-file-marks": dialect(ENGLISH) + "\0" * 64 + "\x1a",
    "columns-of-year-month-and-day": dialect(
        "Year,Month,Day,Open,High,Low,Close,Volume", ("2013,2,27", "2013,2,28", "2013,3,1")
    ),
    "tickers-as-text": dialect(
        "股票代码," + ENGLISH, row="'AAPL,{date},{open},{high},{low},{close},{volume}"
    ),
}


@pytest.mark.parametrize("text", BARS.values(), ids=BARS.keys())
def test_further_exports_give_the_same_bars(write: Write, text: str) -> None:
    files = provider(write("AAPL.csv", text))

    assert traded(files.fetch("AAPL")) == TRADED


@pytest.mark.parametrize(
    ("form", "name"), [("%d%m%y", "ddmmyy"), ("%m%d%y", "mmddyy"), ("%y%m%d", "yymmdd")]
)
def test_the_calendar_decides_on_dates_of_six_digits(write: Write, form: str, name: str) -> None:
    table = MANY.with_columns(pl.col("session").dt.strftime(form))
    files = provider(write("AAPL.csv", table.write_csv()))

    assert files.fetch("AAPL")["session"].equals(MANY["session"])
    assert files.notes()[0].endswith(f"dates as {name}.")


def with_short_years(year: int) -> tuple[pl.DataFrame, str]:
    """Return bars of a year, and their file with the year of the Republic of China."""
    bars = sample_bars("AAPL", start=date(year, 1, 1), end=date(year, 12, 31))
    republic = bars["session"].dt.strftime(f"{year - 1911}/%m/%d")
    return bars, bars.with_columns(session=republic).drop("source").write_csv()


def test_weekends_tell_short_years_of_the_republic_of_china_from_usual_ones(write: Write) -> None:
    bars, text = with_short_years(2008)
    files = provider(write("AAPL.csv", text))

    assert files.fetch("AAPL")["session"].equals(bars["session"])
    assert files.notes()[0].endswith("dates as years of the Republic of China.")


def test_short_years_with_the_same_weekdays_in_both_countings_are_refused(write: Write) -> None:
    _, text = with_short_years(2010)  # 99, and 1999 began on a Friday too

    assert "can be read as year/month/day and as years of the Republic of China" in refusal(
        write("AAPL.csv", text)
    )


@pytest.mark.parametrize("year", ["2556", "1391"])
def test_years_of_another_calendar_are_refused(write: Write, year: str) -> None:
    path = write("AAPL.csv", YAHOO.replace("2013", year))

    assert f"have the year {year}, which is one of another calendar" in refusal(path)


@pytest.mark.parametrize(
    ("name", "ticker"),
    [
        ("AAPL Historische Daten.csv", "AAPL"),
        ("AAPL Dados Históricos.csv", "AAPL"),
        ("BATS_AAPL, 1D.csv", "AAPL"),
        ("NASDAQ_DLY_AAPL, 1D.csv", "AAPL"),
        ("aapl_us_d.csv", "AAPL.US"),
        ("AAPL1440.csv", "AAPL"),
    ],
)
def test_names_of_further_downloads_name_the_ticker(write: Write, name: str, ticker: str) -> None:
    assert provider(write(name, YAHOO).parent).tickers() == (ticker,)


def test_an_archive_with_a_read_me_file_is_read(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("AAPL.csv", YAHOO)
        archive.writestr("README.txt", "Thank you.")
    (tmp_path / "AAPL.zip").write_bytes(buffer.getvalue())

    assert traded(provider(tmp_path).fetch("AAPL")) == TRADED


@pytest.mark.parametrize(
    ("name", "power"),
    [
        ("Volume", 0),
        ("Volume ('000)", 3),
        ("Vol. (in thousands)", 3),
        ("Volume (M)", 6),
        ("Volume (Lakhs)", 5),
        ("Volume [crore]", 7),
        ("Volume (AAPL)", 0),
    ],
)
def test_the_name_of_a_column_gives_the_unit_of_volumes(name: str, power: int) -> None:
    assert volume_power(name) == power


@pytest.mark.parametrize("name", ["Open (p)", "Open (USD)", "Open [EUR]", "Open ($)", "1. open"])
def test_a_unit_of_prices_is_no_ticker(name: str) -> None:
    """Regression: columns such as `Open (p)` were those of a ticker P."""
    assert normalize_name(name) == "open"
    assert normalize_name("Open (P)") == "openp"


def test_a_file_with_dates_and_no_readable_price_is_refused(write: Write) -> None:
    """Regression: every row was ignored like that of a dividend."""
    text = YAHOO.replace("448.43", "448 1/2").replace("444.05", "444 1/4").replace("438.00", "x")
    for price in ("452.44", "440.65", "444.57", "447.87", "441.40", "438.18", "429.98", "430.47"):
        text = text.replace(price, "9 1/8")

    assert "row 2, column 'Open': expected a number such as 1234.5, got '448 1/2'" in refusal(
        write("AAPL.csv", text)
    )


def test_rows_in_several_currencies_are_refused(write: Write) -> None:
    text = BARS["currency-column"].replace("USD", "EUR", 1)

    assert "the rows of AAPL are in several currencies (EUR, USD)" in refusal(
        write("AAPL.csv", text)
    )


@pytest.mark.parametrize(
    ("text", "stamp"),
    [
        ("R6.1.4", "2024-01-04 00:00"),
        ("令和元年5月7日", "2019-05-07 00:00"),
        ("S64/1/4", "1989-01-04 00:00"),
        ("2024-07-05 16:00 EDT", "2024-07-05 20:00+00:00"),
        ("01/04/2024 4:00 PM EST", "2024-01-04 21:00+00:00"),
    ],
)
def test_years_of_eras_and_names_of_zones_are_those_of_their_table(text: str, stamp: str) -> None:
    """Regression: files with such dates were refused."""
    assert datetime.fromisoformat(stamp) in [form.parse(text) for form in written_formats()]


def test_names_that_stand_for_several_zones_are_refused() -> None:
    for text in ("2024-01-04 16:00 CST", "2024-01-04 16:00 IST"):
        assert not any(form.parse(text) for form in written_formats())
