"""Targets of the models: log returns over the coming sessions."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from forecasting.horizons import HORIZONS


def compute_targets(adjusted: pl.DataFrame, horizons: Sequence[int] = HORIZONS) -> pl.DataFrame:
    """Return the log return over each horizon, and the session whose close completes it.

    Parameters
    ----------
    adjusted
        Adjusted bars sorted by ticker and session: ``ticker session close`` at least.
    horizons
        Numbers of sessions ahead, counted in the bars of the ticker.

    Returns
    -------
    polars.DataFrame
        Key ``(ticker, session)``. For each horizon h, ``log_return_{h}`` is the log of the close h
        bars later divided by this close, and ``target_session_{h}`` is the session of that later
        close. Both are null in the last h rows of a ticker. No target is known at its `session`.

    Examples
    --------
    >>> from datetime import date
    >>> bars = pl.DataFrame(
    ...     {
    ...         "ticker": ["ABC"] * 3,
    ...         "session": [date(2024, 1, day) for day in (4, 5, 8)],
    ...         "close": [100.0, 110.0, 99.0],
    ...     }
    ... )
    >>> targets = compute_targets(bars, horizons=[1])
    >>> targets["log_return_1"].round(4).to_list()
    [0.0953, -0.1054, None]
    >>> [str(session) for session in targets["target_session_1"]]
    ['2024-01-05', '2024-01-08', 'None']
    """
    close, session = pl.col("close"), pl.col("session")
    columns: list[pl.Expr] = []
    for horizon in horizons:
        later = close.shift(-horizon).over("ticker")
        columns.append((later / close).log().alias(f"log_return_{horizon}"))
        target_session = session.shift(-horizon).over("ticker")
        columns.append(target_session.alias(f"target_session_{horizon}"))
    return adjusted.select("ticker", "session", *columns)
