"""All routes of a real service, run by `python -m serving` and by `bentoml serve`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from support.serving.homes import TICKERS, caller_bars, shared_home
from support.serving.servers import START_SECONDS, Server, bentoml_command, run_server, wait_until

pytestmark = pytest.mark.integration
ONE_BAR = caller_bars(last=1)[0]


@pytest.fixture(scope="module")
def bentoml_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = shared_home(tmp_path_factory.getbasetemp())
    with run_server(bentoml_command, home.path, tmp_path_factory.mktemp("bentoml")) as server:
        yield server


@pytest.fixture(params=["module", "bentoml"])
def server(
    forecast_server: Server, bentoml_server: Server, request: pytest.FixtureRequest
) -> Server:
    return forecast_server if request.param == "module" else bentoml_server


@pytest.mark.parametrize("horizon", ["1d", "1w", "1m"])
@pytest.mark.parametrize("ticker", TICKERS)
def test_get_and_post_give_the_same_forecast(server: Server, ticker: str, horizon: str) -> None:
    got = server.get(f"/predict/{ticker}", horizon=horizon)
    posted = server.post("/predict", json={"ticker": ticker, "horizon": horizon})
    assert got.status_code == posted.status_code == 200
    assert got.headers["content-type"] == posted.headers["content-type"] == "application/json"
    assert got.json() == posted.json()
    assert (got.json()["ticker"], got.json()["horizon"]) == (ticker, horizon)
    # The sample ends in 2013, and the forecast states its age.
    assert got.json()["as_of"] == "2013-03-01"
    assert got.json()["data_age_sessions"] > 3_000


def test_tickers_may_be_lower_case_and_the_horizon_may_be_omitted(server: Server) -> None:
    assert server.get("/predict/aapl").json() == server.get("/predict/AAPL", horizon="1d").json()


def test_the_bars_of_a_caller_give_a_forecast(server: Server) -> None:
    body = {"ticker": "MINE", "horizon": "1w", "bars": caller_bars()}
    response = server.post("/predict", json=body)
    assert response.status_code == 200, response.text
    published = server.get("/predict/MSFT", horizon="1w").json()
    price_target = response.json()["prediction"]["price_target"]
    assert price_target == pytest.approx(published["prediction"]["price_target"], rel=1e-4)


def problem(response: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    """Check that a response is this problem, and return its body."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["type"] == f"urn:stockcast:problem:{kind}"
    assert body["status"] == status
    return body


def test_an_unknown_ticker_is_a_404_with_similar_names(server: Server) -> None:
    assert problem(server.get("/predict/MSTF"), 404, "unknown-ticker")["similar"] == ["MSFT"]
    body = problem(server.post("/predict", json={"ticker": "MSTF"}), 404, "unknown-ticker")
    assert body["similar"] == ["MSFT"]
    problem(server.get("/models/compare/MSTF"), 404, "unknown-ticker")


def test_a_ticker_too_young_is_a_409_with_the_reason(server: Server) -> None:
    assert (
        "196 bars" in problem(server.get("/predict/FB"), 409, "ticker-without-forecast")["reason"]
    )


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/predict/AAPL?horizon=2d", "horizon"),
        ("/predict/AAPL?horizn=1d", "horizn"),
        ("/predict/AAPL?horizon=1d&horizon=1w", "horizon"),
        ("/predict/..%5Csecret", "ticker"),
        ("/predict/%27%20OR%201=1", "ticker"),
        ("/models/compare/AAPL?horizon=1d", "horizon"),
        ("/models/status?version=1", "version"),
        ("/health?verbose=1", "verbose"),
    ],
)
def test_a_malformed_query_names_the_field(server: Server, path: str, field: str) -> None:
    body = problem(server.get(path), 422, "invalid-request")
    assert body["errors"][0]["field"] == field
    assert f"`{field}`" in body["detail"]


@pytest.mark.parametrize(
    ("request_body", "field"),
    [
        ({}, "ticker"),
        ({"ticker": 5}, "ticker"),
        ({"ticker": "../x"}, "ticker"),
        ({"ticker": "AAPL", "horizon": "1y"}, "horizon"),
        ({"ticker": "AAPL", "horizons": "1d"}, "horizons"),
        ({"ticker": "AAPL", "bars": []}, "bars"),
        ({"ticker": "AAPL", "bars": [{"session": "2013-03-01"}]}, "bars.0.open"),
        ({"ticker": "AAPL", "bars": [{**ONE_BAR, "close": "NaN"}]}, "bars.0.close"),
        (
            {"ticker": "AAPL", "bars": [{**ONE_BAR, "volume": 2**63}]},
            "bars.0.volume",
        ),
        (
            {"ticker": "AAPL", "bars": [{**ONE_BAR, "volume": -(2**70)}]},
            "bars.0.volume",
        ),
    ],
)
def test_a_malformed_body_names_the_field(
    server: Server, request_body: dict[str, Any], field: str
) -> None:
    body = problem(server.post("/predict", json=request_body), 422, "invalid-request")
    assert field in {error["field"] for error in body["errors"]}


def test_a_query_parameter_of_post_is_rejected_with_the_way_to_send_it(server: Server) -> None:
    """Regression: `horizon` in the query was ignored, and the forecast was for one session."""
    response = server.post("/predict?horizon=1w", json={"ticker": "AAPL"})
    body = problem(response, 422, "invalid-request")
    assert body["errors"][0]["field"] == "horizon"
    assert "send it as a field of the JSON body" in body["detail"]


def test_malformed_bodies_are_rejected_without_a_traceback(server: Server) -> None:
    headers = {"content-type": "application/json"}
    problem(server.post("/predict", content=b'{"ticker', headers=headers), 400, "malformed-json")
    problem(server.post("/predict", content=b"[1]", headers=headers), 422, "invalid-request")
    problem(server.post("/predict", content=b"x" * 2**21, headers=headers), 413, "body-too-large")
    for number in (b"9" * 5000, b"1e999", b"-1e999", b"NaN"):
        bar = b'{"session":"2013-03-01","open":1,"high":1,"low":1,"close":1,"volume":%b}' % number
        content = b'{"ticker":"AAPL","bars":[%b]}' % bar
        assert server.post("/predict", content=content, headers=headers).status_code in {400, 422}
    pickled = {"content-type": "application/vnd.bentoml+pickle"}
    assert server.post("/predict", content=b"cos\n", headers=pickled).status_code == 415
    assert "Traceback" not in server.log.read_text()


def test_invalid_bars_are_listed_and_too_few_bars_are_counted(server: Server) -> None:
    invalid = caller_bars()
    invalid[7]["high"] = 0.5
    body = problem(
        server.post("/predict", json={"ticker": "X", "bars": invalid}), 422, "invalid-bars"
    )
    assert body["errors"][0]["session"] == invalid[7]["session"]
    few = server.post("/predict", json={"ticker": "X", "bars": caller_bars(last=30)})
    assert problem(few, 422, "not-enough-bars")["needed"] > 100


def test_unknown_routes_and_methods_are_problems(server: Server) -> None:
    problem(server.get("/nope"), 404, "route-not-found")
    problem(server.post("/health"), 405, "method-not-allowed")


def test_compare_returns_champion_and_challenger_with_their_scores(server: Server) -> None:
    body = server.get("/models/compare/GOOG").json()
    assert body["champion"]["model"]["version"] == 1
    assert body["challenger"]["model"]["version"] == 2
    assert set(body["champion"]["horizons"]) == {"1d", "1w", "1m"}
    assert body["champion"]["metrics"]["ensemble"]["1"]["crps"] == 0.01
    served = server.get("/predict/GOOG", horizon="1w").json()["prediction"]
    assert body["champion"]["horizons"]["1w"]["prediction"] == served
    assert body["challenger"]["horizons"]["1w"]["prediction"] != served


def test_a_quote_from_the_sample_is_a_problem_that_names_the_setting(
    server: Server,
) -> None:
    body = problem(server.get("/quote/AAPL"), 409, "quotes-not-supported")
    assert "STOCKCAST_PROVIDER" in body["detail"]
    assert (body["last_close"], body["last_close_session"]) == (430.47, "2013-03-01")


def test_status_and_health_describe_the_live_version(server: Server) -> None:
    def alias_is_read() -> bool:
        return server.get("/models/status").json()["champion_alias"] is not None

    # A restarted service is ready before the registry has responded.
    wait_until(alias_is_read, START_SECONDS, server)
    status = server.get("/models/status").json()
    assert status["champion_alias"] == status["live"]["version"] == 1
    assert status["snapshot"]["tickers"] == len(TICKERS)
    assert status["snapshot"]["without_forecast"] == {"FB": "196 bars, and 151 are needed"}
    health = server.get("/health").json()
    assert (health["status"], health["registry"]) == ("healthy", "up")
    assert (health["providers"], health["quota"]) == ([], [])


def test_the_probes_of_bentoml_respond(server: Server) -> None:
    assert [server.get(path).status_code for path in ("/livez", "/readyz", "/")] == [200, 200, 200]


def test_metrics_count_forecasts_without_a_ticker_label(server: Server) -> None:
    for number in range(20):
        server.get(f"/predict/NOPE{number}")
        server.get(f"/nothing/{number}")
    server.get("/predict/AAPL", horizon="1m")

    def metrics() -> str:
        return server.get("/metrics").text

    counted = 'stockcast_forecasts_total{horizon="1m",route="fast_path"}'
    wait_until(lambda: counted in metrics(), 10, server)
    text = metrics()
    assert "stockcast_champion_version 1.0" in text
    assert "stockcast_registry_up 1.0" in text
    for word in ("AAPL", "NOPE", "nothing"):
        assert word not in text


def test_the_api_page_loads_nothing_from_another_host(server: Server) -> None:
    """Regression: the page of BentoML loaded a tag manager."""
    response = server.get("/docs")
    assert "<title>Stockcast API</title>" in response.text
    assert not re.findall(r"(?:https?:)?//[a-z]", response.text)
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'self';")
    assert "http" not in policy
    for path in re.findall(r'(?:src|href)="\./([^"]+)"', response.text):
        assert server.get(f"/{path}").status_code == 200
