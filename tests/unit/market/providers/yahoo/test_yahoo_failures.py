"""Every failure of Yahoo: the error, and whether the request is retried."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from support.clocks.moving_clock import MovingClock
from support.market.bars import sample_bars
from support.yahoo.emulator import Fault, YahooEmulator, connect

from core.errors import BarsError, ProviderDownError, QuotaError
from market.providers.protocol import SessionRange
from market.providers.yahoo.provider import YahooProvider

EVENING = datetime(2013, 3, 1, 22, tzinfo=UTC)
SPAN = SessionRange(date(2013, 2, 25), n_sessions=5)
TRANSIENT: tuple[Fault, ...] = (
    "failure",
    "not_json",
    "empty",
    "no_result",
    "odd_rows",
    "cut_text",
    "cut_body",
    "status_500",
    "status_503",
)


@pytest.fixture
def yahoo() -> Iterator[YahooEmulator]:
    bars = sample_bars("AAPL", "MSFT", start=date(2013, 1, 2))
    with YahooEmulator(bars, MovingClock(EVENING)) as emulator:
        yield emulator


@pytest.fixture
def provider(yahoo: YahooEmulator, tmp_path: Path) -> YahooProvider:
    return connect(yahoo, tmp_path)


@pytest.mark.parametrize("fault", TRANSIENT)
def test_a_transient_failure_is_retried(
    yahoo: YahooEmulator, provider: YahooProvider, fault: Fault
) -> None:
    yahoo.inject_fault(fault, times=2)

    assert provider.fetch("AAPL", SPAN)["session"].max() == date(2013, 3, 1)
    assert len(yahoo.charts()) == 3


@pytest.mark.parametrize("fault", TRANSIENT)
def test_a_lasting_failure_raises_provider_down(
    yahoo: YahooEmulator, provider: YahooProvider, fault: Fault
) -> None:
    yahoo.inject_fault(fault, times=None)

    with pytest.raises(ProviderDownError, match="Yahoo"):
        provider.fetch("AAPL", SPAN)
    assert len(yahoo.charts()) == 3


def test_the_waits_between_attempts_grow(yahoo: YahooEmulator, provider: YahooProvider) -> None:
    yahoo.inject_fault("status_503", times=None)

    with pytest.raises(ProviderDownError):
        provider.fetch("AAPL", SPAN)

    first, second, third = (call.at for call in yahoo.charts())
    assert timedelta(seconds=1) <= second - first <= timedelta(seconds=3.1)
    assert timedelta(seconds=2) <= third - second <= timedelta(seconds=4.1)


def test_a_quote_is_retried_once(yahoo: YahooEmulator, provider: YahooProvider) -> None:
    yahoo.inject_fault("status_503", times=None)

    with pytest.raises(ProviderDownError):
        provider.fetch_quote("AAPL")
    assert len(yahoo.charts()) == 2


@pytest.mark.parametrize("fault", ["status_404", "status_302", "other_symbol"])
def test_a_permanent_failure_is_not_retried(
    yahoo: YahooEmulator, provider: YahooProvider, fault: Fault
) -> None:
    yahoo.inject_fault(fault, times=None)

    with pytest.raises(BarsError, match=r"STOCKCAST_YAHOO_URL|about 'MSFT', expected 'AAPL'"):
        provider.fetch("AAPL", SPAN)
    assert len(yahoo.charts()) == 1


def test_a_rate_refusal_delays_the_next_request(
    yahoo: YahooEmulator, provider: YahooProvider
) -> None:
    yahoo.inject_fault("status_429")

    with pytest.raises(
        QuotaError, match=r"HTTP 429\); the next request is allowed at 2013-03-01"
    ) as caught:
        provider.fetch("AAPL", SPAN)
    assert timedelta(0) < caught.value.renews_at - yahoo.clock.now() <= timedelta(seconds=61)
    provider.fetch("AAPL", SPAN)
    first, second = (call.at for call in yahoo.charts())
    assert second - first >= timedelta(seconds=60)


def test_a_quote_does_not_wait_for_the_end_of_a_refusal(
    yahoo: YahooEmulator, provider: YahooProvider
) -> None:
    yahoo.inject_fault("status_429")

    for _ in range(2):
        with pytest.raises(QuotaError):
            provider.fetch_quote("AAPL")
    assert len(yahoo.charts()) == 1


def test_an_expired_crumb_is_fetched_again(yahoo: YahooEmulator, provider: YahooProvider) -> None:
    provider.fetch("AAPL", SPAN)
    yahoo.inject_fault("crumb_expired")

    assert provider.fetch("AAPL", SPAN).height
    assert len(yahoo.charts()) == 3


def test_a_lasting_status_403_raises_provider_down(
    yahoo: YahooEmulator, provider: YahooProvider
) -> None:
    yahoo.inject_fault("status_403", times=None)

    with pytest.raises(ProviderDownError, match="HTTP 403"):
        provider.fetch("AAPL", SPAN)


@pytest.mark.parametrize("kind", ["cookie", "crumb"])
@pytest.mark.parametrize("fault", ["status_429", "status_503", "cut_body"])
def test_bars_are_fetched_without_a_cookie(
    yahoo: YahooEmulator, provider: YahooProvider, kind: str, fault: Fault
) -> None:
    yahoo.inject_fault(fault, times=None, kind=kind)

    assert provider.fetch("AAPL", SPAN).height


def test_a_range_without_data_is_empty(yahoo: YahooEmulator, provider: YahooProvider) -> None:
    yahoo.inject_fault("no_data")

    assert provider.fetch("AAPL", SPAN).is_empty()


def test_a_slow_response_raises_after_the_timeout(yahoo: YahooEmulator, tmp_path: Path) -> None:
    provider = connect(yahoo, tmp_path, timeout=0.2)
    yahoo.slow_seconds = 1.0
    yahoo.inject_fault("slow", times=None)

    with pytest.raises(ProviderDownError, match=r"within 0\.2 s; STOCKCAST_PROVIDER_TIMEOUT"):
        provider.fetch("AAPL", SPAN)


def test_a_failed_connection_names_the_host(yahoo: YahooEmulator, provider: YahooProvider) -> None:
    with yahoo.closed(), pytest.raises(ProviderDownError, match=r"reached at 127\.0\.0\.1, or"):
        provider.fetch("AAPL", SPAN)

    assert provider.fetch("AAPL", SPAN).height


def test_failures_print_nothing(
    yahoo: YahooEmulator, provider: YahooProvider, capfd: pytest.CaptureFixture[str]
) -> None:
    yahoo.inject_fault("status_500", times=None)
    yahoo.inject_fault("status_429", times=None, kind="crumb")

    with pytest.raises(ProviderDownError):
        provider.fetch("AAPL", SPAN)

    assert capfd.readouterr() == ("", "")
