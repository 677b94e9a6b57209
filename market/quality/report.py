"""Quality of stored bars: what a person should look at, ticker by ticker. It changes no bar.

Rows that break the bar contract are refused before the store (`market.bars.contract`); what is listed here
is well-formed and may even be true. What to do about a finding is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from market.calendars.sessions import Sessions
from market.quality.findings import (
    FINDING_SCHEMA,
    KINDS,
    Kind,
    add_moves,
    add_session_index,
    find_level_changes,
    find_missing,
    find_outliers,
    find_stuck,
    find_zero_volume,
    session_index,
)


@dataclass(frozen=True)
class QualityReport:
    """What was found, and each ticker's counts.

    Attributes
    ----------
    tickers
        One row a ticker: `ticker`, `exchange`, `bars`, `first_session`, `last_session`,
        `sessions_behind` (closed sessions of its exchange after its last bar) and, named as the
        kinds are, the number of sessions found.
    findings
        Sessions `first_session` to `last_session` of one `ticker`, `sessions` of them; `size` says
        how bad it is, in a unit of its own kind; `detail` says it in words.
    """

    tickers: pl.DataFrame
    findings: pl.DataFrame

    def findings_of(self, kind: Kind) -> pl.DataFrame:
        """Return the findings of one kind, the worst first."""
        worst_first = ["size", "last_session", "ticker"]
        return self.findings.filter(kind=kind).sort(worst_first, descending=[True, True, False])


def examine_bars(
    bars: pl.DataFrame, *, sessions_of: Callable[[str], Sessions], now: datetime
) -> QualityReport:
    r"""Look for what is unlikely in validated bars. Nothing is dropped, moved or repaired.

    ``level_change``
        The adjusted close changes by a factor of 80 to 125, up or down: pence for pounds, another
        currency, or a split that is not known. A split that is known explains its change.
    ``missing``
        Sessions of the ticker's exchange without a bar, between its first bar and its last: what
        comes before a listing or after a delisting is not missing.
    ``stuck``
        The close stays the same, to the last digit, in `STUCK_CLOSES` sessions in a row, or the
        whole bar in `STUCK_BARS`, although shares were traded.
    ``outlier``
        A log return of more than `OUTLIER` times the ticker's usual move. `size` is that multiple.
    ``zero_volume``
        Sessions in which nothing was traded. Indices (``^GSPC``) and currency pairs (``EURUSD=X``)
        have no volume, and are not judged.

    With adjusted closes :math:`a` and :math:`n` sessions since the bar before, a move is
    :math:`m_t = |\ln(a_t / a_{t-1})| / \sqrt{n_t}`. The usual move is the exponentially weighted
    mean of the ticker's *earlier* moves with a half-life of `HALF_LIFE` sessions; the first
    `HALF_LIFE` moves are not judged. So no later bar makes or unmakes a level change or an outlier.

    Parameters
    ----------
    bars
        Validated bars of any tickers, sorted by ticker and session.
    sessions_of
        Gives the calendar of a ticker's exchange.
    now
        The instant at which sessions behind are counted; it must have a time zone.

    Raises
    ------
    BarsError
        When `now` lies outside a calendar.
    """
    calendars = {ticker: sessions_of(ticker) for ticker in bars["ticker"].unique()}
    placed = add_session_index(bars, calendars)
    moves = add_moves(placed)
    found = [
        find_level_changes(moves),
        find_missing(placed, calendars),
        find_stuck(placed),
        find_outliers(moves),
        find_zero_volume(placed),
    ]
    findings = pl.concat(frame.select(FINDING_SCHEMA.names()) for frame in found)
    return QualityReport(_by_ticker(placed, findings, calendars, now), findings)


def unusable_tickers(bars: pl.DataFrame) -> dict[str, str]:
    """Return the tickers that nothing should be learnt from or forecast, each with the reason.

    Those are the tickers with a `level_change`: pence among pounds are no news of the market but a
    return of 99 %, from which every model of a pooled panel would learn.

    Parameters
    ----------
    bars
        Validated bars of any tickers, sorted by ticker and session.
    """
    place = pl.int_range(pl.len(), dtype=pl.Int64).over("ticker")
    found = find_level_changes(add_moves(bars.with_columns(place=place)))
    return {
        ticker: f"its level changed about a hundredfold on {session} ({detail}); mend the bars, "
        f"or record the split."
        for ticker, session, detail in found.select("ticker", "first_session", "detail").rows()
    }


def merge_reports(reports: Iterable[QualityReport]) -> QualityReport:
    """Return one report of several that share no ticker: bars may be examined in parts."""
    parts = list(reports)
    return QualityReport(
        pl.concat(part.tickers for part in parts).sort("ticker"),
        pl.concat(part.findings for part in parts),
    )


def _by_ticker(
    placed: pl.DataFrame,
    findings: pl.DataFrame,
    calendars: dict[str, Sessions],
    now: datetime,
) -> pl.DataFrame:
    exchanges = {sessions.exchange: sessions for sessions in calendars.values()}
    closed = {name: sessions.last_closed(now) for name, sessions in exchanges.items()}
    due = session_index(calendars).filter(
        pl.col("session") == pl.col("exchange").replace_strict(closed, return_dtype=pl.Date)
    )
    counted = [pl.col("sessions").filter(kind=kind).sum().alias(kind) for kind in KINDS]
    return (
        placed.group_by("ticker", "exchange", maintain_order=True)
        .agg(
            pl.len().cast(pl.Int64).alias("bars"),
            pl.min("session").alias("first_session"),
            pl.max("session").alias("last_session"),
            pl.max("place"),
        )
        .join(due.select("exchange", due="place"), on="exchange", how="left", maintain_order="left")
        .join(
            findings.group_by("ticker").agg(counted), on="ticker", how="left", maintain_order="left"
        )
        .with_columns(pl.col(KINDS).fill_null(0))
        .select(
            "ticker",
            "exchange",
            "bars",
            "first_session",
            "last_session",
            (pl.col("due") - pl.col("place")).clip(0).alias("sessions_behind"),
            *KINDS,
        )
    )
