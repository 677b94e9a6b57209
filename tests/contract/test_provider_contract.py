"""Contract of all providers. Add a new provider to `PROVIDERS`."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from support.alpha_vantage.access import connect
from support.alpha_vantage.emulator import AlphaVantageEmulator
from support.clocks.moving_clock import MovingClock
from support.market.bars import sample_bars, xnys
from support.yahoo.emulator import SAMPLE_SPLITS, YahooEmulator
from support.yahoo.emulator import connect as connect_yahoo

from core.errors import UnknownTickerError
from core.tickers import check_ticker
from market.bars.contract import BAR_SCHEMA, validate_bars
from market.calendars.exchanges import SessionsByTicker
from market.providers.files.provider import FilesProvider
from market.providers.protocol import Provider, SessionRange
from market.providers.sample.provider import TICKERS, SampleProvider

# After the close of the last session of the sample.
EVENING = datetime(2013, 3, 1, 22, tzinfo=UTC)


def sample_provider(_: Path, __: ExitStack) -> Provider:
    return SampleProvider()


def one_file_per_ticker(folder: Path, _: ExitStack) -> Provider:
    for (ticker,), bars in sample_bars().partition_by("ticker", as_dict=True).items():
        bars.drop("ticker", "source").write_csv(folder / f"{ticker}.csv")
    return FilesProvider(str(folder), SessionsByTicker())


def one_file_for_all_tickers(folder: Path, _: ExitStack) -> Provider:
    sample_bars().write_parquet(folder / "all.parquet")
    return FilesProvider(str(folder / "*.parquet"), SessionsByTicker())


def alpha_vantage(folder: Path, stack: ExitStack) -> Provider:
    emulator = AlphaVantageEmulator(sample_bars(), MovingClock(EVENING))
    return connect(stack.enter_context(emulator), folder, tier="premium_1200")


def yahoo(folder: Path, stack: ExitStack) -> Provider:
    emulator = YahooEmulator(sample_bars(), MovingClock(EVENING), actions=SAMPLE_SPLITS)
    return connect_yahoo(stack.enter_context(emulator), folder)


# Each provider has the bars of the sample. The stack stops its emulator.
PROVIDERS = [sample_provider, one_file_per_ticker, one_file_for_all_tickers, alpha_vantage, yahoo]


@pytest.fixture(params=PROVIDERS, ids=lambda make: make.__name__)
def provider(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Provider]:
    make: Callable[[Path, ExitStack], Provider] = request.param
    with ExitStack() as stack:
        yield make(tmp_path, stack)


def test_it_is_a_provider(provider: Provider) -> None:
    assert isinstance(provider, Provider)
    assert provider.name.isidentifier()


def test_its_tickers_are_sorted_distinct_and_valid(provider: Provider) -> None:
    tickers = provider.tickers()

    # A remote provider may not be able to list its tickers.
    assert tickers in {(), TICKERS}
    assert list(tickers) == sorted(set(tickers))
    assert [check_ticker(ticker) for ticker in tickers] == list(tickers)


def test_it_returns_bars_of_the_requested_ticker(provider: Provider) -> None:
    for ticker in TICKERS:
        bars = provider.fetch(ticker)

        assert bars.schema == BAR_SCHEMA
        assert not bars.is_empty()
        assert bars.get_column("ticker").unique().to_list() == [ticker]
        assert bars.get_column("source").unique().to_list() == [provider.name]


def test_its_bars_pass_validation(provider: Provider) -> None:
    for ticker in TICKERS:
        validated = validate_bars(provider.fetch(ticker), xnys(), last_session=date(2013, 3, 1))

        assert validated.quarantine.is_empty()


def test_it_returns_at_least_the_sessions_of_a_range(provider: Provider) -> None:
    session_range = SessionRange(start=date(2013, 1, 2), n_sessions=41)

    bars = provider.fetch("AAPL", session_range).filter(pl.col("session") >= session_range.start)

    assert bars.get_column("session").equals(xnys().between(session_range.start, date(2013, 3, 1)))


def test_it_returns_the_same_bars_twice(provider: Provider) -> None:
    assert provider.fetch("FB").equals(provider.fetch("FB"))


def test_a_missing_value_is_null_and_never_nan(provider: Provider) -> None:
    bars = provider.fetch("FB")

    assert not bars.select(pl.col(pl.Float64).is_nan().any()).row(0).count(True)


def test_an_unknown_ticker_raises_with_similar_tickers(provider: Provider) -> None:
    with pytest.raises(UnknownTickerError, match="is not available from the") as caught:
        provider.fetch("APPL")

    assert "AAPL" in caught.value.similar


def test_prices_are_as_traded(provider: Provider) -> None:
    fall = provider.fetch("AAPL").filter(pl.col("session") == date(2000, 9, 29))

    assert fall.select("open", "high", "low", "close", "volume").row(0) == (
        28.19,
        29.0,
        25.37,
        25.75,
        132_529_300,
    )
    adjusted = fall.get_column("adj_close").drop_nulls().to_list()
    assert adjusted in ([], [pytest.approx(1.654617, abs=5e-7)])
