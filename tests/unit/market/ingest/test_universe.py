from __future__ import annotations

from pathlib import Path

import pytest
from support.market.file_formats import Write
from support.providers.in_memory import FakeProvider

from core.errors import SettingsError
from market.bars.contract import BAR_SCHEMA
from market.ingest.universe import followed_tickers, read_universe
from market.settings import MarketSettings

NOBODY = FakeProvider({})


def settings(**chosen: object) -> MarketSettings:
    return MarketSettings(_env_file=None, **chosen)  # type: ignore[arg-type]


def test_the_tickers_of_the_setting_come_first() -> None:
    chosen = settings(tickers="msft, aapl, MSFT")
    assert followed_tickers(chosen, FakeProvider({"IBM": BAR_SCHEMA.to_frame()})) == (
        "AAPL",
        "MSFT",
    )


def test_without_a_choice_it_is_all_that_the_provider_lists() -> None:
    provider = FakeProvider({"MSFT": BAR_SCHEMA.to_frame(), "AAPL": BAR_SCHEMA.to_frame()})
    assert followed_tickers(settings(), provider) == ("AAPL", "MSFT")


def test_a_provider_that_lists_nothing_is_an_error_and_not_an_empty_universe() -> None:
    with pytest.raises(SettingsError, match="STOCKCAST_UNIVERSE"):
        followed_tickers(settings(), NOBODY)


def test_the_file_is_read_again_at_each_call(write: Write) -> None:
    chosen = settings(universe=write("universe.txt", "AAPL\n"))
    assert followed_tickers(chosen, NOBODY) == ("AAPL",)
    write("universe.txt", "AAPL\nAZN.L\n")
    assert followed_tickers(chosen, NOBODY) == ("AAPL", "AZN.L")


@pytest.mark.parametrize(
    "text",
    [
        "BRK.B\n005930.KS\nAZN.L\n^GSPC\n",
        "\ufeff# what we follow\n\nbrk.b  # class B\r\n005930.ks\r\n^gspc\r\nAZN.L",
        "BRK.B, 005930.KS,\nAZN.L , ^GSPC, BRK.B",
        "ticker\nBRK.B\n005930.KS\nAZN.L\n^GSPC\n",
        'Name,Symbol\n"Berkshire, Inc.",BRK.B\nSamsung,005930.KS\n# UK\nA#1,AZN.L\nS&P,"^GSPC"\n',
    ],
    ids=["lines", "comments", "commas", "header", "table"],
)
def test_one_ticker_a_line_or_a_table_may_be_written(write: Write, text: str) -> None:
    read = read_universe(write("universe.csv", text))
    assert read == ("005930.KS", "AZN.L", "BRK.B", "^GSPC")


@pytest.mark.parametrize("value", ["../x", "A" * 300, "AAPL'; DROP TABLE bars;--", "A B"])
def test_what_is_no_ticker_is_named_with_file_and_line(write: Write, value: str) -> None:
    path = write("universe.txt", f"# first\nAAPL\n{value}\n")
    with pytest.raises(SettingsError) as caught:
        read_universe(path)
    message = str(caught.value)
    assert f"STOCKCAST_UNIVERSE {path}, line 3" in message
    assert value[:20] in message
    assert "write it as in AAPL" in message


def test_every_wrong_line_is_named_at_once_up_to_five(write: Write) -> None:
    with pytest.raises(SettingsError) as caught:
        read_universe(write("universe.txt", "AAPL\n" + "a b\n" * 9))
    lines = str(caught.value).splitlines()
    assert [f"line {n}:" in line for n, line in enumerate(lines, 2)] == [True] * 5


def test_a_row_that_does_not_fit_its_header_is_refused(write: Write) -> None:
    path = write("universe.csv", "symbol,name\nAAPL,Apple\nMSFT\n")
    with pytest.raises(SettingsError, match=r"line 3: expected 2 cells as in the header, got 1"):
        read_universe(path)


@pytest.mark.parametrize("text", ["", "\n \n", "# AAPL\n", "ticker\n", ",,,\n"])
def test_a_file_without_tickers_is_an_error_so_that_nothing_is_dropped(
    write: Write, text: str
) -> None:
    with pytest.raises(SettingsError, match=r"names no ticker; write one a line, or unset"):
        read_universe(write("universe.txt", text))


def test_a_missing_file_a_folder_and_a_file_of_bytes_are_refused(
    tmp_path: Path, write: Write
) -> None:
    with pytest.raises(SettingsError, match=r"gone\.txt must be a file .* No such file"):
        read_universe(tmp_path / "gone.txt")
    with pytest.raises(SettingsError, match="Is a directory"):
        read_universe(tmp_path)
    with pytest.raises(SettingsError, match="must be text in UTF-8"):
        read_universe(write("universe.txt", "ÄÖ", encoding="latin-1"))


def test_a_line_without_end_is_refused_as_any_other_value(write: Write) -> None:
    with pytest.raises(SettingsError, match="line 1: `ticker` must be"):
        read_universe(write("universe.txt", "A" * 200_000))
