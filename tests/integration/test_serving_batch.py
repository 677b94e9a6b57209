"""Batches of forecasts from a real service, at once and in the background."""

from __future__ import annotations

import pytest
from support.serving.homes import TICKERS
from support.serving.servers import Server, wait_until

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("path", ["/predict/batch", "/batch-predict", "/api/v1/predict/batch"])
def test_a_batch_returns_forecasts_and_problems(forecast_server: Server, path: str) -> None:
    body = {"symbols": ["msft", "NOPE"], "timeframe": "1m"}
    response = forecast_server.post(path, json=body)
    assert response.status_code == 200, response.text
    single = forecast_server.get("/predict/MSFT", horizon="1m").json()
    assert response.json()["forecasts"] == [single]
    (problem,) = response.json()["problems"]
    assert (problem["ticker"], problem["code"]) == ("NOPE", "unknown-ticker")


def test_the_size_of_a_batch_is_limited(forecast_server: Server) -> None:
    for tickers in ([], ["AAPL"] * 1001):
        response = forecast_server.post("/predict/batch", json={"tickers": tickers})
        assert response.status_code == 422
        assert response.json()["errors"][0]["field"] == "tickers"
    full = forecast_server.post("/predict/batch", json={"tickers": ["AAPL"] * 1000})
    assert full.json()["count"] == 1000


def test_a_job_in_the_background_has_the_same_result(forecast_server: Server) -> None:
    body = {"tickers": [*TICKERS, "NOPE"]}
    started = forecast_server.post("/predict/batch?background=true", json=body)
    assert started.status_code == 202
    location = started.headers["location"]
    assert location == f"/jobs/{started.json()['id']}"
    wait_until(
        lambda: forecast_server.get(location).json()["status"] == "done", 10, forecast_server
    )
    result = forecast_server.get(f"/api/v1{location}").json()["result"]
    assert result == forecast_server.post("/predict/batch", json=body).json()


def test_an_unknown_job_is_a_404(forecast_server: Server) -> None:
    response = forecast_server.get("/jobs/nothing")
    assert (response.status_code, response.json()["code"]) == (404, "job-not-found")
