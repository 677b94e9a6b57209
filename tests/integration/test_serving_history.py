"""Past forecasts from a real service."""

from __future__ import annotations

import pytest
from support.serving.homes import TICKERS
from support.serving.past_forecasts import past_forecasts
from support.serving.servers import Server

pytestmark = pytest.mark.integration


def test_the_newest_days_and_the_accuracy_of_all_are_returned(forecast_server: Server) -> None:
    body = forecast_server.get("/api/v1/history/msft?days=7&timeframe=1w").json()
    rows = past_forecasts(*TICKERS).filter(ticker="MSFT", horizon=5)
    assert (body["ticker"], body["horizon"], body["source"]) == ("MSFT", "1w", "walk_forward")
    assert body["accuracy"]["forecasts"] == rows.height == 130
    assert body["model"]["version"] == 1
    assert [f["as_of"] for f in body["forecasts"]] == [str(s) for s in rows["as_of"].tail(7)]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/history/NOPE", 404, "unknown-ticker"),
        ("/history/FB", 409, "no-history"),
        ("/history/MSFT?days=0", 422, "invalid-request"),
        ("/history/MSFT?days=1000", 422, "invalid-request"),
        ("/history/MSFT?days=ten", 422, "invalid-request"),
    ],
)
def test_a_request_without_an_answer_is_a_problem(
    forecast_server: Server, path: str, status: int, code: str
) -> None:
    response = forecast_server.get(path)
    assert (response.status_code, response.json()["code"]) == (status, code)
