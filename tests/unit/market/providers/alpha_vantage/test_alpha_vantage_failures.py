"""Every refusal and failure of Alpha Vantage: the error and the number of calls."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.alpha_vantage.access import EVENING, TWENTY, connect, evening_clock
from support.alpha_vantage.emulator import AlphaVantageEmulator
from support.alpha_vantage.faults import Fault
from support.clocks.moving_clock import MovingClock
from support.market.bars import sample_bars

from core.errors import (
    BarsError,
    ProviderDownError,
    ProviderKeyError,
    QuotaError,
    StockcastError,
    TierError,
    UnknownTickerError,
)

ATTEMPTS = 3
PERMANENT: list[tuple[Fault, type[StockcastError], str]] = [
    ("invalid_key", ProviderKeyError, "STOCKCAST_ALPHA_VANTAGE_KEY"),
    ("demo_key", ProviderKeyError, "STOCKCAST_ALPHA_VANTAGE_KEY"),
    ("status_403", ProviderKeyError, "STOCKCAST_ALPHA_VANTAGE_URL"),
    ("premium_only", TierError, "STOCKCAST_ALPHA_VANTAGE_TIER"),
    ("premium_full", TierError, "STOCKCAST_ALPHA_VANTAGE_TIER"),
    ("no_number", BarsError, r"session 2012-06-01, field '4. close'.*'twelve'"),
    ("status_302", BarsError, "STOCKCAST_ALPHA_VANTAGE_URL"),
    ("status_404", BarsError, "STOCKCAST_ALPHA_VANTAGE_URL"),
]
TRANSIENT: list[tuple[Fault, str]] = [
    ("odd_sentence", "new building"),
    ("empty", "without 'Time Series"),
    ("no_data", "without 'Time Series"),
    ("not_an_object", "incomplete response or invalid JSON"),
    ("not_json", "incomplete response or invalid JSON"),
    ("cut_text", "incomplete response or invalid JSON"),
    ("cut_body", "closed the connection"),
    ("other_symbol", "about 'MSFT', expected 'AAPL'"),
    ("status_500", "HTTP 500"),
    ("status_503", "HTTP 503"),
]
PACE: list[Fault] = ["per_second", "burst", "per_minute", "per_minute_premium", "status_429"]


@pytest.fixture
def clock() -> MovingClock:
    return evening_clock()


@pytest.fixture
def emulator(clock: MovingClock) -> Iterator[AlphaVantageEmulator]:
    bars = sample_bars("AAPL", "MSFT")
    with AlphaVantageEmulator(bars, clock, slow_seconds=0.6) as service:
        yield service


@pytest.mark.parametrize(("fault", "error", "words"), PERMANENT)
def test_a_permanent_refusal_is_not_retried(
    emulator: AlphaVantageEmulator,
    tmp_path: Path,
    fault: Fault,
    error: type[StockcastError],
    words: str,
) -> None:
    emulator.inject_fault(fault, times=None)

    with pytest.raises(error, match=words):
        connect(emulator, tmp_path).fetch("AAPL", TWENTY)
    assert len(emulator.calls) == 1


@pytest.mark.parametrize(("fault", "words"), TRANSIENT)
def test_a_transient_failure_is_retried_twice(
    emulator: AlphaVantageEmulator, tmp_path: Path, fault: Fault, words: str
) -> None:
    emulator.inject_fault(fault, times=None)

    with pytest.raises(ProviderDownError, match=words):
        connect(emulator, tmp_path).fetch("AAPL", TWENTY)
    assert len(emulator.calls) == ATTEMPTS


@pytest.mark.parametrize("fault", [*[fault for fault, _ in TRANSIENT], *PACE])
def test_a_failure_that_ends_within_the_attempts_is_hidden(
    emulator: AlphaVantageEmulator, tmp_path: Path, fault: Fault
) -> None:
    emulator.inject_fault(fault, times=ATTEMPTS - 1)

    assert connect(emulator, tmp_path).fetch("AAPL", TWENTY).height == 100
    assert len(emulator.calls) == ATTEMPTS


def test_attempts_back_off_with_jitter(emulator: AlphaVantageEmulator, tmp_path: Path) -> None:
    provider = connect(emulator, tmp_path, tier="premium_1200")
    gaps = set()
    for _ in range(3):
        emulator.inject_fault("status_503", times=2)
        provider.fetch("AAPL", TWENTY)
        first, second, third = (call.at for call in emulator.calls[-3:])
        gaps |= {second - first, third - second}
        assert timedelta(seconds=1) <= second - first <= timedelta(seconds=3)
        assert timedelta(seconds=2) <= third - second <= timedelta(seconds=4)
        emulator.clock.sleep(60)

    assert len(gaps) == 6


@pytest.mark.parametrize("fault", PACE)
def test_a_rate_refusal_delays_the_next_request_by_a_minute(
    emulator: AlphaVantageEmulator, tmp_path: Path, fault: Fault
) -> None:
    emulator.inject_fault(fault)

    connect(emulator, tmp_path).fetch("AAPL", TWENTY)

    refused, accepted = emulator.calls
    assert accepted.at - refused.at >= timedelta(minutes=1)


@pytest.mark.parametrize("fault", PACE)
def test_repeated_rate_refusals_raise_a_quota_error_that_renews_soon(
    emulator: AlphaVantageEmulator, tmp_path: Path, clock: MovingClock, fault: Fault
) -> None:
    emulator.inject_fault(fault, times=None)

    with pytest.raises(QuotaError) as caught:
        connect(emulator, tmp_path).fetch("AAPL", TWENTY)

    assert timedelta(0) < caught.value.renews_at - clock.now() <= timedelta(minutes=2)
    assert len(emulator.calls) == ATTEMPTS


def test_a_spent_day_stops_all_requests_until_it_renews(
    emulator: AlphaVantageEmulator, tmp_path: Path, clock: MovingClock
) -> None:
    emulator.inject_fault("per_day")

    with pytest.raises(QuotaError, match="25 requests per day") as caught:
        connect(emulator, tmp_path).fetch("AAPL", TWENTY)
    with pytest.raises(QuotaError):
        connect(emulator, tmp_path).fetch("MSFT", TWENTY)

    assert caught.value.renews_at == datetime(2012, 6, 2, 4, tzinfo=UTC)
    assert len(emulator.calls) == 1
    clock.move_to(caught.value.renews_at + timedelta(seconds=1))
    assert connect(emulator, tmp_path).fetch("MSFT", TWENTY).height == 100


def test_a_free_key_makes_at_most_25_calls_per_day(
    emulator: AlphaVantageEmulator, tmp_path: Path, clock: MovingClock
) -> None:
    provider = connect(emulator, tmp_path)
    for _ in range(25):
        provider.fetch("AAPL", TWENTY)

    with pytest.raises(QuotaError):
        provider.fetch("AAPL", TWENTY)

    assert clock.now() - EVENING >= timedelta(minutes=4)
    assert list(emulator.calls_by_day().values()) == [25]
    assert {call.outcome for call in emulator.calls} == {"served"}


def test_an_unknown_ticker_is_not_retried(emulator: AlphaVantageEmulator, tmp_path: Path) -> None:
    emulator.inject_fault("unknown_symbol", function="TIME_SERIES_DAILY", times=None)

    with pytest.raises(UnknownTickerError):
        connect(emulator, tmp_path).fetch("AAPL", TWENTY)
    assert [call.function for call in emulator.calls] == ["TIME_SERIES_DAILY", "SYMBOL_SEARCH"]


@pytest.mark.parametrize("fault", ["slow", "drip"])
def test_the_timeout_applies_to_the_whole_response(
    emulator: AlphaVantageEmulator, tmp_path: Path, fault: Fault
) -> None:
    emulator.inject_fault(fault, times=None)
    provider = connect(emulator, tmp_path, timeout=0.2)

    with pytest.raises(ProviderDownError, match=r"within 0\.2 s"):
        provider.fetch_quote("AAPL")

    assert len(emulator.calls) == 2


def test_a_failed_connection_uses_no_call_of_the_day(
    emulator: AlphaVantageEmulator, tmp_path: Path
) -> None:
    provider = connect(emulator, tmp_path)

    for _ in range(10):
        with emulator.closed(), pytest.raises(ProviderDownError, match="cannot be reached"):
            provider.fetch("AAPL", TWENTY)

    for _ in range(25):
        assert provider.fetch("AAPL", TWENTY).height == 100


def test_a_failed_connection_with_a_premium_key_raises(
    emulator: AlphaVantageEmulator, tmp_path: Path
) -> None:
    provider = connect(emulator, tmp_path, tier="premium_75")

    with emulator.closed(), pytest.raises(ProviderDownError, match="cannot be reached"):
        provider.fetch("AAPL")


@pytest.mark.parametrize("function", ["SPLITS", "DIVIDENDS"])
@pytest.mark.parametrize("fault", ["empty", "not_json", "status_500", "other_symbol"])
def test_requests_for_actions_are_retried(
    emulator: AlphaVantageEmulator, tmp_path: Path, function: str, fault: Fault
) -> None:
    emulator.inject_fault(fault, function=function)

    assert connect(emulator, tmp_path).fetch_actions("AAPL").is_empty()
    assert len(emulator.calls) == 3


@pytest.mark.parametrize(
    ("function", "field"), [("SPLITS", "split_factor"), ("DIVIDENDS", "amount")]
)
def test_an_unparsable_action_names_session_and_field(
    emulator: AlphaVantageEmulator, tmp_path: Path, function: str, field: str
) -> None:
    emulator.act("AAPL", TWENTY.start, split_factor=2.0, dividend=0.5)
    emulator.inject_fault("no_number", function=function)

    with pytest.raises(BarsError, match=f"session {TWENTY.start}, field '{field}'"):
        connect(emulator, tmp_path).fetch_actions("AAPL")


def test_an_unparsable_quote_names_the_field(
    emulator: AlphaVantageEmulator, tmp_path: Path
) -> None:
    emulator.inject_fault("no_number")

    with pytest.raises(BarsError, match=r"quote of AAPL.*'05\. price'"):
        connect(emulator, tmp_path).fetch_quote("AAPL")


def test_threads_share_one_provider_within_the_limits(
    emulator: AlphaVantageEmulator, tmp_path: Path
) -> None:
    provider = connect(emulator, tmp_path)

    with ThreadPoolExecutor(2) as threads:
        bars = list(threads.map(lambda name: provider.fetch(name, TWENTY), ["AAPL", "MSFT"] * 6))

    names = [frame.get_column("ticker").unique().item() for frame in bars]
    assert names == ["AAPL", "MSFT"] * 6
    assert {call.outcome for call in emulator.calls} == {"served"}
