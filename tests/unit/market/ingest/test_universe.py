"""The followed tickers, from a setting, a file or the provider."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.market.file_formats import Write
from support.providers.in_memory import FakeProvider

from core.errors import SettingsError
from market.bars.contract import BAR_SCHEMA
from market.calendars.exchanges import SessionsByTicker
from market.ingest.universe import followed_tickers, read_exchanges, read_names, read_universe
from market.settings import MarketSettings

NO_TICKERS = FakeProvider({})


def settings(**chosen: object) -> MarketSettings:
    return MarketSettings(_env_file=None, **chosen)  # type: ignore[arg-type]


def test_tickers_of_the_setting_take_precedence() -> None:
    chosen = settings(tickers="msft, aapl, MSFT")
    assert followed_tickers(chosen, FakeProvider({"IBM": BAR_SCHEMA.to_frame()})) == (
        "AAPL",
        "MSFT",
    )


def test_default_is_all_tickers_of_the_provider() -> None:
    provider = FakeProvider({"MSFT": BAR_SCHEMA.to_frame(), "AAPL": BAR_SCHEMA.to_frame()})
    assert followed_tickers(settings(), provider) == ("AAPL", "MSFT")


def test_provider_without_tickers_raises() -> None:
    with pytest.raises(SettingsError, match="STOCKCAST_UNIVERSE"):
        followed_tickers(settings(), NO_TICKERS)


def test_file_is_read_at_each_call(write: Write) -> None:
    chosen = settings(universe=write("universe.txt", "AAPL\n"))
    assert followed_tickers(chosen, NO_TICKERS) == ("AAPL",)
    write("universe.txt", "AAPL\nAZN.L\n")
    assert followed_tickers(chosen, NO_TICKERS) == ("AAPL", "AZN.L")


@pytest.mark.parametrize(
    "text",
    [
        "BRK.B\n005930.KS\nAZN.L\n^GSPC\n",
        "\ufeff# followed tickers\n\nbrk.b  # class B\r\n005930.ks\r\n^gspc\r\nAZN.L",
        "BRK.B, 005930.KS,\nAZN.L , ^GSPC, BRK.B",
        "ticker\nBRK.B\n005930.KS\nAZN.L\n^GSPC\n",
        'Name,Symbol\n"Berkshire, Inc.",BRK.B\nSamsung,005930.KS\n# UK\nA#1,AZN.L\nS&P,"^GSPC"\n',
    ],
    ids=["lines", "comments", "commas", "header", "table"],
)
def test_file_formats(write: Write, text: str) -> None:
    tickers = read_universe(write("universe.csv", text))
    assert tickers == ("005930.KS", "AZN.L", "BRK.B", "^GSPC")


@pytest.mark.parametrize("value", ["../x", "A" * 300, "AAPL'; DROP TABLE bars;--", "A B"])
def test_invalid_ticker_raises_with_file_and_line(write: Write, value: str) -> None:
    path = write("universe.txt", f"# first\nAAPL\n{value}\n")
    with pytest.raises(SettingsError) as caught:
        read_universe(path)
    message = str(caught.value)
    assert f"STOCKCAST_UNIVERSE {path}, line 3" in message
    assert value[:20] in message
    assert "examples are AAPL" in message


def test_error_lists_up_to_five_invalid_lines(write: Write) -> None:
    with pytest.raises(SettingsError) as caught:
        read_universe(write("universe.txt", "AAPL\n" + "a b\n" * 9))
    lines = str(caught.value).splitlines()
    assert [f"line {n}:" in line for n, line in enumerate(lines, 2)] == [True] * 5


def test_row_with_missing_cells_raises(write: Write) -> None:
    path = write("universe.csv", "symbol,name\nAAPL,Apple\nMSFT\n")
    with pytest.raises(SettingsError, match=r"line 3: expected 2 cells as in the header, got 1"):
        read_universe(path)


@pytest.mark.parametrize("text", ["", "\n \n", "# AAPL\n", "ticker\n", ",,,\n"])
def test_file_without_tickers_raises(write: Write, text: str) -> None:
    with pytest.raises(SettingsError, match=r"has no ticker; write one per line, or unset"):
        read_universe(write("universe.txt", text))


def test_missing_file_folder_and_binary_file_raise(tmp_path: Path, write: Write) -> None:
    with pytest.raises(SettingsError, match=r"gone\.txt must be a file .* No such file"):
        read_universe(tmp_path / "gone.txt")
    with pytest.raises(SettingsError, match="Is a directory"):
        read_universe(tmp_path)
    with pytest.raises(SettingsError, match="must be UTF-8 text"):
        read_universe(write("universe.txt", "ÄÖ", encoding="latin-1"))


def test_very_long_line_raises(write: Write) -> None:
    with pytest.raises(SettingsError, match="line 1: `ticker` must be"):
        read_universe(write("universe.txt", "A" * 200_000))


def test_two_spellings_of_one_ticker_are_one(write: Write) -> None:
    assert read_universe(write("universe.txt", "BRK-B\nBRK.B, BF/B\nbrk b\n")) == ("BF.B", "BRK.B")


@pytest.mark.parametrize(
    ("text", "tickers", "exchanges"),
    [
        (
            "MKC.V,XNYS\nBTC,24/7\nAAPL\n",
            ("AAPL", "BTC", "MKC.V"),
            {"MKC.V": "XNYS", "BTC": "24/7"},
        ),
        ("AAPL,XOMA\n", ("AAPL", "XOMA"), {}),
        ("AAPL,MSFT,XNYS\n", ("AAPL", "MSFT", "XNYS"), {}),
        ("ticker,exchange\nMKC.V,XNYS\nAAPL,\n", ("AAPL", "MKC.V"), {"MKC.V": "XNYS"}),
        ("Symbol,Name,MIC\n0700,Tencent,XHKG\n", ("0700",), {"0700": "XHKG"}),
        ("Symbol,Exchange\nAAPL,NMS\nIBM,NYQ\n", ("AAPL", "IBM"), {}),
    ],
)
def test_a_file_may_name_the_exchange_of_a_ticker(
    write: Write, text: str, tickers: tuple[str, ...], exchanges: dict[str, str]
) -> None:
    path = write("universe.csv", text)

    assert read_universe(path) == tickers
    assert read_exchanges(path) == exchanges


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "ticker,mic\nMKC.V,XNYX\n",
            "line 2: `exchange` must be a MIC code .* did you mean .*XNYS",
        ),
        ("ticker,mic\nBRK-B,XNYS\nBRK.B,XLON\n", "line 3: BRK.B is on XNYS in another line"),
    ],
)
def test_an_invalid_exchange_is_named(write: Write, text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read_universe(write("universe.csv", text))


def test_named_exchanges_decide_the_calendar_until_they_are_removed(
    write: Write, tmp_path: Path
) -> None:
    chosen = settings(universe=write("universe.txt", "MKC.V,XNYS\nAAPL,XHKG\n"), home=tmp_path)
    sessions_of = SessionsByTicker.of_home(chosen)

    followed_tickers(chosen, NO_TICKERS)
    named = [sessions_of(ticker).exchange for ticker in ("MKC.V", "AAPL")]
    write("universe.txt", "MKC.V\nAAPL\n")
    followed_tickers(chosen, NO_TICKERS)

    assert named == ["XNYS", "XHKG"]
    assert [sessions_of(ticker).exchange for ticker in ("MKC.V", "AAPL")] == ["XTSE", "XNYS"]


def test_the_names_of_companies_are_read_from_a_table(tmp_path: Path) -> None:
    table = tmp_path / "universe.csv"
    table.write_text('symbol,Name,mic\nibm,"Business Machines, Inc.",XNYS\n# a comment\nAAPL,,\n')
    assert read_names(table) == {"IBM": "Business Machines, Inc."}
    plain = tmp_path / "universe.txt"
    plain.write_text("IBM\nAAPL\n")
    assert read_names(plain) == {}
    unnamed = tmp_path / "unnamed.csv"
    unnamed.write_text("ticker,exchange\nIBM,XNYS\n")
    assert read_names(unnamed) == {}
