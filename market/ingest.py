"""One ticker's way from a provider into the store. What it refuses is kept beside it, with reasons.

The order of tickers, schedules and retries belong to the pipelines.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

from market.bars import validate_bars
from market.providers.base import Provider
from market.quarantine import Quarantine
from market.sessions import Sessions
from market.store import BarStore, UpsertReport


@dataclass(frozen=True)
class IngestReport:
    """What one ingest of one ticker did."""

    ticker: str
    first_session: date | None
    last_session: date | None
    bars: int
    stored: UpsertReport
    quarantine: pl.DataFrame

    @property
    def refused_share(self) -> float:
        """Share of the provider's rows that broke the bar contract."""
        return self.quarantine.height / max(1, self.bars + self.quarantine.height)


def ingest(
    ticker: str,
    *,
    provider: Provider,
    store: BarStore,
    quarantine: Quarantine,
    sessions: Sessions,
    now: datetime,
) -> IngestReport:
    """Fetch, validate and store the bars of `ticker`, and keep what was refused.

    Parameters
    ----------
    ticker
        A ticker that the provider knows.
    now
        An aware instant: sessions that have not closed by then are refused as future ones.

    Raises
    ------
    UnknownTickerError
        When the provider has no such ticker.
    BarsError
        When what the provider has cannot be read.
    ProviderDownError
        When the provider does not answer.
    """
    fetched = provider.fetch(ticker)
    checked = validate_bars(fetched, sessions, last_session=sessions.last_closed(now))
    quarantine.keep(ticker, checked.quarantine)
    stored = store.upsert(checked.bars)
    found = checked.bars["session"]
    return IngestReport(
        ticker=ticker,
        first_session=found.min() if checked.bars.height else None,  # type: ignore[arg-type]
        last_session=found.max() if checked.bars.height else None,  # type: ignore[arg-type]
        bars=checked.bars.height,
        stored=stored,
        quarantine=checked.quarantine,
    )
