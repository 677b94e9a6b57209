"""The clients against a real service: every method, errors, tags."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.serving.servers import Server

from stockcast.client import ApiError, AsyncClient, Client
from stockcast.client.models import (
    BatchForecasts,
    BatchRequest,
    Forecast,
    Job,
    PredictRequest,
)
from stockcast.client.operations import Operations

pytestmark = pytest.mark.integration

BATCH = BatchRequest(tickers=["AAPL", "NOPE"], horizon="1w")
METHODS: dict[str, Callable[[Any], Any]] = {
    "get_prediction": lambda c: c.get_prediction("aapl", horizon="1w", include="explanation"),
    "post_prediction": lambda c: c.post_prediction(PredictRequest(ticker="AAPL", horizon="1m")),
    "post_batch": lambda c: c.post_batch(BATCH),
    "get_universe": lambda c: c.get_universe(search="m", limit=5),
    "get_analysis": lambda c: c.get_analysis("AAPL", include="prices"),
    "get_history": lambda c: c.get_history("AAPL", days=3),
    "get_status": lambda c: c.get_status(),
    "compare_models": lambda c: c.compare_models("AAPL"),
    "get_health": lambda c: c.get_health(),
    "get_service_status": lambda c: c.get_service_status(),
    "get_warmup": lambda c: c.get_warmup(),
    "get_ticker_status": lambda c: c.get_ticker_status("AAPL"),
    "get_performance_metrics": lambda c: c.get_performance_metrics(),
    "get_performance_summary": lambda c: c.get_performance_summary(),
}
# These need a job, a provider of prices or an administrator.
ELSEWHERE = {
    *("get_job", "get_quote"),
    *("load_version", "unload_version", "retrain_models", "retrain_for_ticker"),
}


@pytest.fixture
def client(forecast_server: Server) -> Iterator[Client]:
    with Client(forecast_server.url) as client:
        yield client


@pytest.mark.parametrize("name", METHODS)
def test_both_clients_return_the_same_typed_response(
    forecast_server: Server, client: Client, name: str
) -> None:
    async def ask() -> object:
        async with AsyncClient(f"{forecast_server.url}/api/v1") as other:
            return await METHODS[name](other)

    found, expected = METHODS[name](client), asyncio.run(ask())
    assert type(found) is type(expected)
    if isinstance(found, Forecast):
        assert found == expected


def test_every_method_is_tried() -> None:
    public = {name for name in vars(Operations) if not name.startswith("_")}
    assert public - ELSEWHERE == METHODS.keys()


def test_a_batch_in_the_background_is_read_by_its_job(client: Client) -> None:
    job = client.post_batch(BATCH, background=True)
    assert isinstance(job, Job)
    while job.status == "running":
        job = client.get_job(job.id)
    assert job.result is not None
    assert [f.ticker for f in job.result.forecasts] == ["AAPL"]
    direct = client.post_batch(BATCH)
    assert isinstance(direct, BatchForecasts)
    assert [problem.code for problem in direct.problems] == ["unknown-ticker"]


def test_errors_carry_the_code_of_the_problem(client: Client) -> None:
    with pytest.raises(ApiError) as unknown:
        client.get_prediction("MSTF")
    assert (unknown.value.code, unknown.value.similar) == ("unknown-ticker", ["MSFT"])
    with pytest.raises(ApiError) as invalid:
        client.get_history("AAPL", days=0)
    assert (invalid.value.status, invalid.value.errors[0]["field"]) == (422, "days")
    with pytest.raises(ApiError) as unsupported:
        client.get_quote("AAPL")
    assert unsupported.value.code == "quotes-not-supported"


def test_an_unchanged_forecast_is_not_sent_again(client: Client) -> None:
    first = client.get_prediction("IBM")
    statuses: list[int] = []
    client._http.event_hooks["response"] = [lambda r: statuses.append(r.status_code)]
    assert client.get_prediction("IBM") == first
    assert statuses == [304]
