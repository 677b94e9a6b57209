"""GET /quote/{ticker}: the current price of a followed ticker, beside what forecasts start from."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from core.clock import utc_now
from core.errors import StockcastError
from core.tickers import check_ticker, unknown_ticker
from market.providers.protocol import Quote
from serving.forecasts.responses import ForecastRow, round_significant
from serving.http.problems import Problem, problem_of
from serving.http.schemas import CurrentPrice
from serving.routes.common import check_query
from serving.state import state_of


async def get_quote(request: Request) -> Response:
    """Answer with a price a minute old at most; a problem tells the last known close instead."""
    office = state_of(request)
    check_query(request, allowed=())
    ticker = check_ticker(request.path_params["ticker"])
    book = office.desk.require().book
    if ticker not in book.rows and ticker not in book.refused:
        raise unknown_ticker(ticker, "the published snapshot", [*book.rows, *book.refused])
    followed = dict.fromkeys(book.refused) | {t: row.as_of for t, row in book.rows.items()}
    try:
        quote = await office.require_quotes().get(ticker, followed=followed)
    except (Problem, StockcastError) as error:
        problem = problem_of(error)
        problem.extra |= _last_close(book.rows.get(ticker))
        raise problem from error
    return Response(_answer(quote).model_dump_json(), media_type="application/json")


def _answer(quote: Quote) -> CurrentPrice:
    age = (utc_now() - quote.requested_at).total_seconds()
    return CurrentPrice(
        ticker=quote.ticker,
        price=quote.price,
        previous_close=quote.previous_close,
        volume=quote.volume,
        session=quote.session,
        source=quote.source,
        asked_at=quote.requested_at,
        age_seconds=round(max(0.0, age), 1),
    )


def _last_close(row: ForecastRow | None) -> dict[str, Any]:
    if row is None:
        return {}
    return {"last_close": round_significant(row.close), "last_close_session": row.as_of}
