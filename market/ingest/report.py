"""What one ingest of one ticker did, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

import polars as pl

from market.bars.contract import ValidatedBars
from market.bars.quarantine import QUARANTINE_SCHEMA
from market.store import UpsertReport

NOTHING = UpsertReport(inserted=0, updated=0, unchanged=0)


@dataclass(frozen=True)
class IngestReport:
    """What one ingest of one ticker did.

    Attributes
    ----------
    outcome
        "ingested": something was stored; "up_to_date": nobody had to be asked; "nothing_new":
        nothing was stored although a session has closed, `notes` tell why.
    first_session, last_session
        Of the good bars that were delivered; None without any.
    bars
        How many good bars were delivered.
    stored
        What the store made of them.
    quarantine
        Delivered rows that were refused, with reasons.
    sources
        New bars by the provider that they came from.
    restated
        Stored sessions whose prices were corrected.
    actions_through
        The last session whose splits and dividends are known.
    sessions_behind
        Closed sessions after the last stored one, now; None when no bar is stored.
    notes
        A sentence for everything out of the ordinary.
    """

    ticker: str
    outcome: Literal["ingested", "up_to_date", "nothing_new"]
    first_session: date | None = None
    last_session: date | None = None
    bars: int = 0
    stored: UpsertReport = NOTHING
    quarantine: pl.DataFrame = field(default_factory=QUARANTINE_SCHEMA.to_frame)
    sources: dict[str, int] = field(default_factory=dict)
    restated: int = 0
    actions_through: date | None = None
    sessions_behind: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def refused_share(self) -> float:
        """Share of the provider's rows that broke the bar contract."""
        return self.quarantine.height / max(1, self.bars + self.quarantine.height)


def delivered(checked: ValidatedBars) -> dict[str, Any]:
    """Return the fields of a report that tell what a provider delivered."""
    sessions = checked.bars.get_column("session")
    return {
        "first_session": sessions.min(),
        "last_session": sessions.max(),
        "bars": checked.bars.height,
        "quarantine": checked.quarantine,
    }
