"""Every way in which Yahoo fails has its error, and only what may pass is tried again."""

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
PASSING: tuple[Fault, ...] = (
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


@pytest.mark.parametrize("fault", PASSING)
def test_what_may_pass_is_tried_again(
    yahoo: YahooEmulator, provider: YahooProvider, fault: Fault
) -> None:
    yahoo.inject_fault(fault, times=2)

    assert provider.fetch("AAPL", SPAN)["session"].max() == date(2013, 3, 1)
    assert len(yahoo.charts()) == 3


@pytest.mark.parametrize("fault", PASSING)
def test_what_does_not_pass_is_a_provider_that_is_down(
    yahoo: YahooEmulator, provider: YahooProvider, fault: Fault
) -> None:
    yahoo.inject_fault(fault, times=None)

    with pytest.raises(ProviderDownError, match="Yahoo"):
        provider.fetch("AAPL", SPAN)
    assert len(yahoo.charts()) == 3


def test_the_pauses_between_tries_grow(yahoo: YahooEmulator, provider: YahooProvider) -> None:
    yahoo.inject_fault("status_503", times=None)

    with pytest.raises(ProviderDownError):
        provider.fetch("AAPL", SPAN)

    first, second, third = (call.at for call in yahoo.charts())
    assert timedelta(seconds=1) <= second - first <= timedelta(seconds=3.1)
    assert timedelta(seconds=2) <= third - second <= timedelta(seconds=4.1)


def test_a_quote_is_tried_once_more_alone(yahoo: YahooEmulator, provider: YahooProvider) -> None:
    yahoo.inject_fault("status_503", times=None)

    with pytest.raises(ProviderDownError):
        provider.fetch_quote("AAPL")
    assert len(yahoo.charts()) == 2


@pytest.mark.parametrize("fault", ["status_404", "status_302", "other_symbol"])
def test_what_will_not_pass_is_not_tried_again(
    yahoo: YahooEmulator, provider: YahooProvider, fault: Fault
) -> None:
    yahoo.inject_fault(fault, times=None)

    with pytest.raises(BarsError, match=r"STOCKCAST_YAHOO_URL|was asked for"):
        provider.fetch("AAPL", SPAN)
    assert len(yahoo.charts()) == 1


def test_an_address_that_is_refused_waits_before_anybody_asks_again(
    yahoo: YahooEmulator, provider: YahooProvider
) -> None:
    yahoo.inject_fault("status_429")

    with pytest.raises(QuotaError, match=r"HTTP 429\); it is asked again at 2013-03-01") as caught:
        provider.fetch("AAPL", SPAN)
    assert timedelta(0) < caught.value.renews_at - yahoo.clock.now() <= timedelta(seconds=61)
    provider.fetch("AAPL", SPAN)
    first, second = (call.at for call in yahoo.charts())
    assert second - first >= timedelta(seconds=60)


def test_a_quote_does_not_wait_so_long(yahoo: YahooEmulator, provider: YahooProvider) -> None:
    yahoo.inject_fault("status_429")

    for _ in range(2):
        with pytest.raises(QuotaError):
            provider.fetch_quote("AAPL")
    assert len(yahoo.charts()) == 1


def test_a_crumb_that_ran_out_is_fetched_anew(
    yahoo: YahooEmulator, provider: YahooProvider
) -> None:
    provider.fetch("AAPL", SPAN)
    yahoo.inject_fault("crumb_expired")

    assert provider.fetch("AAPL", SPAN).height
    assert len(yahoo.charts()) == 3


def test_access_that_stays_refused_is_a_provider_that_is_down(
    yahoo: YahooEmulator, provider: YahooProvider
) -> None:
    yahoo.inject_fault("status_403", times=None)

    with pytest.raises(ProviderDownError, match="HTTP 403"):
        provider.fetch("AAPL", SPAN)


@pytest.mark.parametrize("kind", ["cookie", "crumb"])
@pytest.mark.parametrize("fault", ["status_429", "status_503", "cut_body"])
def test_bars_come_without_a_cookie_too(
    yahoo: YahooEmulator, provider: YahooProvider, kind: str, fault: Fault
) -> None:
    yahoo.inject_fault(fault, times=None, kind=kind)

    assert provider.fetch("AAPL", SPAN).height


def test_a_span_that_yahoo_has_nothing_for_is_empty(
    yahoo: YahooEmulator, provider: YahooProvider
) -> None:
    yahoo.inject_fault("no_data")

    assert provider.fetch("AAPL", SPAN).is_empty()


def test_an_answer_that_takes_too_long_is_not_waited_for(
    yahoo: YahooEmulator, tmp_path: Path
) -> None:
    impatient = connect(yahoo, tmp_path, timeout=0.2)
    yahoo.slow_seconds = 1.0
    yahoo.inject_fault("slow", times=None)

    with pytest.raises(ProviderDownError, match=r"within 0\.2 s; STOCKCAST_PROVIDER_TIMEOUT"):
        impatient.fetch("AAPL", SPAN)


def test_an_address_where_nobody_listens_is_named(
    yahoo: YahooEmulator, provider: YahooProvider
) -> None:
    with yahoo.closed(), pytest.raises(ProviderDownError, match=r"reached at 127\.0\.0\.1, or"):
        provider.fetch("AAPL", SPAN)

    assert provider.fetch("AAPL", SPAN).height


def test_nothing_is_printed_about_failures(
    yahoo: YahooEmulator, provider: YahooProvider, capfd: pytest.CaptureFixture[str]
) -> None:
    yahoo.inject_fault("status_500", times=None)
    yahoo.inject_fault("status_429", times=None, kind="crumb")

    with pytest.raises(ProviderDownError):
        provider.fetch("AAPL", SPAN)

    assert capfd.readouterr() == ("", "")
