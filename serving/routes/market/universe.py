"""GET /universe: the tickers of the published snapshot."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from serving.forecasts.forecast_table import ForecastTable
from serving.forecasts.responses import round_float32
from serving.http.operations import MARKET, ApiRoute, Operation, query
from serving.http.schemas.market import FollowedTicker, Universe
from serving.routes.common import read_count, read_query, respond
from serving.state import state_of

MAX_LISTED = 5_000


async def get_universe(request: Request) -> Response:
    """Return the tickers that match, with and without a forecast."""
    fields = read_query(request, "search", "limit")
    limit = read_count(fields, "limit", MAX_LISTED, MAX_LISTED)
    table = state_of(request).live.require().table
    # Thousands of tickers take tens of milliseconds.
    universe = await asyncio.to_thread(list_tickers, table, fields.get("search", ""), limit)
    return await asyncio.to_thread(respond, universe)


def list_tickers(table: ForecastTable, search: str, limit: int) -> Universe:
    """Return the tickers that begin with `search`, or with it in their name; sorted."""
    text, names = search.casefold(), table.snapshot.names
    matching = sorted(
        ticker
        for ticker in {*table.rows, *table.without_forecast}
        if ticker.casefold().startswith(text) or text in names.get(ticker, "").casefold()
    )
    return Universe(
        count=len(matching), tickers=[_describe(table, ticker) for ticker in matching[:limit]]
    )


def _describe(table: ForecastTable, ticker: str) -> FollowedTicker:
    row = table.rows.get(ticker)
    return FollowedTicker(
        ticker=ticker,
        name=table.snapshot.names.get(ticker),
        exchange=row.exchange if row else None,
        as_of=row.as_of if row else None,
        current_price=round_float32(row.close) if row else None,
        data_age_sessions=table.row_age_sessions(row) if row else None,
        reason=table.without_forecast.get(ticker),
    )


ROUTES = (
    ApiRoute(
        "/universe",
        get_universe,
        Operation(
            "Tickers of the published snapshot",
            MARKET,
            Universe,
            problems=(503,),
            parameters=(
                query(
                    "search",
                    {"type": "string"},
                    "Beginning of the ticker, or part of the name, in any case.",
                ),
                query(
                    "limit",
                    {"type": "integer", "minimum": 1, "maximum": MAX_LISTED},
                    "Maximum number of tickers in the response.",
                ),
            ),
        ),
    ),
)
