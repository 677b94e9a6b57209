"""The `alpha_vantage` package's classes, asking through a function of ours.

The package knows names and parameters of Alpha Vantage's functions, and the keys of their answers.
Importing it brings pandas: a second, so it is imported at the first request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from alpha_vantage.fundamentaldata import FundamentalData
from alpha_vantage.timeseries import TimeSeries

from market.providers.alpha_vantage.keyed_session import KEY_SLOT

Ask = Callable[[Mapping[str, str]], dict[str, Any]]


class _DelegatingApi:
    """Hands the parameters of a request to `ask` instead of sending it without a time-out."""

    def __init__(self, ask: Ask) -> None:
        super().__init__(key=KEY_SLOT)  # type: ignore[call-arg]
        self._ask = ask

    def _handle_api_call(self, url: str) -> dict[str, Any]:
        answer = self._ask(dict(parse_qsl(urlsplit(url).query)))
        # Of every list the package makes a pandas frame; a tuple it leaves alone.
        return {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in answer.items()
        }


class _TimeSeries(_DelegatingApi, TimeSeries):  # type: ignore[misc]
    pass


class _FundamentalData(_DelegatingApi, FundamentalData):  # type: ignore[misc]
    pass


def fetch_time_series(ask: Ask, symbol: str, *, full: bool, adjusted: bool) -> Mapping[str, Any]:
    """Return daily bars as they stand in the answer, by date."""
    calls = _TimeSeries(ask)
    method = calls.get_daily_adjusted if adjusted else calls.get_daily
    # The package puts parameters into the address as they are.
    rows, _ = method(quote(symbol), outputsize="full" if full else "compact")
    return rows  # type: ignore[no-any-return]


def fetch_splits(ask: Ask, symbol: str) -> tuple[Mapping[str, Any], ...]:
    """Return the rows of a SPLITS answer."""
    rows, _ = _FundamentalData(ask).get_splits(quote(symbol))
    return rows  # type: ignore[no-any-return]


def fetch_dividends(ask: Ask, symbol: str) -> tuple[Mapping[str, Any], ...]:
    """Return the rows of a DIVIDENDS answer."""
    rows, _ = _FundamentalData(ask).get_dividends(quote(symbol))
    return rows  # type: ignore[no-any-return]


def fetch_quote_fields(ask: Ask, symbol: str) -> Mapping[str, Any]:
    """Return the fields of a GLOBAL_QUOTE answer."""
    fields, _ = _TimeSeries(ask).get_quote_endpoint(quote(symbol))
    return fields  # type: ignore[no-any-return]


def fetch_matches(ask: Ask, words: str) -> tuple[Mapping[str, Any], ...]:
    """Return the rows of a SYMBOL_SEARCH answer, best first."""
    rows, _ = _TimeSeries(ask).get_symbol_search(quote(words))
    return rows  # type: ignore[no-any-return]
