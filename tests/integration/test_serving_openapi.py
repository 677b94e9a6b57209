"""The OpenAPI document of a real service against its responses."""

from __future__ import annotations

import json
from importlib.metadata import version

import jsonschema
import pytest
from support.serving.homes import caller_bars
from support.serving.servers import Server

pytestmark = pytest.mark.integration


@pytest.fixture
def server(forecast_server: Server) -> Server:
    return forecast_server


def test_the_openapi_document_describes_stockcast_and_its_constraints(
    server: Server,
) -> None:
    """Regression: version None, the contact of BentoML, and a ticker without constraints."""
    document = server.get("/docs.json").json()
    info = document["info"]
    assert (info["title"], info["version"]) == ("Stockcast", version("stockcast"))
    assert "bento" not in json.dumps(info).lower()
    body = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    request = body["schema"] | {"components": document["components"]}
    valid = {"ticker": "brk.b", "horizon": "1w", "bars": caller_bars(last=2)}
    jsonschema.validate(valid, request)
    jsonschema.validate({"ticker": "AAPL", "bars": None}, request)
    for invalid in (
        {"ticker": "../x"},
        {"ticker": "A" * 30},
        {"ticker": "AAPL", "bars": []},
        {"ticker": "AAPL", "bars": [{**caller_bars(last=1)[0], "volume": 2**63}]},
        {"ticker": "AAPL", "bars": [{**caller_bars(last=1)[0], "close": 0}]},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(invalid, request)
        assert server.post("/predict", json=invalid).status_code == 422


def test_every_status_code_is_documented(server: Server) -> None:
    """Regression: status 422 was not documented."""
    document = server.get("/docs.json").json()
    paths = document["paths"]
    post, invalid = "/predict", {"ticker": "AAPL", "bars": caller_bars(last=2)}
    requests = [
        ("GET", "/predict/{ticker}", "/predict/AAPL", {}),
        ("GET", "/predict/{ticker}", "/predict/NOPE", {}),
        ("GET", "/predict/{ticker}", "/predict/FB", {}),
        ("GET", "/predict/{ticker}", "/predict/AAPL?horizon=2d", {}),
        ("GET", "/models/compare/{ticker}", "/models/compare/NOPE", {}),
        ("GET", "/models/compare/{ticker}", "/models/compare/FB", {}),
        ("GET", "/quote/{ticker}", "/quote/AAPL", {}),
        ("GET", "/quote/{ticker}", "/quote/NOPE", {}),
        ("GET", "/models/status", "/models/status?x=1", {}),
        ("GET", "/universe", "/universe?search=a&limit=2", {}),
        ("GET", "/universe", "/universe?limit=0", {}),
        ("GET", "/analysis/{ticker}", "/analysis/AAPL?include=prices", {}),
        ("GET", "/analysis/{ticker}", "/analysis/NOPE", {}),
        ("GET", "/analysis/{ticker}", "/analysis/FB", {}),
        ("GET", "/history/{ticker}", "/history/AAPL", {}),
        ("GET", "/history/{ticker}", "/history/FB", {}),
        ("GET", "/health", "/health?x=1", {}),
        ("GET", "/predict", "/predict?symbol=AAPL", {}),
        ("GET", "/predict/{ticker}", "/predict/AAPL?version=2", {}),
        ("GET", "/model/status/{ticker}", "/model/status/AAPL", {}),
        ("GET", "/model/status/{ticker}", "/model/status/FB", {}),
        ("GET", "/jobs/{job}", "/jobs/none", {}),
        ("GET", "/status", "/status", {}),
        ("GET", "/warmup/status", "/warmup/status", {}),
        ("GET", "/performance/metrics", "/performance/metrics", {}),
        ("GET", "/performance/summary", "/performance/summary", {}),
        ("POST", "/models/retrain", "/models/retrain", {}),
        ("POST", "/models/{version}/load", "/models/2/load", {}),
        ("POST", "/predict/batch", "/predict/batch", {"json": {"tickers": ["AAPL", "X"]}}),
        ("POST", "/predict/batch", "/predict/batch", {"json": {}}),
        ("POST", post, post, {"json": {"ticker": "FB"}}),
        ("POST", post, post, {"json": {"ticker": "NOPE"}}),
        ("POST", post, post, {"json": invalid}),
        ("POST", post, post, {"content": b"{", "headers": {"content-type": "application/json"}}),
        ("POST", post, post, {"content": b"x" * 2**21}),
        ("POST", post, post, {"content": b"x", "headers": {"content-type": "text/plain"}}),
        ("POST", post, post, {}),
    ]
    for method, pattern, path, options in requests:
        response = server.client.request(method, path, **options)
        documented = paths[pattern][method.lower()]["responses"]
        assert str(response.status_code) in documented, (method, path, response.text)
        content_type = response.headers["content-type"]
        schema = documented[str(response.status_code)]["content"][content_type]["schema"]
        jsonschema.validate(response.json(), schema | {"components": document["components"]})
        if response.status_code >= 400:
            assert response.json()["type"].startswith("urn:stockcast:problem:")


def test_the_openapi_document_lists_the_typed_and_the_rest_routes(server: Server) -> None:
    document = server.get("/docs.json").json()
    assert set(document["paths"]) >= {
        *("/predict", "/predict/{ticker}", "/models/status", "/models/compare/{ticker}"),
        *("/quote/{ticker}", "/health", "/livez", "/readyz", "/metrics"),
    }
    schemas = document["components"]["schemas"]
    schema = {"$ref": "#/components/schemas/Forecast", "components": {"schemas": schemas}}
    jsonschema.validate(server.get("/predict/AAPL").json(), schema)
    typed = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    assert typed["schema"] == {"$ref": "#/components/schemas/PredictRequest"}
    fields = {"ticker", "horizon", "bars", "include", "include_reasoning", "symbol", "timeframe"}
    assert set(schemas["PredictRequest"]["properties"]) == fields


def test_a_response_that_was_not_modified_is_documented(server: Server) -> None:
    etag = server.get("/predict/AAPL").headers["etag"]
    response = server.client.get("/predict/AAPL", headers={"If-None-Match": etag})
    documented = server.get("/docs.json").json()["paths"]["/predict/{ticker}"]["get"]["responses"]
    assert (response.status_code, response.content) == (304, b"")
    assert "content" not in documented["304"]
