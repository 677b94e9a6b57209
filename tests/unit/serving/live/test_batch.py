"""Batches of forecasts: the same bodies as single forecasts, and one problem per bad ticker."""

from __future__ import annotations

import json

import pytest
from support.serving.homes import TICKERS
from support.serving.service_setup import ServiceSetup

from serving.http.schemas.batch import BatchForecasts
from serving.live.batch import join_forecasts


@pytest.mark.parametrize("horizon", [1, 5, 21])
def test_a_batch_has_the_single_forecasts_in_the_order_of_the_request(
    service: ServiceSetup, horizon: int
) -> None:
    service.go_live()
    live = service.live.require()
    asked = [*reversed(TICKERS), "aapl"]
    batch = join_forecasts(live, asked, horizon)
    body = json.loads(batch.content)
    singles = [json.loads(live.response(t.upper(), horizon).content) for t in asked]
    assert body["forecasts"] == singles
    assert (body["count"], body["failed"], batch.count) == (5, 0, 5)
    BatchForecasts.model_validate(body)


def test_a_bad_ticker_fails_alone(service: ServiceSetup) -> None:
    service.go_live()
    asked = ["AAPL", "../x", "NOPE", "FB", "", "MSFT"]
    body = json.loads(join_forecasts(service.live.require(), asked, 1).content)
    assert [forecast["ticker"] for forecast in body["forecasts"]] == ["AAPL", "MSFT"]
    codes = {
        problem["ticker"]: (problem["status"], problem["code"]) for problem in body["problems"]
    }
    assert codes == {
        "../x": (422, "invalid-request"),
        "NOPE": (404, "unknown-ticker"),
        "FB": (409, "ticker-without-forecast"),
        "": (422, "invalid-request"),
    }
    assert (body["count"], body["failed"]) == (2, 4)
    BatchForecasts.model_validate(body)
