"""Classes of the `alpha_vantage` package that send their requests through our client.

The package defines the parameters of each Alpha Vantage function and the fields of its response.
Importing it imports pandas, which takes a second, so this module is imported at the first request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from alpha_vantage.fundamentaldata import FundamentalData
from alpha_vantage.timeseries import TimeSeries

from market.providers.alpha_vantage.keyed_session import KEY_SLOT

SendRequest = Callable[[Mapping[str, str]], dict[str, Any]]


class _DelegatingApi:
    """Pass the query parameters to `send` instead of sending a request without a timeout."""

    def __init__(self, send: SendRequest) -> None:
        super().__init__(key=KEY_SLOT)  # type: ignore[call-arg]
        self._send = send

    def _handle_api_call(self, url: str) -> dict[str, Any]:
        response = self._send(dict(parse_qsl(urlsplit(url).query)))
        # The package converts every list to a pandas frame. It returns a tuple unchanged.
        return {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in response.items()
        }


class _TimeSeries(_DelegatingApi, TimeSeries):  # type: ignore[misc]
    pass


class _FundamentalData(_DelegatingApi, FundamentalData):  # type: ignore[misc]
    pass


def fetch_time_series(
    send: SendRequest, symbol: str, *, full: bool, adjusted: bool
) -> Mapping[str, Any]:
    """Return the daily bars of the response by date."""
    api = _TimeSeries(send)
    method = api.get_daily_adjusted if adjusted else api.get_daily
    # `quote`, because the package inserts parameters into the address without escaping them.
    rows, _ = method(quote(symbol), outputsize="full" if full else "compact")
    return rows  # type: ignore[no-any-return]


def fetch_splits(send: SendRequest, symbol: str) -> tuple[Mapping[str, Any], ...]:
    """Return the rows of a SPLITS response."""
    rows, _ = _FundamentalData(send).get_splits(quote(symbol))
    return rows  # type: ignore[no-any-return]


def fetch_dividends(send: SendRequest, symbol: str) -> tuple[Mapping[str, Any], ...]:
    """Return the rows of a DIVIDENDS response."""
    rows, _ = _FundamentalData(send).get_dividends(quote(symbol))
    return rows  # type: ignore[no-any-return]


def fetch_quote_fields(send: SendRequest, symbol: str) -> Mapping[str, Any]:
    """Return the fields of a GLOBAL_QUOTE response."""
    fields, _ = _TimeSeries(send).get_quote_endpoint(quote(symbol))
    return fields  # type: ignore[no-any-return]


def fetch_matches(send: SendRequest, words: str) -> tuple[Mapping[str, Any], ...]:
    """Return the rows of a SYMBOL_SEARCH response, best match first."""
    rows, _ = _TimeSeries(send).get_symbol_search(quote(words))
    return rows  # type: ignore[no-any-return]
