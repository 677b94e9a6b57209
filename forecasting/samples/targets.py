"""What the models are asked to forecast: log returns over the coming sessions.

Belongs here: targets and when they become known. Anything that looks back is a feature.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from forecasting.horizons import HORIZONS


def compute_targets(adjusted: pl.DataFrame, horizons: Sequence[int] = HORIZONS) -> pl.DataFrame:
    """Return the log return of the adjusted close over each horizon, and when it becomes known.

    Parameters
    ----------
    adjusted
        Adjusted bars sorted by ticker and session.
    horizons
        Sessions ahead, counted in the ticker's own bars.

    Returns
    -------
    polars.DataFrame
        Key ``(ticker, session)``; for each horizon h ``log_return_{h}``, the log of the close h
        bars later over this close, and ``target_session_{h}``, the session at whose close it is
        known. Both are null in a ticker's last h rows. Nothing in a row but the key is known at
        its own session.
    """
    close, session = pl.col("close"), pl.col("session")
    columns: list[pl.Expr] = []
    for horizon in horizons:
        later = close.shift(-horizon).over("ticker")
        columns.append((later / close).log().alias(f"log_return_{horizon}"))
        target_session = session.shift(-horizon).over("ticker")
        columns.append(target_session.alias(f"target_session_{horizon}"))
    return adjusted.select("ticker", "session", *columns)
