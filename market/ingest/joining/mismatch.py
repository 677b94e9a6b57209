"""Refusals of fetched bars that do not fit the stored bars of the same ticker."""

from __future__ import annotations

import polars as pl

from core.errors import ReconciliationError

# Sessions that another provider must share with the stored bars, to check that both agree.
MIN_SHARED = 3
_PENCE = 100
_NEAR = 0.02
_SPLITS = (1.25, 1.5, *range(2, 51))
# The remedy for sessions that no provider delivers.
FILL = (
    "name a provider that has them in STOCKCAST_BACKUPS (yahoo, or files with STOCKCAST_BARS), or "
    "set STOCKCAST_ALPHA_VANTAGE_TIER if your key is premium"
)


def refuse_gap(stored: pl.DataFrame, fetched: pl.DataFrame, shared: pl.DataFrame) -> None:
    """Raise `ReconciliationError` if no fetched session is stored.

    Parameters
    ----------
    shared
        Fetched rows of stored sessions, with the stored values in columns with ``_stored``.
    """
    if not shared.is_empty():
        return
    ticker, last = stored.select("ticker", "session").row(-1)
    first, source = fetched.sort("session").select("session", "source").row(0)
    msg = (
        f"{ticker}: the bars of {source} start on {first} and share no session with the stored "
        f"bars, which end on {last}; the gap would look like one giant return. To fill it, {FILL}."
    )
    raise ReconciliationError(msg)


def refuse_disagreement(stored: pl.DataFrame, shared: pl.DataFrame, tolerance: float) -> None:
    """Raise `ReconciliationError` if the closes of two providers differ, or too few are shared.

    Parameters
    ----------
    shared
        As in `refuse_gap`, with `is_same_source`.
    tolerance
        Maximum relative difference of two closes.
    """
    others = shared.filter(~pl.col("is_same_source"))
    ratio = pl.col("close") / pl.col("close_stored")
    conflicts = others.filter((ratio - 1).abs() > tolerance)
    if not conflicts.is_empty():
        ticker, session, close, source, stored_close, stored_source = conflicts.select(
            "ticker", "session", "close", "source", "close_stored", "source_stored"
        ).row(-1)
        msg = (
            f"{ticker} on {session}: {source} has a close of {close:g}, but the stored close of "
            f"{stored_source} is {stored_close:g}; they differ by more than {tolerance:g} "
            f"(STOCKCAST_JOIN_TOLERANCE) in {conflicts.height} of {others.height} shared "
            f"sessions, and joining them would create a false return. "
            f"{_likely_cause(close / stored_close)}"
        )
        raise ReconciliationError(msg)
    if shared.height == others.height < min(MIN_SHARED, stored.height):
        ticker, source = shared.select("ticker", "source").row(0)
        msg = (
            f"{ticker}: {source} shares {shared.height} sessions with the stored bars of other "
            f"providers; at least {MIN_SHARED} are required to check that they agree."
        )
        raise ReconciliationError(msg)


def refuse_mismatch(stored: pl.DataFrame, merged: pl.DataFrame, tolerance: float) -> None:
    """Raise `ReconciliationError` if the first shared bar does not match older stored bars.

    Parameters
    ----------
    merged
        Fetched rows with `is_shared` and the stored values in columns with ``_stored``.
    tolerance
        As in `refuse_disagreement`.
    """
    first = merged.filter("is_shared").head(1)
    if first.is_empty() or first["session"][0] == stored["session"][0]:
        return
    ticker, session, close, source, stored_close = first.select(
        "ticker", "session", "close", "source", "close_stored"
    ).row(0)
    if abs(close / stored_close - 1) > tolerance:
        msg = (
            f"{ticker}: {source} has restated its history back to {session} or earlier (a close "
            f"of {close:g} instead of {stored_close:g}), but older stored bars cannot be fetched "
            f"again, which would create a false return. To fetch them, {FILL}. "
            f"{_likely_cause(close / stored_close)}"
        )
        raise ReconciliationError(msg)


def _likely_cause(ratio: float) -> str:
    size = max(ratio, 1 / ratio)
    if abs(size / _PENCE - 1) < _NEAR:
        return "The likely cause is pence against pounds."
    split = min(_SPLITS, key=lambda factor: abs(size / factor - 1))
    if abs(size / split - 1) < _NEAR:
        return f"The likely cause is a split of {split:g} that one of them has not applied."
    return "One of them may be adjusted for dividends, in another currency, or wrong."
