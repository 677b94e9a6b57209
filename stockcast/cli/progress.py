"""A run's progress on the terminal: a bar over steps or tickers, and a line a message."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from market.ingest.batch import TickerOutcome

LOGGER_KEY = "terminal"
STYLES = {logging.DEBUG: "dim", logging.WARNING: "yellow", logging.ERROR: "bold red"}
LEVELS = {"failed": logging.ERROR, "deferred": logging.WARNING}


class RunProgress(logging.Handler):
    """Shows a run of many steps on a console, from the events that its logger receives.

    It also follows the round over tickers within the run.
    """

    def __init__(self, console: Console) -> None:
        super().__init__(logging.DEBUG)
        self._console = console
        self._started: dict[str, float] = {}
        self._bar = _bar(console)
        self._task = self._bar.add_task("starting", total=None)
        self._heard: set[str] = set()
        self._n_tickers = 0

    @contextmanager
    def over(self, *, steps: int) -> Iterator[None]:
        """Show the bar while the body runs a job of so many steps."""
        self._bar.update(self._task, total=steps)
        with self._bar:
            yield

    def begin(self, n_tickers: int) -> None:
        """Hear how many tickers there are."""
        self._heard, self._n_tickers = set(), n_tickers

    def on_outcome(self, outcome: TickerOutcome) -> None:
        """Show which ticker was the last one."""
        self._heard.add(outcome.ticker)
        said = f"{outcome.ticker} ({len(self._heard):,} of {self._n_tickers:,})"
        self._bar.update(self._task, description=said)

    def emit(self, record: logging.LogRecord) -> None:
        """Show one record: a step's start or end, or a message that an asset wrote."""
        event: Any = getattr(record, "dagster_event", None)
        meta: dict[str, Any] = getattr(record, "dagster_meta", {})
        step = str(meta.get("step_key") or "")
        if event is None:
            # Dagster itself writes about steps that it will not start.
            if record.levelno >= logging.INFO and step in self._started:
                self._say(step, str(meta.get("orig_message", record.getMessage())), record.levelno)
            return
        kind = event.event_type_value
        if kind == "STEP_START":
            self._started[step] = time.monotonic()
            self._bar.update(self._task, description=step)
        elif kind == "STEP_UP_FOR_RETRY":
            self._say(step, retry_sentence(event), logging.WARNING)
        elif kind in {"STEP_SUCCESS", "STEP_FAILURE"}:
            seconds = time.monotonic() - self._started.get(step, time.monotonic())
            failed = kind == "STEP_FAILURE"
            word = "failed after" if failed else "done in"
            self._say(step, f"{word} {seconds:.1f} s", logging.ERROR if failed else logging.DEBUG)
            self._bar.advance(self._task)

    def _say(self, step: str, message: str, level: int) -> None:
        self._console.print(f"[cyan]{step:>24}[/]  ", end="")
        _print(self._console, message, level)


class IngestProgress(logging.Handler):
    """Shows a round over tickers: a bar on a terminal, and a line a ticker anywhere else."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.DEBUG)
        self._heard: dict[str, TickerOutcome] = {}
        self._console = console
        # Asked now: while a bar is shown, the console writes through something else.
        self._is_terminal = console.is_terminal
        self._bar = _bar(console)
        self._task = self._bar.add_task("starting", total=None)

    @contextmanager
    def over(self, *, tickers: int) -> Iterator[None]:
        """Show the bar while the body takes in so many tickers, in one run or in several."""
        self._bar.update(self._task, total=tickers)
        with self._bar:
            yield

    @property
    def outcomes(self) -> list[TickerOutcome]:
        """What became of each ticker at last."""
        return list(self._heard.values())

    def begin(self, n_tickers: int) -> None:
        """Hear that a run begins, or begins again."""

    def on_outcome(self, outcome: TickerOutcome) -> None:
        """Show what became of one ticker."""
        level = LEVELS.get(outcome.outcome, logging.INFO)
        if level == logging.ERROR or not self._is_terminal:
            _print(self._console, f"{outcome.ticker}: {outcome.summary}", level)
        self._heard[outcome.ticker] = outcome
        self._bar.update(self._task, description=outcome.ticker, completed=len(self._heard))

    def emit(self, record: logging.LogRecord) -> None:
        """Show why a run waits before it tries again; what assets write was heard already."""
        event: Any = getattr(record, "dagster_event", None)
        if event is not None and event.event_type_value == "STEP_UP_FOR_RETRY":
            _print(self._console, retry_sentence(event), logging.WARNING)


def as_logger(handler: logging.Handler) -> dg.LoggerDefinition:
    """Return the logger definition that a run takes to report to `handler`."""

    @dg.logger
    def terminal(_: dg.InitLoggerContext) -> logging.Logger:
        logger = logging.Logger("stockcast.run", level=logging.DEBUG)  # noqa: LOG001 - one a run
        logger.addHandler(handler)
        return logger

    return terminal


def retry_sentence(event: dg.DagsterEvent) -> str:
    """Return when a step that failed is tried again."""
    seconds = event.step_retry_data.seconds_to_wait or 0
    return f"no success; trying again in {seconds:.0f} s"


def _print(console: Console, message: str, level: int) -> None:
    console.print(
        message, style=STYLES.get(level, ""), markup=False, highlight=False, soft_wrap=True
    )


def _bar(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )
