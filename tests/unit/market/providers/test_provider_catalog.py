"""The registered providers and their specs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import SettingsError
from core.settings import load_settings
from market.providers.catalog import SPECS, provider_spec
from market.providers.factory import make_ledger
from market.providers.protocol import Provider, QuoteProvider
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


def test_an_unknown_name_raises_with_the_registered_names() -> None:
    with pytest.raises(SettingsError, match=r"one of sample, files, .*, got 'stooq'"):
        provider_spec("stooq")


def test_settings_import_no_client() -> None:
    program = f"import market.settings, sys; print([m for m in {HEAVY!r} if m in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert result.stdout.strip() == "[]"
