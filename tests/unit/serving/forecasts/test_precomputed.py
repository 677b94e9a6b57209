"""Precomputed responses: their bodies, headers and request keys."""

from __future__ import annotations

import json

from support.serving.homes import TICKERS

from serving.forecasts.forecast_table import ForecastTable
from serving.forecasts.precomputed import build_response, precompute_responses, request_keys
from serving.http.schemas.forecast import Forecast


def test_a_response_has_every_documented_field(table: ForecastTable) -> None:
    body = json.loads(build_response(table, "AAPL", 1).content)
    assert body["ticker"] == "AAPL"
    assert body["as_of"] == "2013-03-01"
    assert body["target_session"] == "2013-03-04"
    assert body["current_price"] == 430.47  # the close as traded in that session
    assert set(body["prediction"]) == {
        *("price_target", "expected_return", "direction", "signal", "confidence"),
        *("probability_up", "intervals", "signal_note"),
    }
    assert set(body["members"]) == {"forest", "lstm"}
    assert body["weights"] == {"forest": 0.4, "lstm": 0.6, "naive": 0.0}
    assert body["model"] == {"name": "stockcast", "version": 1, "trained_through": "2012-12-31"}
    assert body["timestamp"] == "2013-03-04T12:00:00Z"
    assert body["data_age_sessions"] == 0
    Forecast.model_validate(body)


def test_every_request_key_has_a_response(table: ForecastTable) -> None:
    responses = precompute_responses(table)
    assert len(responses) == len(TICKERS) * 4
    assert responses["/predict/AAPL", b""] is responses["/predict/AAPL", b"horizon=1d"]
    response = responses["/predict/IBM", b"horizon=1m"]
    headers = dict(response.headers)
    assert headers[b"content-length"] == str(len(response.content)).encode()
    assert json.loads(response.content)["horizon"] == "1m"


def test_only_the_default_horizon_may_be_omitted() -> None:
    assert request_keys("AAPL", 1) == [("/predict/AAPL", b"horizon=1d"), ("/predict/AAPL", b"")]
    assert request_keys("AAPL", 21) == [("/predict/AAPL", b"horizon=1m")]
