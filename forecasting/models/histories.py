"""Log returns of each ticker up to a cutoff, for forecasters that are fitted per ticker."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from core.errors import ForecastError
from forecasting.models.base import Array, Rows
from forecasting.samples.panel import Panel

# One year of log returns; the tails of a reference that is fitted to less are unreliable.
MIN_SESSIONS = 252


def cutoff_of(panel: Panel, rows: Rows) -> np.datetime64:
    """Return the last as-of session of samples `rows`.

    Raises
    ------
    ForecastError
        When `rows` is empty.
    """
    if len(rows) == 0:
        msg = "`rows` must select at least one training sample, got 0."
        raise ForecastError(msg)
    latest: np.datetime64 = panel.sample_sessions[rows].max()
    return latest


def daily_log_returns(panel: Panel, until: np.datetime64 | None = None) -> dict[str, pl.DataFrame]:
    """Return ``session, log_return`` of every ticker, up to and including session `until`."""
    returns = panel.daily.drop_nulls("log_return")
    if until is not None:
        returns = returns.filter(pl.col("session") <= until.astype("datetime64[D]").item())
    by_ticker = returns.partition_by("ticker", as_dict=True, maintain_order=True)
    return {str(ticker): frame.drop("ticker") for (ticker,), frame in by_ticker.items()}


def rows_by_ticker(panel: Panel, rows: Rows, unfitted: Mapping[str, str]) -> dict[str, Rows]:
    """Return the positions within `rows` of the samples of each ticker.

    Raises
    ------
    ForecastError
        When `rows` contains a ticker of `unfitted`.
    """
    tickers = panel.keys["ticker"].gather(rows).to_numpy()
    groups = {str(ticker): np.flatnonzero(tickers == ticker) for ticker in np.unique(tickers)}
    for ticker, reason in unfitted.items():
        if ticker in groups:
            msg = f"`rows` must not contain ticker {ticker!r}, which was not fitted: it {reason}."
            raise ForecastError(msg)
    return groups


def daily_histories(panel: Panel, rows: Rows) -> tuple[dict[str, Array], dict[str, str]]:
    """Return the log returns of each ticker up to the cutoff of `rows`.

    Returns
    -------
    histories : dict
        Ticker -> (n,) log returns over one session.
    unfitted : dict
        Ticker -> reason, for tickers with fewer than `MIN_SESSIONS` log returns.
    """
    returns = daily_log_returns(panel, cutoff_of(panel, rows))
    histories: dict[str, Array] = {}
    unfitted: dict[str, str] = {}
    for ticker in panel.keys["ticker"].unique().sort():
        daily = returns[ticker]["log_return"].to_numpy() if ticker in returns else np.empty(0)
        if len(daily) >= MIN_SESSIONS:
            histories[ticker] = daily
        else:
            count = f"{len(daily)} sessions with a log return up to the cutoff"
            unfitted[ticker] = f"has {count}; {MIN_SESSIONS} needed"
    return histories, unfitted
