"""What every provider must do. A new provider joins by a line in `PROVIDERS`."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from support.bars import sample_bars, xnys

from market.bars import BAR_SCHEMA, validate_bars
from market.errors import UnknownTickerError
from market.providers.base import Provider
from market.providers.files import FilesProvider
from market.providers.sample import SampleProvider
from market.tickers import check_ticker


def sample_provider(_: Path) -> Provider:
    return SampleProvider()


def one_file_a_ticker(folder: Path) -> Provider:
    for (ticker,), bars in sample_bars().partition_by("ticker", as_dict=True).items():
        bars.drop("ticker", "source").write_csv(folder / f"{ticker}.csv")
    return FilesProvider(str(folder), xnys())


def one_file_for_all(folder: Path) -> Provider:
    sample_bars().write_parquet(folder / "all.parquet")
    return FilesProvider(str(folder / "*.parquet"), xnys())


PROVIDERS = [sample_provider, one_file_a_ticker, one_file_for_all]


@pytest.fixture(params=PROVIDERS, ids=lambda make: make.__name__)
def provider(request: pytest.FixtureRequest, tmp_path: Path) -> Provider:
    make: Callable[[Path], Provider] = request.param
    return make(tmp_path)


def test_it_is_a_provider(provider: Provider) -> None:
    assert isinstance(provider, Provider)
    assert provider.name.isidentifier()


def test_its_tickers_are_sorted_distinct_and_well_written(provider: Provider) -> None:
    tickers = provider.tickers()

    assert tickers
    assert list(tickers) == sorted(set(tickers))
    assert [check_ticker(ticker) for ticker in tickers] == list(tickers)


def test_it_returns_bars_of_the_ticker_asked_for(provider: Provider) -> None:
    for ticker in provider.tickers():
        bars = provider.fetch(ticker)

        assert bars.schema == BAR_SCHEMA
        assert not bars.is_empty()
        assert bars.get_column("ticker").unique().to_list() == [ticker]
        assert bars.get_column("source").unique().to_list() == [provider.name]


def test_its_bars_pass_validation(provider: Provider) -> None:
    for ticker in provider.tickers():
        validated = validate_bars(provider.fetch(ticker), xnys(), last_session=date(2013, 3, 1))

        assert validated.quarantine.is_empty()


def test_it_returns_the_same_bars_twice(provider: Provider) -> None:
    ticker = provider.tickers()[0]

    assert provider.fetch(ticker).equals(provider.fetch(ticker))


def test_what_it_does_not_know_is_null_and_never_nan(provider: Provider) -> None:
    bars = provider.fetch(provider.tickers()[0])

    assert not bars.select(pl.col(pl.Float64).is_nan().any()).row(0).count(True)


def test_an_unknown_ticker_is_refused_with_near_ones(provider: Provider) -> None:
    with pytest.raises(UnknownTickerError, match="is not known to the") as caught:
        provider.fetch("APPL")

    assert "AAPL" in caught.value.near


def test_the_prices_are_those_as_traded(provider: Provider) -> None:
    fall = provider.fetch("AAPL").filter(pl.col("session") == date(2000, 9, 29))

    assert fall.select("open", "high", "low", "close", "volume").row(0) == (
        28.19,
        29.0,
        25.37,
        25.75,
        132_529_300,
    )
    assert fall.get_column("adj_close").item() == pytest.approx(1.654617, abs=5e-7)
