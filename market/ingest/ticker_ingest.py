"""One ticker's way from a provider into the store, and what is remembered of it.

Belongs here: doing what is due, in an order that a kill cannot hurt: bars are stored first, then
remembered. Not here: what is due (`planning`), asking and comparing (`asking`), the order of
tickers, schedules and retries (pipelines).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import polars as pl

from core.clock import Clock, SystemClock
from core.errors import (
    BarsError,
    PermanentError,
    QuotaError,
    ReconciliationError,
    StockcastError,
    UnknownTickerError,
)
from market.bars.contract import BAR_SCHEMA, validate_bars
from market.bars.corporate_actions import known_through, split_on, with_actions
from market.bars.quarantine import Quarantine
from market.calendars.sessions import Sessions
from market.ingest.fetch import BarFetcher, FetchedBars
from market.ingest.plan import Task, count_behind, plan
from market.ingest.report import NOTHING, IngestReport, delivered
from market.ingest.splits import ResolvedBars, resolve_split_jumps
from market.ingest.ticker_state import TickerRecord, TickerRecords
from market.providers.protocol import ActionsProvider, Provider
from market.store import BarStore, UpsertReport

__all__ = ["Ingest", "IngestReport"]

# Refusals that cost a call and concern the ticker alone: it is asked less and less often.
_OF_TICKER = (UnknownTickerError, BarsError, ReconciliationError)
_NO_FAILURE = {"failure": None, "failed_at": None, "permanent": False, "failures": 0}


class Ingest:
    """Takes bars, splits and dividends in, as far as they are due.

    A provider that tells no splits and dividends, as the sample and your own files are without
    backups, is read whole each time: that costs no call, and its `adj_close` keeps one base.

    Parameters
    ----------
    sessions_of
        Each ticker's calendar.
    join_tolerance
        How far (relative) closes of two providers may differ to be joined.
    clock
        What time it is; by default this machine's.
    """

    def __init__(
        self,
        *,
        provider: Provider,
        store: BarStore,
        quarantine: Quarantine,
        records: TickerRecords,
        sessions_of: Callable[[str], Sessions],
        join_tolerance: float,
        clock: Clock | None = None,
    ) -> None:
        self._provider = provider
        self._store = store
        self._quarantine = quarantine
        self._records = records
        self._sessions_of = sessions_of
        self._tolerance = join_tolerance
        self._clock = clock or SystemClock()

    @property
    def costs_calls(self) -> bool:
        """Whether asking uses up calls, so that only what is due is asked for."""
        return isinstance(self._provider, ActionsProvider)

    def plan(self, tickers: Sequence[str], *, force: bool = False) -> list[Task]:
        """Return what is due for the tickers, most urgent first; see `planning.plan`.

        Parameters
        ----------
        force
            Do not wait for tickers that failed or had no new bar: a person asks.
        """
        last, records = self._store.last_sessions(tickers), self._records.read(tickers)
        if force:
            records = {t: replace(r, quiet=0, failures=0) for t, r in records.items()}
        apart = isinstance(self._provider, ActionsProvider) and self._provider.actions_apart
        tasks = plan(
            tickers, last, records, self._sessions_of, self._clock.now(), actions_apart=apart
        )
        if self.costs_calls:
            return tasks
        reason = f"{self._provider.name} is read whole each time"
        return [replace(task, wants="history", reason=reason) for task in tasks]

    def ingest_ticker(self, ticker: str, *, force: bool = False) -> IngestReport:
        """Do what is most urgent for one ticker, by as few calls as can be, and store it at once.

        Where bars and actions are due, that is the bars; the next call takes the actions.

        Raises
        ------
        QuotaError
            When our budget of calls is spent; nothing was lost, ask again when it renews.
        StockcastError
            When nobody delivers; it is remembered, and a ticker that stays a permanent failure is
            asked less and less often.
        """
        task = self.plan([ticker], force=force)[0]
        if task.wants == "nothing":
            if task.sessions_behind == 0:
                return self._report(ticker, outcome="up_to_date")
            return self._report(ticker, notes=(f"{ticker}: {task.reason}",))
        try:
            if task.wants == "actions":
                return self._take_actions(ticker)
            return self._take_bars(ticker, task) if self.costs_calls else self._take_all(ticker)
        except QuotaError:
            # It is the key that has to wait, whatever the ticker.
            raise
        except StockcastError as error:
            self._remember_failure(ticker, task, error)
            raise

    def _take_bars(self, ticker: str, task: Task) -> IngestReport:
        provider = self._provider
        assert isinstance(provider, ActionsProvider)
        sessions, now = self._sessions_of(ticker), self._clock.now()
        record, stored = self._records.of(ticker), self._stored(ticker)
        closed = sessions.last_closed(now)
        fetcher = BarFetcher(
            provider,
            ticker,
            sessions=sessions,
            closed=closed,
            stored=stored,
            tolerance=self._tolerance,
        )
        if task.wants == "history":
            answer = fetcher.fetch_history()
        elif provider.actions_apart:
            answer = fetcher.fetch_newest()
        else:
            # Bars that came without actions, from a backup, get them from the first provider.
            answer = fetcher.fetch_newest(since=record.actions_through or stored["session"][0])
        settled = resolve_split_jumps(ticker, stored, answer.joined, provider)
        self._quarantine.keep(ticker, answer.checked.quarantine, since=answer.since)
        upserted = self._store.upsert(settled.bars)
        self._remember(ticker, record, answer, settled, asked_at=now, closed=closed)
        return self._report(
            ticker,
            **delivered(answer.checked),
            stored=upserted,
            sources=_sources(settled),
            restated=answer.joined.restated,
            notes=answer.notes + settled.notes,
        )

    def _remember(
        self,
        ticker: str,
        record: TickerRecord,
        answer: FetchedBars,
        settled: ResolvedBars,
        *,
        asked_at: datetime,
        closed: date,
    ) -> None:
        last = settled.history.get_column("session").max()
        through, answered_at = known_through(settled.history), self._clock.now()
        quiet = 1 if len(settled.new) or settled.held else record.quiet + 1
        is_news = through == last and through != record.actions_through
        self._records.update(
            ticker,
            asked_at=asked_at,
            answered_at=answered_at,
            complete=record.complete or answer.is_complete,
            actions_through=through,
            actions_at=answered_at if settled.asked or is_news else record.actions_at,
            quiet=0 if last == closed else quiet,
            suspicion=settled.held,
            doubt=settled.doubt or record.doubt,
            **_NO_FAILURE,
        )

    def _take_actions(self, ticker: str) -> IngestReport:
        provider = self._provider
        assert isinstance(provider, ActionsProvider)
        record, bars = self._records.of(ticker), self._stored(ticker)
        last = bars["session"][-1]
        # A process that died between storing and remembering has paid for them already.
        was_paid = known_through(bars) == last != record.actions_through
        upserted = UpsertReport(0, 0, bars.height)
        if not was_paid:
            bars = with_actions(bars, provider.fetch_actions(ticker))
            upserted = self._store.upsert(bars)
        through, doubt = known_through(bars), record.doubt
        if doubt is not None and split_on(bars, doubt) != 1.0:
            doubt = None
        self._records.update(
            ticker, actions_through=through, actions_at=self._clock.now(), doubt=doubt
        )
        return self._report(ticker, stored=upserted)

    def _take_all(self, ticker: str) -> IngestReport:
        """Read a provider whose answers are whole and cost nothing."""
        sessions, now = self._sessions_of(ticker), self._clock.now()
        fetched = self._provider.fetch(ticker)
        checked = validate_bars(fetched, sessions, last_session=sessions.last_closed(now))
        self._quarantine.keep(ticker, checked.quarantine)
        upserted = self._store.upsert(checked.bars)
        through = known_through(checked.bars) if checked.bars.height else None
        self._records.update(
            ticker,
            asked_at=now,
            answered_at=self._clock.now(),
            complete=True,
            actions_through=through,
            **_NO_FAILURE,
        )
        return self._report(ticker, **delivered(checked), stored=upserted)

    def _remember_failure(self, ticker: str, task: Task, error: StockcastError) -> None:
        """Write down why nothing came; what cost a call and will not help is asked less often."""
        now, failures = self._clock.now(), self._records.of(ticker).failures
        is_permanent = isinstance(error, PermanentError)
        values = {"failure": str(error), "failed_at": now, "permanent": is_permanent}
        if task.wants == "actions":
            values |= {"permanent": False} | ({"actions_at": now} if is_permanent else {})
        elif is_permanent:
            values["failures"] = failures + 1 if isinstance(error, _OF_TICKER) else 1
        self._records.update(ticker, asked_at=now, **values)

    def _stored(self, ticker: str) -> pl.DataFrame:
        try:
            return self._store.read([ticker])
        except UnknownTickerError:
            return BAR_SCHEMA.to_frame()

    def _report(self, ticker: str, **values: Any) -> IngestReport:  # noqa: ANN401  # its fields
        stored, last = (
            values.get("stored", NOTHING),
            self._store.last_sessions([ticker]).get(ticker),
        )
        defaults = {
            "outcome": "ingested" if stored.inserted or stored.updated else "nothing_new",
            "actions_through": self._records.of(ticker).actions_through,
            "sessions_behind": count_behind(last, self._sessions_of(ticker), self._clock.now()),
        }
        return IngestReport(ticker, **(defaults | values))


def _sources(settled: ResolvedBars) -> dict[str, int]:
    new = settled.history.filter(pl.col("session").is_in(settled.new.implode()))
    counts = new.group_by("source").len().sort("source")
    return {str(source): n for source, n in counts.iter_rows()}
