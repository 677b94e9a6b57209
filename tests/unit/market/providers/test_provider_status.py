"""Calls that are reserved for bars, and the state of the selected providers."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from support.clocks.moving_clock import MovingClock

from core.settings import load_settings
from market.providers.factory import make_circuit_breakers, make_ledger
from market.providers.status import ProviderStatus, all_down_since
from market.quota.budgets import Purpose
from market.settings import MarketSettings

TICKERS = ("AAPL", "IBM", "MSFT")
FRIDAY, THURSDAY = date(2013, 3, 1), date(2013, 2, 28)
# New York is five hours behind UTC: sessions close at 21:00, the budget renews at 05:00.
NOON = datetime(2013, 3, 1, 17, tzinfo=UTC)
EVENING = datetime(2013, 3, 1, 22, tzinfo=UTC)
SATURDAY = datetime(2013, 3, 2, 17, tzinfo=UTC)


class Home:
    """A home with a free key of Alpha Vantage as its first provider."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = MovingClock(NOON)

    def settings(self, **chosen: object) -> MarketSettings:
        usual: dict[str, object] = {
            "provider": "alpha_vantage",
            "alpha_vantage_key": "0123456789ABCDEF",
            "tickers": ",".join(TICKERS),
            "home": self.folder,
        }
        return load_settings(MarketSettings, **usual | chosen)

    def status(self, **chosen: object) -> ProviderStatus:
        return ProviderStatus(self.settings(**chosen), self.clock)

    def spend(self, purpose: Purpose, calls: int, **chosen: object) -> None:
        settings = self.settings(**chosen)
        ledger = make_ledger(settings, clock=self.clock)
        budget = {state.name: state.budget for state in self.status(**chosen).read()}[
            "alpha_vantage"
        ]
        assert budget is not None
        for _ in range(calls):
            with ledger.call(budget, purpose=purpose):
                pass


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_before_the_close_a_call_is_reserved_for_each_ticker(home: Home) -> None:
    assert home.status().reserved_for_bars(TICKERS) == 3


@pytest.mark.parametrize("now", [EVENING, SATURDAY])
def test_without_a_close_before_the_renewal_nothing_is_reserved(home: Home, now: datetime) -> None:
    home.clock = MovingClock(now)

    assert home.status().reserved_for_bars(TICKERS) == 0


def test_only_exchanges_that_close_before_the_renewal_count(home: Home) -> None:
    # London has closed at 17:00 UTC, Tokyo hours before. New York closes four hours later.
    assert home.status().reserved_for_bars(("AZN.L", "7203.T", "IBM")) == 1


def test_a_closed_session_that_is_not_fetched_keeps_its_call(home: Home) -> None:
    home.clock = MovingClock(EVENING)
    fetched = {"AAPL": FRIDAY, "IBM": THURSDAY, "MSFT": None}

    assert home.status().reserved_for_bars(TICKERS, fetched) == 1


def test_a_session_that_is_fetched_needs_no_call(home: Home) -> None:
    home.clock = MovingClock(EVENING)

    assert home.status().reserved_for_bars(TICKERS, dict.fromkeys(TICKERS, FRIDAY)) == 0


def test_a_backup_without_a_limit_leaves_nothing_to_reserve_except_from_quotes(home: Home) -> None:
    status = home.status(backups="yahoo")

    assert status.reserved_for_bars(TICKERS) == 0
    assert status.reserved_for_bars(TICKERS, may_use_backup=False) == 3


@pytest.mark.parametrize(
    "chosen",
    [
        {"provider": "yahoo", "alpha_vantage_key": None},
        {"provider": "sample", "alpha_vantage_key": None},
        {"alpha_vantage_tier": "premium_75"},
    ],
)
def test_without_a_limit_per_day_nothing_is_reserved(home: Home, chosen: dict[str, object]) -> None:
    status = home.status(**chosen)

    assert status.reserved_for_bars(TICKERS, may_use_backup=False) == 0
    assert status.reserved_from_quotes(dict.fromkeys(TICKERS)) == 0
    assert not status.has_records


def test_a_quote_leaves_bars_and_the_actions_of_one_ticker(home: Home) -> None:
    followed = dict.fromkeys(TICKERS, THURSDAY)
    assert home.status().reserved_from_quotes(followed) == 3 + 2

    home.spend("actions", 2)
    home.spend("quote", 4)
    # The ledger subtracts the two calls that were made for actions.
    assert home.status().reserved_from_quotes(followed) == 3 + 2

    home.clock.advance(seconds=5 * 3600)
    assert home.status().reserved_from_quotes(followed) == 3 + 2
    assert home.status().reserved_from_quotes(dict.fromkeys(TICKERS, FRIDAY)) == 2


def test_quotes_stop_where_the_reserved_calls_begin(home: Home) -> None:
    status, ledger = home.status(), make_ledger(home.settings(), clock=home.clock)
    budget = status.read()[0].budget
    assert budget is not None
    home.spend("ingest", 4)
    reserved = status.reserved_from_quotes(dict.fromkeys(TICKERS, THURSDAY))
    for _ in range(25 - 4 - 3 - 2):
        with ledger.call(budget, purpose="quote", reserved_calls=reserved):
            pass

    usage = status.read()[0].usage
    assert usage is not None
    assert usage.left_today == 3 + 2


def test_actions_are_held_while_bars_need_the_calls(home: Home) -> None:
    assert home.status().hold_for_bars(TICKERS) is None
    home.spend("ingest", 21)

    error = home.status().hold_for_bars(TICKERS)
    assert str(error) == "The 4 calls left today are reserved for bars."
    assert error is not None
    assert error.renews_at == datetime(2013, 3, 2, 5, tzinfo=UTC)


def test_all_providers_are_down_since_the_last_of_them(home: Home) -> None:
    status = home.status(backups="yahoo")
    breakers = make_circuit_breakers(home.settings(), clock=home.clock)
    assert all_down_since(status.read()) is None

    for name in ("alpha_vantage", "yahoo"):
        assert all_down_since(status.read()) is None
        home.clock.advance(seconds=600)
        for _ in range(3):
            breakers.record_failure(name, f"{name} did not respond")

    assert all_down_since(status.read()) == datetime(2013, 3, 1, 17, 20, tzinfo=UTC)
