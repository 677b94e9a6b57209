"""GET /quote/{ticker}: current price of a ticker in the published snapshot."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from core.errors import StockcastError
from core.tickers import unknown_ticker
from market.providers.protocol import Quote
from serving.forecasts.responses import ForecastRow, round_float32
from serving.http.operations import MARKET, TICKER, ApiRoute, Operation
from serving.http.problems import Problem, problem_of
from serving.http.schemas.market import CurrentPrice
from serving.routes.common import path_ticker, read_query, respond
from serving.state import state_of


async def get_quote(request: Request) -> Response:
    """Return a price from the cache or a provider. A problem contains the last close instead."""
    state = state_of(request)
    read_query(request)
    ticker = path_ticker(request)
    table = state.live.require().table
    as_of = {t: row.as_of for t, row in table.rows.items()}
    newest_sessions = dict.fromkeys(table.without_forecast) | as_of
    if ticker not in newest_sessions:
        raise unknown_ticker(ticker, "the published snapshot", newest_sessions)
    try:
        quote = await state.quotes.get(ticker, newest_sessions)
    except (Problem, StockcastError) as error:
        problem = problem_of(error)
        problem.extra |= _last_close(table.rows.get(ticker))
        raise problem from error
    return respond(_current_price(quote, state.clock.now()))


def _current_price(quote: Quote, now: datetime) -> CurrentPrice:
    age = (now - quote.requested_at).total_seconds()
    return CurrentPrice(
        ticker=quote.ticker,
        price=quote.price,
        previous_close=quote.previous_close,
        volume=quote.volume,
        session=quote.session,
        source=quote.source,
        fetched_at=quote.requested_at,
        age_seconds=round(max(0.0, age), 1),
    )


def _last_close(row: ForecastRow | None) -> dict[str, Any]:
    if row is None:
        return {}
    return {"last_close": round_float32(row.close), "last_close_session": row.as_of}


ROUTES = (
    ApiRoute(
        "/quote/{ticker}",
        get_quote,
        Operation(
            "Current price of a ticker in the published snapshot",
            MARKET,
            CurrentPrice,
            problems=(404, 409, 503),
            parameters=(TICKER,),
        ),
        synonyms=("/quotes/{ticker}",),
    ),
)
