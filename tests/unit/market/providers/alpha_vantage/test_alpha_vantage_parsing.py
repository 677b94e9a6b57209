"""Parsing of responses with missing, repeated or damaged values."""

import copy
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.alpha_vantage import bodies
from support.alpha_vantage.access import connect, evening_clock
from support.alpha_vantage.emulator import AlphaVantageEmulator
from support.market.bars import sample_bars, xnys

from core.errors import BarsError, StockcastError
from market.bars.contract import validate_bars
from market.providers.alpha_vantage import functions
from market.providers.alpha_vantage.client import CallOptions
from market.providers.alpha_vantage.parsing import (
    parse_actions,
    parse_bars,
    parse_matches,
    parse_object,
    parse_quote,
)
from market.providers.alpha_vantage.provider import AlphaVantageProvider
from market.providers.protocol import ACTIONS_SCHEMA

FRIDAY = date(2012, 6, 1)
BARS = sample_bars("AAPL", start=date(2012, 5, 29), end=FRIDAY)
SERIES = "Time Series (Daily)"
NO_ACTIONS = ACTIONS_SCHEMA.to_frame()


def rows() -> dict[str, Any]:
    body: dict[str, Any] = bodies.daily("AAPL", BARS, full=False)[SERIES]
    return body


def parse(series: dict[str, Any]) -> Any:  # noqa: ANN401  # a frame
    return parse_bars(series, ticker="AAPL", source="alpha_vantage", adjusted=False)


@pytest.mark.parametrize("nothing", [None, "", "none", "null", "-", "."], ids=repr)
def test_a_missing_value_is_null_and_refused_by_validation(nothing: str | None) -> None:
    series = rows()
    series[str(FRIDAY)]["4. close"] = nothing

    validated = validate_bars(parse(series), xnys(), last_session=FRIDAY)

    assert validated.bars.height == BARS.height - 1
    assert validated.quarantine.get_column("reason").to_list() == ["close is missing"]


def test_a_missing_field_is_an_error_that_names_session_and_field() -> None:
    series = rows()
    del series[str(FRIDAY)]["2. high"]

    with pytest.raises(BarsError, match=r"AAPL, session 2012-06-01: .*'2\. high'"):
        parse(series)


def test_a_repeated_field_is_an_error() -> None:
    text = json.dumps({SERIES: rows()}).replace('"4. close": ', '"4. close": "1.0", "4. close": ')
    body = parse_object(text)
    assert body is not None

    with pytest.raises(BarsError, match="session 2012-06-01: expected one value"):
        parse(body[SERIES])


@pytest.mark.parametrize("day", ["2012-02-30", "today", "01/06/2012"])
def test_an_invalid_date_is_an_error(day: str) -> None:
    with pytest.raises(BarsError, match="expected a date such as 2024-01-31"):
        parse(rows() | {day: rows()[str(FRIDAY)]})


def test_rows_without_date_or_amount_are_dropped() -> None:
    dividends = [
        {"ex_dividend_date": "2012-08-09", "payment_date": "None", "amount": "2.65"},
        {"ex_dividend_date": "2012-11-07", "payment_date": "None", "amount": "None"},
        {"ex_dividend_date": "None", "payment_date": "None", "amount": "2.65"},
    ]

    actions = parse_actions([], dividends, ticker="AAPL", source="alpha_vantage")

    assert actions.rows() == [("AAPL", date(2012, 8, 9), 1.0, 2.65)]


@pytest.mark.parametrize("factor", ["0.0", "-2", "nan2"])
def test_an_impossible_split_factor_is_an_error(factor: str) -> None:
    splits = [{"effective_date": "2012-08-09", "split_factor": factor}]

    with pytest.raises(BarsError, match="session 2012-08-09, field 'split_factor'"):
        parse_actions(splits, [], ticker="AAPL", source="alpha_vantage")


def test_a_split_and_a_dividend_with_one_ex_date_are_one_row() -> None:
    splits = [{"effective_date": "2012-08-09", "split_factor": "0.1"}]
    dividends = [{"ex_dividend_date": "2012-08-09", "amount": "0.5"}]

    actions = parse_actions(splits, dividends, ticker="AAPL", source="alpha_vantage")

    assert actions.rows() == [("AAPL", date(2012, 8, 9), 0.1, 0.5)]


def test_a_quote_without_a_price_is_an_error() -> None:
    fields = bodies.global_quote("AAPL", BARS)["Global Quote"] | {"05. price": ""}

    with pytest.raises(BarsError, match="has no price"):
        parse_quote(
            fields, ticker="AAPL", source="x", requested_at=datetime(2012, 6, 1, tzinfo=UTC)
        )


def test_a_delayed_quote_may_have_a_longer_field_name(provider: AlphaVantageProvider) -> None:
    body = bodies.global_quote("AAPL", BARS)
    late = {"Global Quote - DATA DELAYED BY 15 MINUTES": body["Global Quote"]}
    parameters = {"function": "GLOBAL_QUOTE", "symbol": "AAPL"}

    response = provider._client._validate(late, CallOptions("quote", "AAPL"), parameters)

    assert response["Global Quote"] == body["Global Quote"]


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AlphaVantageProvider]:
    home: Path = tmp_path_factory.mktemp("home")
    with AlphaVantageEmulator(BARS, evening_clock()) as emulator:
        yield connect(emulator, home, tier="premium_75")


RESPONSES = [
    ("TIME_SERIES_DAILY", bodies.daily("AAPL", BARS, full=False)),
    ("TIME_SERIES_DAILY_ADJUSTED", bodies.daily_adjusted("AAPL", BARS, NO_ACTIONS, full=False)),
    ("SPLITS", {"symbol": "AAPL", "data": [{"effective_date": "2012-06-01", "split_factor": "2"}]}),
    ("DIVIDENDS", {"symbol": "AAPL", "data": [{"ex_dividend_date": "2012-06-01", "amount": "1"}]}),
    ("GLOBAL_QUOTE", bodies.global_quote("AAPL", BARS)),
    ("SYMBOL_SEARCH", bodies.best_matches(["AAPL"])),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=8), inner, max_size=2)
    ),
    max_leaves=4,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(response=st.sampled_from(RESPONSES), value=JSON, data=st.data())
def test_a_response_with_one_arbitrary_value_is_parsed_or_raises_our_error(
    provider: AlphaVantageProvider,
    response: tuple[str, dict[str, Any]],
    value: object,
    data: st.DataObject,
) -> None:
    function, body = response[0], copy.deepcopy(response[1])
    node: Any = body
    while True:
        keys = list(node) if isinstance(node, dict) else range(len(node))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(node[key], dict | list) or not node[key] or data.draw(st.booleans()):
            node[key] = value
            break
        node = node[key]
    damaged = parse_object(json.dumps(body))
    assert damaged is not None

    def send(parameters: Mapping[str, str]) -> dict[str, Any]:
        return provider._client._validate(damaged, CallOptions("ingest", "AAPL"), parameters)

    # Any other error fails the test.
    with suppress(StockcastError):
        _parse_as(function, send)


def _parse_as(function: str, send: functions.SendRequest) -> None:
    names = {"ticker": "AAPL", "source": "alpha_vantage"}
    match function:
        case "SPLITS":
            parse_actions(functions.fetch_splits(send, "AAPL"), [], **names)
        case "DIVIDENDS":
            parse_actions([], functions.fetch_dividends(send, "AAPL"), **names)
        case "GLOBAL_QUOTE":
            now = datetime(2012, 6, 1, tzinfo=UTC)
            parse_quote(functions.fetch_quote_fields(send, "AAPL"), requested_at=now, **names)
        case "SYMBOL_SEARCH":
            parse_matches(functions.fetch_matches(send, "AAPL"), source="alpha_vantage")
        case _:
            adjusted = function.endswith("ADJUSTED")
            series = functions.fetch_time_series(send, "AAPL", full=True, adjusted=adjusted)
            parse_bars(series, adjusted=adjusted, **names)
