"""One batch over many tickers: the order of their ingest tasks.

`market.ingest.planning.plan` decides which tasks are due, `market.ingest.ticker_ingest` executes
one, and `market.ingest.outcome` describes its outcome.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Protocol

from core.errors import (
    BarsError,
    PermanentError,
    ProviderKeyError,
    QuotaError,
    StockcastError,
)
from core.isolation import reason_of
from market.ingest.outcome import TickerOutcome
from market.ingest.planning.ticker_plan import IngestTask
from market.ingest.ticker_ingest import Ingest

logger = logging.getLogger(__name__)


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
    twice, the second time with the merged outcome. The same holds for a new ticker: its actions
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
