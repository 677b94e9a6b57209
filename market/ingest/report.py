"""The result of one ingest of one ticker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import astuple, dataclass, field, replace
from datetime import date
from textwrap import shorten
from typing import Any, Literal, Self

import polars as pl

from market.bars.contract import ValidatedBars
from market.bars.quarantine import QUARANTINE_SCHEMA
from market.quality.holes import bars_after_holes
from market.quality.report import unusable_tickers
from market.store import UpsertReport

MAX_REASON = 120
NOTHING_STORED = UpsertReport(inserted=0, updated=0, unchanged=0)

# Bars before the new ones that show whether a new bar is usable; all bars would take longer.
RECENT = 63


@dataclass(frozen=True)
class IngestReport:
    """The result of one ingest of one ticker.

    Attributes
    ----------
    outcome
        "ingested": bars or actions were stored; "up_to_date": no request was necessary;
        "nothing_new": nothing was stored although a session has closed, see `notes`.
    first_session, last_session
        First and last session of the valid fetched bars, None without any.
    bars
        Number of valid fetched bars.
    stored
        Result of the upsert.
    quarantine
        Refused rows with their reasons, `market.bars.quarantine.QUARANTINE_SCHEMA`.
    set_aside
        Sentences on the rows that were set aside, which are no faults.
    sources
        Number of new bars by provider.
    restated
        Number of stored sessions with corrected prices.
    actions_through
        Last session up to which splits and dividends are known.
    sessions_behind
        Number of closed sessions after the last stored one, None if no bar is stored.
    notes
        Sentences on unusual events.
    """

    ticker: str
    outcome: Literal["ingested", "up_to_date", "nothing_new"]
    first_session: date | None = None
    last_session: date | None = None
    bars: int = 0
    stored: UpsertReport = NOTHING_STORED
    quarantine: pl.DataFrame = field(default_factory=QUARANTINE_SCHEMA.to_frame)
    set_aside: tuple[str, ...] = ()
    sources: dict[str, int] = field(default_factory=dict)
    restated: int = 0
    actions_through: date | None = None
    sessions_behind: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def refusal(self) -> str | None:
        """The number of refused rows and their commonest reason; None without any."""
        if self.quarantine.is_empty():
            return None
        counts = self.quarantine.group_by("reason").len("rows").sort("rows", "reason")
        reason = shorten(counts["reason"][-1], MAX_REASON, placeholder=" …")
        n_reasons = "" if counts.height == 1 else f" ({counts['rows'][-1]:,} rows)"
        return f"{self.quarantine.height:,} rows refused: {reason}{n_reasons}"

    def merge(self, later: Self) -> Self:
        """Return one report on two steps of an ingest of the same ticker."""
        counts = zip(astuple(self.stored), astuple(later.stored), strict=True)
        sources = Counter(self.sources) + Counter(later.sources)
        is_ingested = "ingested" in {self.outcome, later.outcome}
        return replace(
            later,
            outcome="ingested" if is_ingested else later.outcome,
            first_session=later.first_session or self.first_session,
            last_session=later.last_session or self.last_session,
            bars=max(self.bars, later.bars),
            stored=UpsertReport(*map(sum, counts)),
            quarantine=pl.concat([self.quarantine, later.quarantine]),
            set_aside=self.set_aside + later.set_aside,
            sources=dict(sources),
            restated=self.restated + later.restated,
            notes=tuple(dict.fromkeys(self.notes + later.notes)),
        )

    @property
    def refused_share(self) -> float:
        """Share of the fetched rows that were refused."""
        return self.quarantine.height / max(1, self.bars + self.quarantine.height)


def summarize_fetched(validated: ValidatedBars) -> dict[str, Any]:
    """Return the fields of an `IngestReport` that describe the fetched rows."""
    sessions = validated.bars.get_column("session")
    return {
        "set_aside": describe_set_aside(validated.set_aside),
        "first_session": sessions.min(),
        "last_session": sessions.max(),
        "bars": validated.bars.height,
        "quarantine": validated.quarantine,
    }


def count_sources(history: pl.DataFrame, new: pl.Series) -> dict[str, int]:
    """Return the number of bars of the sessions `new` by provider."""
    counts = history.filter(pl.col("session").is_in(new.implode())).group_by("source").len()
    return {str(source): n for source, n in counts.sort("source").iter_rows()}


def note_replaced(ticker: str, replaced: UpsertReport, restated: int) -> tuple[str, ...]:
    """Return a note on stored bars that a whole history has corrected or removed, if any."""
    changes = []
    if restated:
        changes.append(f"{_count(restated)} corrected")
    if replaced.removed:
        changes.append(f"{_count(replaced.removed)} removed that the source no longer has")
    return (f"{ticker}: {', '.join(changes)}.",) if changes else ()


def note_unusable(bars: pl.DataFrame, real_moves: Collection[str]) -> tuple[str, ...]:
    """Return a note for each ticker in `bars` of which some or all bars are not used."""
    notes = [f"{ticker}: {reason}" for ticker, reason in bars_after_holes(bars)[1].items()]
    reasons = unusable_tickers(bars, real_moves)
    notes += [f"{ticker}: left out of forecasts: {text}" for ticker, text in reasons.items()]
    return tuple(notes)


def _count(n: int) -> str:
    return f"{n:,} stored session{'' if n == 1 else 's'}"


def describe_set_aside(set_aside: pl.DataFrame) -> tuple[str, ...]:
    """Return one clause per kind of rows that were set aside."""
    counts = set_aside.group_by("reason").len("rows").sort("reason")
    return tuple(f"{rows:,} rows set aside: {reason}" for reason, rows in counts.rows())
