"""A run's progress on the terminal: a line a message, a bar over the steps. No asset logic."""

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

LOGGER_KEY = "terminal"


class RunProgress(logging.Handler):
    """Shows one Dagster run on a console, from the events that its logger receives."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.INFO)
        self._console = console
        self._started: dict[str, float] = {}
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task("starting", total=None)

    @contextmanager
    def over(self, *, steps: int) -> Iterator[None]:
        """Show the bar while the body runs a job of so many steps."""
        self._bar.update(self._task, total=steps)
        with self._bar:
            yield

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
        elif kind in {"STEP_SUCCESS", "STEP_FAILURE"}:
            seconds = time.monotonic() - self._started.get(step, time.monotonic())
            failed = kind == "STEP_FAILURE"
            word = "failed after" if failed else "done in"
            self._say(step, f"{word} {seconds:.1f} s", logging.ERROR if failed else logging.DEBUG)
            self._bar.advance(self._task)

    def _say(self, step: str, message: str, level: int) -> None:
        style = {logging.DEBUG: "dim", logging.WARNING: "yellow", logging.ERROR: "bold red"}
        self._console.print(f"[cyan]{step:>24}[/]  ", end="")
        self._console.print(
            message, style=style.get(level, ""), markup=False, highlight=False, soft_wrap=True
        )

    def as_logger(self) -> dg.LoggerDefinition:
        """Return the logger definition that a run takes to report here."""

        @dg.logger
        def terminal(_: dg.InitLoggerContext) -> logging.Logger:
            logger = logging.Logger("stockcast.run", level=logging.DEBUG)  # noqa: LOG001 - one a run
            self.setLevel(logging.DEBUG)
            logger.addHandler(self)
            return logger

        return terminal
