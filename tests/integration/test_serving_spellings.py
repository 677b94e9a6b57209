"""Other spellings of requests: prefix, synonyms and capitals, and parts of a forecast."""

from __future__ import annotations

from typing import Any

import pytest
from support.serving.homes import caller_bars
from support.serving.servers import Server

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    "path",
    [
        "/predict/aapl?timeframe=1w",
        "/predict?symbol=AAPL&horizon=1w",
        "/predict?ticker=aapl&timeframe=1w",
        "/api/v1/predict/AAPL?horizon=1w",
        "/api/v1/predict?symbol=aapl&timeframe=1w",
        "/predict/AAPL?horizon=1w&include=members",
        "/predict/AAPL?horizon=1w&include_reasoning=false",
    ],
)
def test_every_spelling_gives_the_same_forecast(forecast_server: Server, path: str) -> None:
    expected = forecast_server.get("/predict/AAPL", horizon="1w")
    assert forecast_server.get(path).json() == expected.json()


@pytest.mark.parametrize("prefix", ["", "/api/v1"])
@pytest.mark.parametrize(
    "body",
    [
        {"symbol": "aapl", "timeframe": "1w"},
        {"ticker": "AAPL", "horizon": "1w", "include": ["members"]},
    ],
)
def test_a_body_may_use_the_synonyms(
    forecast_server: Server, prefix: str, body: dict[str, Any]
) -> None:
    expected = forecast_server.get("/predict/AAPL", horizon="1w").json()
    assert forecast_server.post(f"{prefix}/predict", json=body).json() == expected


@pytest.mark.parametrize(
    "path", ["/livez", "/readyz", "/metrics", "/health", "/models/status", "/docs.json", "/"]
)
def test_every_route_exists_below_the_prefix(forecast_server: Server, path: str) -> None:
    assert forecast_server.get(f"/api/v1{path}").status_code == 200


def test_an_explanation_is_added_on_request(forecast_server: Server) -> None:
    plain = forecast_server.get("/predict/AAPL").json()
    by_query = forecast_server.get("/predict/AAPL?include=members,explanation").json()
    by_synonym = forecast_server.get("/predict/AAPL?include_reasoning=true").json()
    by_body = forecast_server.post("/predict", json={"ticker": "AAPL", "include_reasoning": True})
    assert by_query == by_synonym == by_body.json()
    assert len(by_query.pop("explanation")["statements"]) == 3
    assert by_query == plain


def test_the_forecast_of_own_bars_can_be_explained(forecast_server: Server) -> None:
    body = {"ticker": "MINE", "bars": caller_bars(), "include": ["explanation"]}
    own = forecast_server.post("/predict", json=body).json()["explanation"]
    published = forecast_server.get("/predict/MSFT?include=explanation").json()["explanation"]
    assert own["width_ratio"] == pytest.approx(published["width_ratio"], rel=1e-3)
    assert own["volatility"]["regime"] == published["volatility"]["regime"]


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/predict/AAPL?include=reasons", "include"),
        ("/predict/AAPL?include_reasoning=maybe", "include_reasoning"),
        ("/predict/AAPL?horizon=1d&timeframe=1d", "horizon"),
        ("/predict", "ticker"),
        ("/predict?symbol=../x", "ticker"),
    ],
)
def test_a_contradiction_or_a_misspelt_value_is_rejected(
    forecast_server: Server, path: str, field: str
) -> None:
    response = forecast_server.get(path)
    assert (response.status_code, response.json()["code"]) == (422, "invalid-request")
    assert response.json()["errors"][0]["field"] == field


def test_a_body_with_a_field_and_its_synonym_is_rejected(forecast_server: Server) -> None:
    response = forecast_server.post("/predict", json={"ticker": "A", "symbol": "A"})
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "symbol"
