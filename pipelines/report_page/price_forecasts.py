"""Forecasts of the newest session as prices, and their fan charts.

matplotlib is imported inside functions, because the import takes a second.
"""

import io
from typing import Any

import numpy as np
import polars as pl

from forecasting.bundle.bundle import Bundle
from forecasting.distribution.levels import COVERAGES, column_of, interval_levels
from forecasting.snapshot import Snapshot
from pipelines.reporting.plots import BANDS, COLOURS

HISTORY_SESSIONS = 63
QUANTILES = sorted({0.5} | {level for c in COVERAGES for level in interval_levels(c)})


def price_forecasts(bundle: Bundle, snapshot: Snapshot, tickers: int) -> pl.DataFrame:
    """Forecast the first tickers of `snapshot` with `bundle`, as the service does.

    Returns one row a ticker and horizon: `ticker`, `horizon`, `as_of`, `target_session`, `close`,
    `probability_up` and one column a quantile, such as ``q97.5``, in the units of `close`.
    """
    count = min(tickers, len(snapshot.tickers))
    output = bundle.run(np.asarray(snapshot.windows[:count]))
    rows: list[dict[str, Any]] = []
    for row in range(count):
        for horizon in bundle.manifest.horizons:
            distribution = bundle.distribution(output, row, horizon)
            returns = distribution.quantile(np.array(QUANTILES))
            prices = snapshot.close[row] * np.exp(returns)
            rows.append(
                {
                    "ticker": snapshot.tickers[row],
                    "horizon": horizon,
                    "as_of": snapshot.as_of[row],
                    "target_session": snapshot.target_sessions[horizon][row],
                    "close": snapshot.close[row],
                    "probability_up": distribution.probability_up(),
                    **dict(zip(map(column_of, QUANTILES), prices.tolist(), strict=True)),
                }
            )
    return pl.DataFrame(rows)


def last_closes(adjusted: pl.DataFrame, forecasts: pl.DataFrame, ticker: str) -> pl.DataFrame:
    """Return `session` and `close` up to the forecast, in the units of its close.

    Adjusted bars have no jumps at splits. They are scaled to the last close as traded.
    """
    as_of, close = forecasts.filter(ticker=ticker).select("as_of", "close").row(0)
    bars = (
        adjusted.filter(pl.col("ticker") == ticker, pl.col("session") <= as_of)
        .sort("session")
        .tail(HISTORY_SESSIONS)
    )
    return bars.select("session", pl.col("close") * (close / pl.col("close").last()))


def forward_fan(closes: pl.DataFrame, forecasts: pl.DataFrame, ticker: str) -> bytes:
    """Draw the last closes of `ticker` and the intervals of the horizons ahead, as SVG."""
    import matplotlib as mpl  # noqa: PLC0415  takes a second
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    rows = forecasts.filter(ticker=ticker).sort("horizon")
    as_of, close = rows.select("as_of", "close").row(0)
    sessions = np.array([as_of, *rows["target_session"]], dtype="datetime64[D]")
    figure = Figure(figsize=(6, 3.4), layout="constrained")
    axes = figure.subplots()
    colour = COLOURS["ensemble"]
    for low, high, alpha in BANDS:
        axes.fill_between(
            sessions,
            [close, *rows[low]],
            [close, *rows[high]],
            color=colour,
            alpha=alpha,
            linewidth=0,
            label=f"{float(high[1:]) - float(low[1:]):g} %",
        )
    axes.plot(
        closes["session"].to_numpy(), closes["close"].to_numpy(), color="#202124", label="close"
    )
    axes.plot(sessions, [close, *rows["q50"]], ".-", color=colour, linewidth=1.2, label="median")
    axes.axvline(sessions[0], color="#9aa0a6", linewidth=0.8, linestyle=":")
    axes.set_title(f"{ticker}, as of {as_of}", loc="left", fontsize=11)
    locator = AutoDateLocator(maxticks=7)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, ncols=5, loc="upper left", frameon=False, columnspacing=1)
    axes.margins(y=0.14)
    buffer = io.BytesIO()
    # Without metadata and with a fixed salt, equal forecasts give equal bytes.
    metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with mpl.rc_context({"svg.hashsalt": "stockcast"}):
        figure.savefig(buffer, format="svg", metadata=metadata)
    return buffer.getvalue()
