"""Forecasts of many tickers, joined from their ready responses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from core.errors import StockcastError
from core.tickers import check_ticker
from forecasting.horizons import LABEL_OF
from serving.http.problems import Problem, problem_of
from serving.live.live_state import LiveForecasts


@dataclass(frozen=True)
class Batch:
    """Response body of a batch, and its number of forecasts."""

    content: bytes
    count: int


def join_forecasts(forecasts: LiveForecasts, tickers: Sequence[str], horizon: int) -> Batch:
    """Return the forecasts in the order of `tickers`; a bad ticker becomes one problem."""
    parts: list[bytes] = []
    problems: list[dict[str, Any]] = []
    for given in tickers:
        try:
            parts.append(_find(forecasts, given, horizon))
        except (Problem, StockcastError) as error:
            problems.append({"ticker": given, **problem_of(error).members()})
    head = {"horizon": LABEL_OF[horizon], "count": len(parts), "failed": len(problems)}
    # The parts are JSON already, and parsing a thousand of them would take most of the time.
    content = b"".join(
        (
            orjson.dumps(head)[:-1],
            b',"forecasts":[',
            b",".join(parts),
            b'],"problems":',
            orjson.dumps(problems),
            b"}",
        )
    )
    return Batch(content, len(parts))


def _find(forecasts: LiveForecasts, given: str, horizon: int) -> bytes:
    table = forecasts.table
    ticker = given if given in table.rows else check_ticker(given)
    if ticker not in table.rows and ticker not in table.without_forecast:
        # Similar names of a thousand unknown tickers would take minutes.
        msg = f"{ticker} is not in the published snapshot; see /universe."
        raise Problem(404, "unknown-ticker", msg)
    return forecasts.response(ticker, horizon).content
