"""GET /models/compare/{ticker}: champion and challenger side by side, with their scores."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from core.errors import StockcastError
from core.tickers import check_ticker
from serving.forecasts.forecast_table import ForecastTable
from serving.forecasts.responses import build_members, build_prediction, label_of, round_significant
from serving.http.problems import Problem
from serving.http.schemas import ComparedHorizon, ComparedModel, Comparison
from serving.live.challenger import ChallengerForecasts
from serving.routes.common import check_query
from serving.state import state_of


async def compare_models(request: Request) -> Response:
    """Answer with both models' forecasts for every horizon."""
    office = state_of(request)
    check_query(request, allowed=())
    ticker = check_ticker(request.path_params["ticker"])
    book = office.desk.require().book
    champion = _compared(book, ticker)
    challenge = ChallengerForecasts(None, "No challenger is set.")
    if office.challenger is not None:
        challenge = await asyncio.to_thread(office.challenger.look)
    challenger, note = _challenger(challenge, ticker)
    comparison = Comparison(
        ticker=ticker,
        current_price=round_significant(book.row(ticker).close),
        champion=champion,
        challenger=challenger,
        challenger_note=note,
    )
    return Response(comparison.model_dump_json(), media_type="application/json")


def _challenger(
    challenge: ChallengerForecasts, ticker: str
) -> tuple[ComparedModel | None, str | None]:
    if challenge.book is None:
        return None, challenge.note
    try:
        return _compared(challenge.book, ticker), None
    except (Problem, StockcastError) as error:
        return None, str(error)


def _compared(book: ForecastTable, ticker: str) -> ComparedModel:
    bundle, row = book.model.bundle, book.row(ticker)
    return ComparedModel(
        model=book.model.info,
        as_of=row.as_of,
        horizons={
            label_of(h): ComparedHorizon(
                target_session=row.targets[h],
                prediction=build_prediction(bundle, row, h),
                members=build_members(bundle, row, h),
            )
            for h in bundle.manifest.horizons
        },
        metrics=bundle.manifest.metrics,
    )
