"""Progress of a run on the terminal: a bar over steps or tickers, and one line per message."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
from rich.console import Console
from rich.text import Text

from market.ingest.outcome import TickerOutcome
from stockcast.cli.output.console import WIDE, print_labelled, print_line, progress_bar

LOGGER_KEY = "terminal"
LABEL_WIDTH = 24
STYLES = {logging.DEBUG: "dim", logging.WARNING: "yellow", logging.ERROR: "bold red"}
LEVELS = {"failed": logging.ERROR, "deferred": logging.WARNING}


class RunProgress(logging.Handler):
    """Progress of a run with many steps, from the records of the run's logger.

    It also listens to the ingest batch and shows the last ticker next to the bar.
    """

    def __init__(self, console: Console) -> None:
        super().__init__(logging.DEBUG)
        self._console = console
        self._started: dict[str, float] = {}
        self._bar = progress_bar(console)
        self._task = self._bar.add_task("starting", total=None)
        self._finished_tickers: set[str] = set()
        self._n_tickers = 0

    @contextmanager
    def bar(self, *, steps: int) -> Iterator[None]:
        """Show the bar while a job with this number of steps runs."""
        self._bar.update(self._task, total=steps)
        with self._bar:
            yield

    def begin(self, n_tickers: int) -> None:
        """Reset the number of tickers at the start of an ingest batch."""
        self._finished_tickers, self._n_tickers = set(), n_tickers

    def on_outcome(self, outcome: TickerOutcome) -> None:
        """Show the ticker that was ingested last."""
        self._finished_tickers.add(outcome.ticker)
        progress = f"{len(self._finished_tickers):,} of {self._n_tickers:,}"
        self._bar.update(self._task, description=f"{outcome.ticker} ({progress})")

    def emit(self, record: logging.LogRecord) -> None:
        """Show the start or the end of a step, or a message of an asset."""
        event: Any = getattr(record, "dagster_event", None)
        meta: dict[str, Any] = getattr(record, "dagster_meta", {})
        step = str(meta.get("step_key") or "")
        if event is None:
            # Dagster also logs messages for steps that it skips; these have not started.
            if record.levelno >= logging.INFO and step in self._started:
                message = str(meta.get("orig_message", record.getMessage()))
                self._print_step(step, message, record.levelno)
            return
        kind = event.event_type_value
        if kind == "STEP_START":
            self._started[step] = time.monotonic()
            self._bar.update(self._task, description=step)
        elif kind == "STEP_UP_FOR_RETRY":
            self._print_step(step, retry_message(event), logging.WARNING)
        elif kind == "STEP_SUCCESS":
            self._print_step(step, f"done in {self._seconds(step):.1f} s", logging.DEBUG)
            self._bar.advance(self._task)
        elif kind == "STEP_FAILURE":
            self._print_step(step, f"failed after {self._seconds(step):.1f} s", logging.ERROR)
            self._bar.advance(self._task)

    def _seconds(self, step: str) -> float:
        now = time.monotonic()
        return now - self._started.get(step, now)

    def _print_step(self, step: str, message: str, level: int) -> None:
        indent = LABEL_WIDTH if self._console.width >= WIDE else 0
        label = Text(f"{step:>{indent}}  ", "cyan")
        print_labelled(self._console, label, message, style=STYLES.get(level, ""))


class IngestProgress(logging.Handler):
    """Progress of an ingest: a bar on a terminal, one line per ticker in a file or a pipe."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.DEBUG)
        self._outcomes: dict[str, TickerOutcome] = {}
        self._console = console
        # Read before the bar is shown, which replaces the file of the console.
        self._is_terminal = console.is_terminal
        self._bar = progress_bar(console)
        self._task = self._bar.add_task("starting", total=None)

    @contextmanager
    def bar(self, *, tickers: int) -> Iterator[None]:
        """Show the bar while one or several runs ingest this number of tickers."""
        self._bar.update(self._task, total=tickers)
        with self._bar:
            yield

    @property
    def outcomes(self) -> list[TickerOutcome]:
        """The last outcome of each ticker."""
        return list(self._outcomes.values())

    def begin(self, n_tickers: int) -> None:
        """Ignore the start of a batch; an ingest can have several."""

    def on_outcome(self, outcome: TickerOutcome) -> None:
        """Show the outcome of one ticker."""
        level = LEVELS.get(outcome.outcome, logging.INFO)
        if level == logging.ERROR or not self._is_terminal:
            line = f"{outcome.ticker}: {outcome.summary}"
            print_line(self._console, line, style=STYLES.get(level, ""))
        self._outcomes[outcome.ticker] = outcome
        self._bar.update(self._task, description=outcome.ticker, completed=len(self._outcomes))

    def emit(self, record: logging.LogRecord) -> None:
        """Show retries; `on_outcome` has shown the messages of the assets."""
        event: Any = getattr(record, "dagster_event", None)
        if event is not None and event.event_type_value == "STEP_UP_FOR_RETRY":
            print_line(self._console, retry_message(event), style=STYLES[logging.WARNING])


def as_logger(handler: logging.Handler) -> dg.LoggerDefinition:
    """Return a Dagster logger that sends the records of a run to `handler`."""

    @dg.logger
    def terminal(_: dg.InitLoggerContext) -> logging.Logger:
        logger = logging.Logger("stockcast.run", level=logging.DEBUG)  # noqa: LOG001 - one per run
        logger.addHandler(handler)
        return logger

    return terminal


def retry_message(event: dg.DagsterEvent) -> str:
    """Return the message for a step that failed and will be retried."""
    seconds = event.step_retry_data.seconds_to_wait or 0
    return f"failed; retrying in {seconds:.0f} s"
