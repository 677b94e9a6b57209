"""Construction of providers from the settings, and failover between emulated providers."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from support.alpha_vantage.emulator import FREE_KEY, PREMIUM_KEY, AlphaVantageEmulator
from support.clocks.moving_clock import MovingClock
from support.market.bars import sample_bars
from support.yahoo.emulator import SAMPLE_SPLITS, YahooEmulator

from core.errors import (
    ProviderDownError,
    QuotaError,
    SettingsError,
    TierError,
    UnknownTickerError,
)
from core.settings import load_settings
from market.providers.factory import (
    make_circuit_breakers,
    make_ledger,
    make_provider,
    selected_budgets,
)
from market.providers.failover.chain import ProviderChain
from market.providers.files.provider import FilesProvider
from market.providers.protocol import SessionRange
from market.providers.sample.provider import SampleProvider
from market.settings import MarketSettings

EVENING = datetime(2013, 3, 1, 22, tzinfo=UTC)
SPAN = SessionRange(date(2013, 2, 25), n_sessions=5)
START = date(2012, 6, 1)
TICKERS = ("AAPL", "IBM", "MSFT")


class Markets:
    """Emulators of both remote providers, a home, and settings for them."""

    def __init__(self, home: Path) -> None:
        self.clock = MovingClock(EVENING)
        self.home = home
        bars = sample_bars(*TICKERS, start=START)
        self.alpha_vantage = AlphaVantageEmulator(bars, self.clock)
        self.yahoo = YahooEmulator(bars, self.clock, actions=SAMPLE_SPLITS)

    def chain(self, **chosen: object) -> ProviderChain:
        chain = make_provider(self.settings(**chosen), clock=self.clock)
        assert isinstance(chain, ProviderChain)
        return chain

    def settings(self, **chosen: object) -> MarketSettings:
        usual: dict[str, object] = {
            "provider": "alpha_vantage",
            "backups": "yahoo",
            "tickers": "AAPL",
            "alpha_vantage_key": PREMIUM_KEY,
            "alpha_vantage_tier": "premium_75",
            "alpha_vantage_url": self.alpha_vantage.url,
            "yahoo_url": self.yahoo.url,
            "home": self.home,
        }
        return load_settings(MarketSettings, **usual | chosen)


@pytest.fixture
def markets(tmp_path: Path) -> Iterator[Markets]:
    made = Markets(tmp_path)
    with made.alpha_vantage, made.yahoo:
        yield made


def test_a_local_provider_without_backups_is_no_chain() -> None:
    assert isinstance(make_provider(load_settings(MarketSettings)), SampleProvider)
    assert isinstance(
        make_provider(load_settings(MarketSettings, provider="files", bars="data")), FilesProvider
    )


@pytest.mark.parametrize(
    ("chosen", "name"),
    [
        ({}, "alpha_vantage"),
        ({"backups": ""}, "alpha_vantage"),
        ({"provider": "yahoo", "backups": ""}, "yahoo"),
        ({"provider": "sample", "backups": "yahoo"}, "sample"),
    ],
)
def test_a_remote_provider_or_backups_make_a_chain(
    markets: Markets, chosen: dict[str, Any], name: str
) -> None:
    assert markets.chain(**chosen).name == name


def test_construction_reads_and_writes_nothing(markets: Markets) -> None:
    markets.chain()

    assert list(markets.home.iterdir()) == []
    assert markets.alpha_vantage.calls == []
    assert markets.yahoo.calls == []


def test_the_primary_goes_down_during_a_run_and_recovers(markets: Markets) -> None:
    chain = markets.chain()
    sources = [chain.fetch("AAPL", SPAN)["source"][0]]
    with markets.alpha_vantage.closed():
        for _ in range(2):
            sources += [chain.fetch(ticker, SPAN)["source"][0] for ticker in TICKERS]
        (state, _) = chain.breaker_states()
        assert (state.name, state.state) == ("alpha_vantage", "open")
    assert chain.fetch("AAPL", SPAN)["source"][0] == "yahoo"
    markets.clock.advance(seconds=61)
    sources.append(chain.fetch("AAPL", SPAN)["source"][0])

    assert sources == ["alpha_vantage", *["yahoo"] * 6, "alpha_vantage"]
    assert chain.breaker_states()[0].state == "closed"


def test_circuit_breakers_are_shared_by_processes(markets: Markets) -> None:
    with markets.alpha_vantage.closed():
        for ticker in TICKERS:
            markets.chain().fetch(ticker, SPAN)
        n_calls = len(markets.alpha_vantage.calls)

    assert markets.chain().fetch("AAPL", SPAN)["source"][0] == "yahoo"
    assert len(markets.alpha_vantage.calls) == n_calls


def test_with_both_providers_down_the_error_names_both(markets: Markets) -> None:
    chain = markets.chain()
    with (
        markets.alpha_vantage.closed(),
        markets.yahoo.closed(),
        pytest.raises(ProviderDownError, match=r"alpha_vantage: Alpha .* yahoo: Yahoo cannot be"),
    ):
        chain.fetch("AAPL", SPAN)


def test_both_providers_return_the_same_bars(markets: Markets) -> None:
    columns = ["session", "open", "high", "low", "close", "volume"]
    first = markets.chain().fetch("AAPL")
    second = markets.chain(provider="yahoo", backups="").fetch("AAPL")

    assert first.select(columns).equals(second.select(columns))


def test_with_a_free_key_the_backup_delivers_the_history(
    markets: Markets,
) -> None:
    free = {"alpha_vantage_key": FREE_KEY, "alpha_vantage_tier": "free"}
    chain = markets.chain(**free)

    assert chain.fetch("AAPL")["source"][0] == "yahoo"
    assert chain.fetch("AAPL", SPAN)["source"][0] == "alpha_vantage"
    with pytest.raises(TierError) as caught:
        markets.chain(**free, backups="").fetch("AAPL")
    assert caught.value.reach == 100


def test_with_a_free_key_files_deliver_the_history(markets: Markets, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    sample_bars("AAPL", start=START).drop("ticker", "source").write_csv(folder / "AAPL.csv")
    chain = markets.chain(
        alpha_vantage_key=FREE_KEY,
        alpha_vantage_tier="free",
        backups="files",
        bars=str(folder),
    )

    assert chain.fetch("AAPL")["source"][0] == "files"
    assert chain.fetch("AAPL", SPAN)["source"][0] == "alpha_vantage"
    assert chain.tickers() == ("AAPL",)


def test_actions_come_from_the_backup_after_the_day_is_spent(markets: Markets) -> None:
    chain = markets.chain(alpha_vantage_key=FREE_KEY, alpha_vantage_tier="free")
    markets.alpha_vantage.inject_fault("per_day", times=None)
    markets.yahoo.act("MSFT", date(2013, 2, 19), dividend=0.23)

    actions = chain.fetch_actions("MSFT")

    assert chain.has_separate_actions
    assert actions.rows() == [("MSFT", date(2013, 2, 19), 1.0, 0.23)]
    with pytest.raises(QuotaError):
        markets.chain(
            alpha_vantage_key=FREE_KEY, alpha_vantage_tier="free", backups=""
        ).fetch_actions("MSFT")


def test_quotes_come_from_the_backup_while_the_primary_is_down(markets: Markets) -> None:
    chain = markets.chain()
    assert chain.fetch_quote("MSFT").source == "alpha_vantage"

    with markets.alpha_vantage.closed():
        assert chain.fetch_quote("MSFT").source == "yahoo"


def test_an_unknown_ticker_lists_similar_tickers_of_both_providers(markets: Markets) -> None:
    with pytest.raises(UnknownTickerError, match="providers alpha_vantage and yahoo") as caught:
        markets.chain().fetch("APPL", SPAN)

    assert "AAPL" in caught.value.similar


def test_the_ledger_counts_the_calls_of_a_chain(markets: Markets) -> None:
    settings = markets.settings(provider="yahoo", backups="alpha_vantage")
    budgets = selected_budgets(settings)
    make_provider(settings, clock=markets.clock).fetch("AAPL", SPAN)

    ledger = make_ledger(settings, clock=markets.clock)
    assert list(budgets) == ["yahoo", "alpha_vantage"]
    assert ledger.usage(budgets["yahoo"]).by_purpose == {"ingest": 3}
    assert ledger.usage(budgets["alpha_vantage"]).made_today == 0
    assert [
        state.name for state in make_circuit_breakers(settings, clock=markets.clock).read_states()
    ] == ["yahoo"]


def test_the_sample_has_no_budget() -> None:
    assert selected_budgets(load_settings(MarketSettings)) == {}


def test_a_backup_that_is_not_installed_raises_at_construction(
    markets: Markets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "yfinance", None)

    with pytest.raises(SettingsError, match="yfinance is not installed"):
        markets.chain()


def test_unvalidated_settings_raise_with_the_setting_to_change() -> None:
    unchecked = MarketSettings.model_construct(
        provider="alpha_vantage", backups=(), home=Path("var")
    )
    with pytest.raises(SettingsError, match="STOCKCAST_ALPHA_VANTAGE_KEY must hold your key"):
        make_provider(unchecked)
