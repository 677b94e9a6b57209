"""The Alpha Vantage emulator: responses, clock, limits and injected faults."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import httpx
import pytest
from support.alpha_vantage.access import FRIDAY, evening_clock
from support.alpha_vantage.emulator import FREE_KEY, PREMIUM_KEY, AlphaVantageEmulator
from support.clocks.moving_clock import MovingClock
from support.market.bars import sample_bars

SERIES = "Time Series (Daily)"


@pytest.fixture
def clock() -> MovingClock:
    return evening_clock()


@pytest.fixture
def emulator(clock: MovingClock) -> Iterator[AlphaVantageEmulator]:
    with AlphaVantageEmulator(sample_bars("AAPL", "MSFT"), clock) as service:
        yield service


def get(emulator: AlphaVantageEmulator, key: str = PREMIUM_KEY, **parameters: str) -> Any:  # noqa: ANN401  # JSON
    query = {"function": "TIME_SERIES_DAILY", "symbol": "AAPL", "apikey": key} | parameters
    response = httpx.get(
        f"{emulator.url}/query", params=query, trust_env=False, verify=False, timeout=30
    )
    assert response.status_code == 200
    return response.json()


def test_it_responds_in_alpha_vantages_format(emulator: AlphaVantageEmulator) -> None:
    body = get(emulator)

    assert body["Meta Data"]["2. Symbol"] == "AAPL"
    assert body["Meta Data"]["3. Last Refreshed"] == str(FRIDAY)
    assert len(body[SERIES]) == 100
    assert next(iter(body[SERIES].items())) == (
        "2012-06-01",
        {
            "1. open": "569.1600",
            "2. high": "572.6500",
            "3. low": "560.5200",
            "4. close": "560.9900",
            "5. volume": "18606700",
        },
    )


def test_it_serves_closed_sessions_only(emulator: AlphaVantageEmulator, clock: MovingClock) -> None:
    clock.move_to(datetime(2012, 6, 4, 19, 59, tzinfo=UTC))
    assert str(date(2012, 6, 4)) not in get(emulator)[SERIES]

    clock.move_to(datetime(2012, 6, 4, 20, 0, tzinfo=UTC))
    assert str(date(2012, 6, 4)) in get(emulator)[SERIES]


def test_it_enforces_the_limits_of_a_free_key(
    emulator: AlphaVantageEmulator, clock: MovingClock
) -> None:
    assert SERIES in get(emulator, FREE_KEY)
    assert "1 request per second" in get(emulator, FREE_KEY)["Information"]
    for _ in range(3):
        clock.advance(seconds=2)
        assert SERIES in get(emulator, FREE_KEY)
    clock.advance(seconds=2)
    assert "5 calls per minute" in get(emulator, FREE_KEY)["Note"]
    for _ in range(19):
        clock.advance(seconds=60)
        assert SERIES in get(emulator, FREE_KEY)
    clock.advance(seconds=60)
    assert f"your API key as {FREE_KEY}" in get(emulator, FREE_KEY)["Information"]

    assert emulator.calls_by_day() == {FRIDAY: 26}
    assert [call.outcome for call in emulator.calls[-2:]] == ["served", "day"]
    clock.move_to(datetime(2012, 6, 2, 4, 0, tzinfo=UTC))
    assert SERIES in get(emulator, FREE_KEY)


def test_it_enforces_the_limits_of_a_premium_key(
    emulator: AlphaVantageEmulator, clock: MovingClock
) -> None:
    for _ in range(5):
        assert SERIES in get(emulator)
    assert "Burst pattern" in get(emulator)["Information"]
    for _ in range(14):
        clock.advance(seconds=1.5)
        for _ in range(5):
            last = get(emulator)
    assert "Minute-level rate limit" in last["Information"]


def test_it_refuses_premium_functions_with_a_free_key(
    emulator: AlphaVantageEmulator, clock: MovingClock
) -> None:
    assert "premium feature" in get(emulator, FREE_KEY, outputsize="full")["Information"]
    clock.advance(seconds=2)
    adjusted = get(emulator, FREE_KEY, function="TIME_SERIES_DAILY_ADJUSTED")
    assert "premium endpoint" in adjusted["Information"]
    assert "apikey is invalid" in get(emulator, "nobody's")["Error Message"]


def test_a_correction_and_a_new_split_are_served_at_once(
    emulator: AlphaVantageEmulator,
) -> None:
    emulator.correct("AAPL", FRIDAY, close=561.25, volume=1)
    emulator.act("AAPL", FRIDAY, split_factor=7.0, dividend=0.5)

    row = get(emulator, function="TIME_SERIES_DAILY_ADJUSTED")[SERIES][str(FRIDAY)]

    assert (row["4. close"], row["6. volume"]) == ("561.2500", "1")
    assert (row["7. dividend amount"], row["8. split coefficient"]) == ("0.5000", "7")
    assert get(emulator, function="SPLITS")["data"] == [
        {"effective_date": str(FRIDAY), "split_factor": "7.0000"}
    ]


def test_a_fault_applies_to_its_requests_as_often_as_injected(
    emulator: AlphaVantageEmulator,
) -> None:
    emulator.inject_fault("empty", symbol="MSFT", times=1)
    emulator.inject_fault("not_an_object", function="SPLITS", times=None)

    assert SERIES in get(emulator)
    assert get(emulator, symbol="MSFT") == {}
    assert SERIES in get(emulator, symbol="MSFT")
    assert get(emulator, function="SPLITS") == [1, 2, 3]
    emulator.behave()
    assert get(emulator, function="SPLITS") == {"symbol": "AAPL", "data": []}


def test_a_closed_emulator_reopens_at_the_same_address(emulator: AlphaVantageEmulator) -> None:
    with emulator.closed(), pytest.raises(httpx.ConnectError):
        get(emulator)

    assert SERIES in get(emulator)
    assert len(emulator.calls) == 1
