r"""The quality report: suspicious sessions of stored bars, and counts per ticker.

The report changes no bar. `market.bars.contract` refuses invalid rows before they are stored; the
findings here are about valid bars and may be true. Their kinds are:

``level_change``
    The adjusted close changes by a factor of 80 to 125, up or down: pence instead of pounds,
    another currency, or an unknown split. A known split explains its change.
``unlisted_split``
    A jump like that of a split or spin-off, without the volume and the range of a real crash,
    where none is listed, see `market.quality.unlisted_splits.find_unlisted_splits`.
``missing``
    Sessions of the exchange without a bar, between the first and the last bar of the ticker.
    Sessions before a listing and after a delisting are not missing.
``stuck``
    The close is identical in `STUCK_CLOSES` consecutive sessions, or the whole bar in
    `STUCK_BARS`, although shares were traded.
``outlier``
    A log return of more than `OUTLIER` times the usual move of the ticker. `size` is that
    multiple.
``zero_volume``
    Sessions without volume. Indices (``^GSPC``) and currency pairs (``EURUSD=X``), which have
    no volume, are exempt.

With adjusted closes :math:`a` and :math:`n` sessions since the previous bar, a move is
:math:`m_t = |\ln(a_t / a_{t-1})| / \sqrt{n_t}`. The usual move is the exponentially weighted
mean of the *earlier* moves of the ticker with a half-life of `HALF_LIFE` sessions. The first
`HALF_LIFE` moves are not examined. Later bars therefore neither add nor remove a level change
or an outlier.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from market.calendars.sessions import Sessions
from market.quality.findings import (
    FINDING_SCHEMA,
    KINDS,
    Kind,
    find_level_changes,
    find_missing,
    find_outliers,
    find_stuck,
    find_zero_volume,
)
from market.quality.holes import bars_after_holes
from market.quality.moves import add_moves, add_session_index, index_sessions
from market.quality.unlisted_splits import describe_unlisted_split, find_unlisted_splits


@dataclass(frozen=True)
class QualityReport:
    """Findings, and their counts per ticker.

    Attributes
    ----------
    tickers
        One row per ticker: `ticker`, `exchange`, `bars`, `first_session`, `last_session`,
        `sessions_behind` (closed sessions of the exchange after the last bar), and the number of
        sessions with a finding of each kind, in a column named like the kind.
    findings
        One row per finding: its `kind` and `ticker`, `first_session` to `last_session` with their
        number `sessions`, `size` (the severity, in a unit that depends on the kind) and `detail`
        (a description).
    """

    tickers: pl.DataFrame
    findings: pl.DataFrame

    def findings_of(self, kind: Kind) -> pl.DataFrame:
        """Return the findings of one kind, sorted from the largest `size` to the smallest."""
        worst_first = ["size", "last_session", "ticker"]
        return self.findings.filter(kind=kind).sort(worst_first, descending=[True, True, False])


def examine_bars(
    bars: pl.DataFrame,
    *,
    sessions_of: Callable[[str], Sessions],
    now: datetime,
    real_moves: Collection[str] = (),
) -> QualityReport:
    """Find suspicious sessions in validated bars; the module lists the kinds of findings.

    Parameters
    ----------
    bars
        Validated bars of any tickers, sorted by ticker and session.
    sessions_of
        Returns the sessions of a ticker's exchange.
    now
        Instant, with a time zone, for which `sessions_behind` is counted.
    real_moves
        Moves that a person has confirmed, as ``TICKER:YYYY-MM-DD``.

    Raises
    ------
    ValueError
        If `now` has no time zone.
    BarsError
        If `now` is outside a calendar.
    """
    calendars = {ticker: sessions_of(ticker) for ticker in bars["ticker"].unique()}
    indexed = add_session_index(bars, calendars)
    moves = add_moves(indexed)
    findings_by_kind = [
        find_level_changes(moves),
        find_unlisted_splits(moves, real_moves),
        find_missing(indexed, calendars),
        find_stuck(indexed),
        find_outliers(moves),
        find_zero_volume(indexed),
    ]
    findings = pl.concat(frame.select(FINDING_SCHEMA.names()) for frame in findings_by_kind)
    return QualityReport(_by_ticker(indexed, findings, calendars, now), findings)


def unusable_tickers(bars: pl.DataFrame, real_moves: Collection[str] = ()) -> dict[str, str]:
    """Return the tickers that must not be used for training or forecasts, with the reasons.

    These are the tickers with a `level_change` or an `unlisted_split`. A price in pence among
    prices in pounds is a return of 99 %, which would distort every model of a pooled panel. No
    price is adjusted for a split that is only likely. Bars before a long hole are not used, see
    `market.quality.holes`.

    Parameters
    ----------
    bars
        Validated bars of any tickers, sorted by ticker and session.
    real_moves
        See `examine_bars`.
    """
    used, _ = bars_after_holes(bars)
    index = pl.int_range(pl.len(), dtype=pl.Int64).over("ticker")
    moves = add_moves(used.with_columns(session_index=index))
    reasons: dict[str, list[str]] = {}
    for row in find_level_changes(moves).rows(named=True):
        reason = (
            f"its level changed about a hundredfold on {row['first_session']} ({row['detail']}); "
            f"correct the bars, or record the split."
        )
        reasons.setdefault(row["ticker"], []).append(reason)
    for row in find_unlisted_splits(moves, real_moves).rows(named=True):
        reasons.setdefault(row["ticker"], []).append(describe_unlisted_split(row))
    return {ticker: " Also, ".join(texts) for ticker, texts in reasons.items()}


def merge_reports(reports: Iterable[QualityReport]) -> QualityReport:
    """Combine reports on disjoint sets of tickers into one report."""
    parts = list(reports)
    return QualityReport(
        pl.concat(part.tickers for part in parts).sort("ticker"),
        pl.concat(part.findings for part in parts),
    )


def _by_ticker(
    indexed: pl.DataFrame,
    findings: pl.DataFrame,
    calendars: dict[str, Sessions],
    now: datetime,
) -> pl.DataFrame:
    exchanges = {sessions.exchange: sessions for sessions in calendars.values()}
    closed = {name: sessions.last_closed(now) for name, sessions in exchanges.items()}
    due = index_sessions(calendars).filter(
        pl.col("session") == pl.col("exchange").replace_strict(closed, return_dtype=pl.Date)
    )
    counts = [pl.col("sessions").filter(kind=kind).sum().alias(kind) for kind in KINDS]
    return (
        indexed.group_by("ticker", "exchange", maintain_order=True)
        .agg(
            pl.len().cast(pl.Int64).alias("bars"),
            pl.min("session").alias("first_session"),
            pl.max("session").alias("last_session"),
            pl.max("session_index"),
        )
        .join(
            due.select("exchange", due="session_index"),
            on="exchange",
            how="left",
            maintain_order="left",
        )
        .join(
            findings.group_by("ticker").agg(counts), on="ticker", how="left", maintain_order="left"
        )
        .with_columns(pl.col(KINDS).fill_null(0))
        .select(
            "ticker",
            "exchange",
            "bars",
            "first_session",
            "last_session",
            (pl.col("due") - pl.col("session_index")).clip(0).alias("sessions_behind"),
            *KINDS,
        )
    )
