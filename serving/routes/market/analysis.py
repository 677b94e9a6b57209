"""GET /analysis/{ticker}: indicators, volatility, drawdown and market of a ticker."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from forecasting.features.feature_set import feature_set
from forecasting.price_history import PriceSeries, unpack_prices
from serving.forecasts.forecast_table import ForecastTable
from serving.forecasts.price_measures import (
    measure_averages,
    measure_drawdown,
    measure_range,
    measure_returns,
    measure_volatility,
)
from serving.forecasts.responses import round_float32
from serving.http.operations import MARKET, TICKER, ApiRoute, Operation, listed
from serving.http.problems import RUN_THE_PIPELINE, Problem
from serving.http.schemas.market import Analysis, ClosingPrices, Indicator
from serving.routes.common import path_ticker, read_list, read_query, respond
from serving.state import state_of


async def get_analysis(request: Request) -> Response:
    """Return the analysis of a ticker in the published snapshot."""
    included = read_list(read_query(request, "include"), "include", ("prices",))
    ticker = path_ticker(request)
    table = state_of(request).live.require().table
    # The first request for a snapshot adds up the returns of all tickers.
    analysis = await asyncio.to_thread(analyse, table, ticker, with_prices="prices" in included)
    return respond(analysis)


def analyse(table: ForecastTable, ticker: str, *, with_prices: bool) -> Analysis:
    """Return the analysis of a ticker; raise as `ForecastTable.forecast` does.

    Raises
    ------
    Problem
        If the snapshot has no prices, because an earlier Stockcast has published it.
    """
    row, position = table.row(ticker), table.snapshot.tickers.index(ticker)
    prices = table.snapshot.prices
    if prices is None:
        msg = f"The published snapshot has no prices. {RUN_THE_PIPELINE}"
        raise Problem(503, "no-prices", msg)
    series = unpack_prices(prices[position])
    return Analysis(
        ticker=ticker,
        exchange=row.exchange,
        as_of=row.as_of,
        current_price=round_float32(row.close),
        data_age_sessions=table.row_age_sessions(row),
        returns=measure_returns(series.closes),
        moving_averages=measure_averages(series.closes),
        price_range=measure_range(series.closes),
        volatility=measure_volatility(series.closes),
        drawdown=measure_drawdown(series),
        market=table.universe_returns.exposure(series),
        indicators=_indicators(table, position),
        prices=_closing_prices(series) if with_prices else None,
    )


def _indicators(table: ForecastTable, position: int) -> list[Indicator]:
    manifest = table.model.bundle.manifest
    features = {f.name: f for f in feature_set(manifest.extra_indicators).features}
    values = table.snapshot.windows[position, -1].tolist()
    return [
        Indicator(
            name=name,
            group=features[name].group,
            value=round_float32(value),
            description=features[name].description,
        )
        for name, value in zip(manifest.features, values, strict=True)
        if name in features
    ]


def _closing_prices(series: PriceSeries) -> ClosingPrices:
    return ClosingPrices(
        sessions=series.sessions.tolist(), closes=[round_float32(c) for c in series.closes]
    )


ROUTES = (
    ApiRoute(
        "/analysis/{ticker}",
        get_analysis,
        Operation(
            "Indicators, volatility, drawdown and market exposure of a ticker",
            MARKET,
            Analysis,
            problems=(404, 409, 503),
            parameters=(
                TICKER,
                listed(
                    "include",
                    ("prices",),
                    "`prices` adds the closes of the last 260 sessions.",
                ),
            ),
        ),
    ),
)
