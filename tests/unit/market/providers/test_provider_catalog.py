"""The registered providers and their specs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.market.bars import sample_bars
from support.providers.in_memory import FakeNetworkProvider

from core.errors import SettingsError
from core.settings import load_settings
from market.providers.catalog import SPECS, provider_spec, quote_providers
from market.providers.factory import make_ledger, make_provider
from market.providers.protocol import Provider, QuoteProvider
from market.providers.spec import ProviderSpec
from market.providers.status import ProviderStatus
from market.quota.budgets import Budget
from market.settings import MarketSettings

HEAVY = ("polars", "pandas", "requests", "yfinance", "alpha_vantage", "exchange_calendars")


def settings_for(name: str, home: Path) -> MarketSettings:
    chosen: dict[str, object] = {"provider": name, "home": home, "tickers": "AAPL"}
    if name == "alpha_vantage":
        chosen["alpha_vantage_key"] = "0123456789ABCDEF"
    if name == "files":
        chosen["bars"] = str(home)
    return load_settings(MarketSettings, **chosen)


@pytest.mark.parametrize("name", SPECS)
def test_a_spec_agrees_with_its_provider(name: str, tmp_path: Path) -> None:
    spec, settings = provider_spec(name), settings_for(name, tmp_path)

    provider = spec.make(settings, make_ledger(settings), None)

    assert isinstance(provider, Provider)
    assert provider.name == spec.name == name
    assert isinstance(provider, QuoteProvider) is spec.serves_quotes
    assert spec.settings_problem(settings) is None
    budget = spec.budget(settings)
    assert (budget is not None) is spec.is_remote
    assert budget is None or budget.provider == name
    if not spec.lists_tickers:
        assert provider.tickers() == ()
    assert list(tmp_path.iterdir()) == []


def test_the_limits_of_a_spec_are_those_of_its_budget(tmp_path: Path) -> None:
    settings = settings_for("alpha_vantage", tmp_path)
    budget = provider_spec("alpha_vantage").budget(settings)
    limits = provider_spec("alpha_vantage").limits(settings)

    assert budget is not None
    assert limits is not None
    assert (limits.windows, limits.per_day) == (budget.windows, budget.per_day)
    assert [advice.rpartition("=")[2] for advice, _ in limits.upgrades] == [
        "premium_75",
        "premium_150",
        "premium_300",
        "premium_600",
        "premium_1200",
    ]


def test_a_new_spec_is_all_that_a_new_provider_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(*_: object) -> FakeNetworkProvider:
        return FakeNetworkProvider({"IBM": sample_bars("IBM")}, name="stooq")

    def settings_problem(settings: MarketSettings) -> str | None:
        return "STOOQ needs bars" if settings.bars else None

    budget = Budget("stooq", per_day=10)
    spec = ProviderSpec(
        "stooq", make, settings_problem, budget=lambda _: budget, serves_quotes=True
    )
    monkeypatch.setitem(SPECS, "stooq", spec)
    settings = settings_for("stooq", tmp_path)

    assert make_provider(settings).fetch("IBM")["source"].unique().to_list() == ["stooq"]
    assert ProviderStatus(settings).read()[0].budget == budget
    assert "stooq" in quote_providers()
    assert load_settings(MarketSettings, backups="stooq").providers == ("sample", "stooq")
    with pytest.raises(SettingsError, match="must name the tickers"):
        load_settings(MarketSettings, provider="stooq")
    with pytest.raises(SettingsError, match="STOOQ needs bars"):
        load_settings(MarketSettings, provider="stooq", tickers="IBM", backups="files", bars="x")


def test_an_unknown_name_raises_with_the_registered_names() -> None:
    with pytest.raises(SettingsError, match=r"one of sample, files, .*, got 'stooq'"):
        provider_spec("stooq")


def test_settings_import_no_client() -> None:
    program = f"import market.settings, sys; print([m for m in {HEAVY!r} if m in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert result.stdout.strip() == "[]"
