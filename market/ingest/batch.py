"""One batch over many tickers: the order of the ingest tasks and the outcome of each ticker.

`market.ingest.plan` decides which tasks are due, `market.ingest.ticker_ingest` executes one.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Literal, Protocol, Self

from core.errors import (
    BarsError,
    PermanentError,
    ProviderKeyError,
    QuotaError,
    StockcastError,
    TransientError,
)
from core.isolation import reason_of
from market.ingest.plan import IngestTask
from market.ingest.report import IngestReport
from market.ingest.ticker_ingest import Ingest

logger = logging.getLogger(__name__)

OutcomeKind = Literal["ingested", "nothing_new", "up_to_date", "deferred", "failed"]


@dataclass(frozen=True)
class TickerOutcome:
    """The outcome of one ticker in a batch: a report, or an error instead.

    Attributes
    ----------
    sessions_behind
        Number of closed sessions after the last stored one, None if no bar is stored.
    report
        None if the task failed or was deferred.
    error
        The error of the bars.
    actions_error
        The error of splits and dividends after the bars were ingested.
    """

    ticker: str
    outcome: OutcomeKind
    sessions_behind: int | None
    report: IngestReport | None = None
    error: StockcastError | None = None
    actions_error: StockcastError | None = None

    @property
    def failure(self) -> StockcastError | None:
        """The error, except for a spent budget, which is not a failure."""
        error = self.error or self.actions_error
        return None if isinstance(error, QuotaError) else error

    @property
    def label(self) -> str:
        """The outcome as a label, such as ``nothing new``."""
        return self.outcome.replace("_", " ")

    @property
    def notes(self) -> str:
        """The reasons of the outcome in one line; empty without any."""
        if self.error is not None:
            return _reason(self.error)
        notes = [] if self.report is None else list(self.report.notes)
        if self.report is not None:
            refusal = [] if self.report.refusal is None else [self.report.refusal]
            notes = [*refusal, *self.report.set_aside, *notes]
        if self.actions_error is not None:
            notes.append(f"splits and dividends: {_reason(self.actions_error)}")
        return " ".join("; ".join(note.removeprefix(f"{self.ticker}: ") for note in notes).split())

    @property
    def new_bars(self) -> str:
        """The number of new bars by provider; empty without any."""
        if self.report is None:
            return ""
        by_source = [f"{n:,} from {name}" for name, n in self.report.sources.items() if n]
        inserted = self.report.stored.inserted
        return ", ".join(by_source) or (f"{inserted:,} new" if inserted else "")

    @property
    def summary(self) -> str:
        """The outcome in one line."""
        details = "; ".join(part for part in (self._stored, self.notes) if part)
        return f"{self.label}: {details}" if details else self.label

    @property
    def _stored(self) -> str:
        """What was stored, in words."""
        if self.report is None or self.outcome != "ingested":
            return ""
        if self.new_bars:
            return f"{self.new_bars} to {self.report.last_session}"
        stored, through = self.report.stored, self.report.actions_through
        if stored.removed or (stored.updated and self.report.restated):
            return ""  # the notes list corrected and removed sessions
        return f"splits and dividends to {through}" if through else ""

    def merge(self, actions: Self) -> Self:
        """Merge the outcome of the bars with that of the splits and dividends."""
        if self.report is None:
            return actions
        if actions.report is None:
            return replace(self, actions_error=actions.actions_error or actions.error)
        report = self.report.merge(actions.report)
        is_ingested = "ingested" in {self.outcome, actions.outcome}
        return replace(self, outcome="ingested" if is_ingested else self.outcome, report=report)


class BatchListener(Protocol):
    """Receives the progress of a batch."""

    def begin(self, n_tickers: int) -> None:
        """Receive the number of tickers, once."""
        ...

    def on_outcome(self, outcome: TickerOutcome) -> None:
        """Receive the outcome of a task."""
        ...


class SilentListener:
    """Ignores the progress, for runs without a terminal."""

    def begin(self, n_tickers: int) -> None:
        """Do nothing."""

    def on_outcome(self, outcome: TickerOutcome) -> None:
        """Do nothing."""


def ingest_all(
    ingest: Ingest,
    tickers: Sequence[str],
    *,
    force: bool,
    defer_actions: Callable[[], QuotaError | None],
) -> Iterator[TickerOutcome]:
    """Execute the due tasks of all tickers, most urgent first, and yield each outcome.

    A failed ticker does not stop the others. A ticker with due bars and due actions is yielded
    twice, the second time with the merged outcome. The same holds for a new ticker, whose actions
    are due as soon as it has bars. After a rejected key, the remaining tickers fail without a
    request.

    Parameters
    ----------
    force
        See `market.ingest.ticker_ingest.Ingest.plan`.
    defer_actions
        Called before each fetch of splits and dividends. An error that it returns defers the
        fetch, because the calls left are reserved for bars.
    """
    outcomes: dict[str, TickerOutcome] = {}
    key_error: ProviderKeyError | None = None
    planned = ingest.plan(tickers, force=force)

    def after_histories() -> Iterator[IngestTask]:
        new = [task.ticker for task in planned if task.kind == "history"]
        yield from (task for task in ingest.plan(new, force=force) if task.kind == "actions")

    for task in chain(planned, after_histories()):
        before = outcomes.get(task.ticker)
        if before is not None and before.error is not None:
            continue
        deferral = defer_actions() if task.kind == "actions" else None
        if key_error is not None and task.kind not in ("nothing", "blocked"):
            outcome = _failed(task, key_error)
        elif deferral is not None:
            outcome = _deferred(task, deferral)
        else:
            outcome = _ingest_ticker(ingest, task, force=force)
        if isinstance(outcome.error, ProviderKeyError):
            key_error = outcome.error
        outcomes[task.ticker] = outcome if before is None else before.merge(outcome)
        yield outcomes[task.ticker]


def raise_if_all_failed(outcomes: Sequence[TickerOutcome]) -> None:
    """Raise one error if every ticker failed.

    Raises
    ------
    TransientError
        If a retry may help at least one ticker.
    PermanentError
        If no retry can help.
    """
    if not outcomes or any(outcome.outcome != "failed" for outcome in outcomes):
        return
    message = summarize_failures(outcomes)
    if any(isinstance(outcome.error, TransientError) for outcome in outcomes):
        raise TransientError(message)
    raise PermanentError(message)


def summarize_failures(failed: Sequence[TickerOutcome]) -> str:
    """Return one line per error, with its tickers."""
    by_error: dict[str, list[str]] = {}
    for outcome in failed:
        if outcome.failure is not None:
            by_error.setdefault(_reason(outcome.failure), []).append(outcome.ticker)
    return "\n".join(f"{_list_tickers(tickers)}: {error}" for error, tickers in by_error.items())


def summarize_outcomes(outcomes: Sequence[TickerOutcome]) -> str:
    """Return the number of tickers by outcome, such as ``2 tickers: 1 ingested, 1 failed``."""
    counts = Counter(o.label for o in outcomes)
    labels = ", ".join(f"{n:,} {label}" for label, n in counts.most_common())
    return f"{len(outcomes):,} ticker{'' if len(outcomes) == 1 else 's'}: {labels}"


def _ingest_ticker(ingest: Ingest, task: IngestTask, *, force: bool) -> TickerOutcome:
    if task.kind == "blocked":
        return _failed(task, BarsError(task.reason))
    try:
        report = ingest.ingest_ticker(task.ticker, force=force)
    except QuotaError as error:
        return _deferred(task, error)
    except StockcastError as error:
        return _failed(task, error)
    except Exception as error:  # any fault of one ticker must spare the others
        logger.debug("%s failed", task.ticker, exc_info=True)
        return _failed(task, PermanentError(reason_of(error)))
    return TickerOutcome(task.ticker, report.outcome, report.sessions_behind, report=report)


def _deferred(task: IngestTask, error: QuotaError) -> TickerOutcome:
    if task.kind == "actions" and task.sessions_behind == 0:
        return TickerOutcome(task.ticker, "up_to_date", 0, actions_error=error)
    return TickerOutcome(task.ticker, "deferred", task.sessions_behind, error=error)


def _failed(task: IngestTask, error: StockcastError) -> TickerOutcome:
    return TickerOutcome(task.ticker, "failed", task.sessions_behind, error=error)


MAX_LISTED = 8


def _list_tickers(tickers: Sequence[str]) -> str:
    n_more = len(tickers) - MAX_LISTED
    more = f" and {n_more:,} more" if n_more > 0 else ""
    return ", ".join(tickers[:MAX_LISTED]) + more


def _reason(error: StockcastError) -> str:
    if isinstance(error, QuotaError):
        return f"waits for the budget to renew at {error.renews_at:%Y-%m-%d %H:%M} UTC"
    return " ".join(str(error).split())
