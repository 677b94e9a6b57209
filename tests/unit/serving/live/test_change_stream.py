"""Messages of one client: present state, later changes, followed tickers, heartbeats."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import aclosing

import pytest
from support.serving.service_setup import ServiceSetup

from serving.live.change_stream import StreamMessage, follow


async def read(
    service: ServiceSetup, count: int, tickers: Sequence[str] = (), number: int = 0
) -> list[StreamMessage]:
    """Return the next messages of a new client."""
    async with aclosing(follow(service.live, tickers, number)) as stream:
        return [await asyncio.wait_for(anext(stream), 10) for _ in range(count)]


def read_now(
    service: ServiceSetup, count: int, tickers: Sequence[str] = (), number: int = 0
) -> list[StreamMessage]:
    return asyncio.run(read(service, count, tickers, number))


def test_a_new_client_receives_the_present_state(service: ServiceSetup) -> None:
    service.go_live()
    version, forecast, forecasts = read_now(service, 3, ["AAPL"])
    assert (version.event, json.loads(version.data)["version"]) == ("version", 1)
    body = json.loads(forecast.data)
    assert (forecast.event, body["ticker"]) == ("forecast", "AAPL")
    expected = service.live.require().response("AAPL", 5).content
    assert body["forecasts"]["1w"] == json.loads(expected)
    assert set(body["forecasts"]) == {"1d", "1w", "1m"}
    summary = json.loads(forecasts.data)
    assert (forecasts.event, summary["tickers"]) == ("forecasts", 4)
    assert summary["reason"] == "champion_swapped"


def test_a_forecast_has_no_id_because_a_client_resumes_after_all_of_them(
    service: ServiceSetup,
) -> None:
    service.go_live()
    version, forecast, forecasts = read_now(service, 3, ["AAPL"])
    assert version.id is not None
    assert forecast.id is None
    assert service.live.changes.resume_after(forecasts.id) == 2


def test_a_swap_brings_version_and_forecasts_of_the_followed_tickers(
    service: ServiceSetup,
) -> None:
    service.go_live()

    async def swap() -> list[StreamMessage]:
        reading = asyncio.create_task(read(service, 4, ["AAPL", "IBM"], 2))
        await asyncio.sleep(0)
        service.set_champion(service.register(2))
        await asyncio.to_thread(service.refresh)
        return await reading

    version, apple, ibm, forecasts = asyncio.run(swap())
    assert json.loads(version.data)["previous"] == 1
    for message in (apple, ibm):
        assert json.loads(message.data)["forecasts"]["1d"]["model"]["version"] == 2
    assert json.loads(forecasts.data)["version"] == 2


def test_a_slow_client_receives_the_newest_forecasts_once(service: ServiceSetup) -> None:
    service.go_live()
    for seed in (2, 3, 4):
        service.set_champion(service.register(seed))
        service.refresh()
    version, forecast, forecasts = read_now(service, 3, ["AAPL"], 2)
    assert json.loads(version.data)["version"] == 4
    assert json.loads(forecast.data)["forecasts"]["1d"]["model"]["version"] == 4
    assert service.live.changes.after(service.live.changes.resume_after(forecasts.id)) == []


def test_quotes_are_filtered_by_the_followed_tickers(service: ServiceSetup) -> None:
    for ticker in ("IBM", "AAPL", "MSFT"):
        service.live.changes.publish("quote", {"ticker": ticker, "price": 1.0}, ticker)
    (apple,) = read_now(service, 1, ["AAPL"])
    assert json.loads(apple.data) == {"ticker": "AAPL", "price": 1.0}
    assert len(read_now(service, 3)) == 3


def test_a_ticker_without_forecast_has_its_problem(service: ServiceSetup) -> None:
    service.go_live()
    _, left_out, unknown, _ = read_now(service, 4, ["FB", "NOPE"])
    assert json.loads(left_out.data)["problem"]["type"].endswith("ticker-without-forecast")
    assert json.loads(unknown.data)["problem"]["type"].endswith("unknown-ticker")


def test_a_quiet_stream_has_heartbeats(
    service: ServiceSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.live.change_stream.HEARTBEAT_SECONDS", 0.01)
    messages = read_now(service, 2)
    assert [(m.event, m.id, m.data) for m in messages] == [("heartbeat", None, b"{}")] * 2


def test_a_message_is_one_json_object() -> None:
    message = StreamMessage("quote", b'{"price":1.5}', "a-1")
    assert json.loads(message.as_json()) == {"event": "quote", "id": "a-1", "data": {"price": 1.5}}
    assert json.loads(StreamMessage("heartbeat", b"{}").as_json())["id"] is None


def test_a_stream_that_ends_is_no_longer_counted(service: ServiceSetup) -> None:
    service.go_live()
    read_now(service, 1)
    assert service.live.changes.readers == 0
