"""The terminal: consoles, characters that its encoding lacks, and lines of text.

All output of the commands is printed through the consoles of this module. A second console or a
direct write to the stream would break the lines of a progress bar.
"""

from __future__ import annotations

import codecs
import io
import os
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TextIO

from rich.console import Console, ConsoleDimensions
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Column
from rich.text import Text

# A pipe and a file have no width, so nothing is wrapped or split there.
UNLIMITED_WIDTH = 10_000
# In narrower terminals, lines have no indent and the bar shrinks.
WIDE = 80
_COMMAND = re.compile(r"`(stockcast [a-z]+(?: [^`]*)?)`")
_home_option: ContextVar[str] = ContextVar("home_option", default="")
ENCODING_ERRORS = "stockcast_ascii"
_ASCII = {
    "✓": "+",
    "✗": "x",
    "…": "...",
    "\N{EN DASH}": "-",
    "\N{EM DASH}": "-",
    "≤": "<=",
    "≥": ">=",
}
_BOX_DRAWING = range(0x2500, 0x2580)
_BRAILLE = range(0x2800, 0x2900)  # the frames of the spinner


def prepare_streams() -> None:
    """Let standard output and standard error replace characters that their encoding lacks."""
    codecs.register_error(ENCODING_ERRORS, _replace)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=ENCODING_ERRORS)


def make_console(*, stderr: bool = False) -> Console:
    """Return the console of standard output or standard error.

    Its width is that of the terminal; a pipe or a file has no limit.
    """
    stream = sys.stderr if stderr else sys.stdout
    if stream.isatty():
        return _TerminalConsole(file=_duplicate(stream))
    return Console(stderr=stderr, width=UNLIMITED_WIDTH)


class _TerminalConsole(Console):
    """A console on a stream of its own, with the size of that terminal."""

    @property  # type: ignore[misc]  # nothing sets the size
    def size(self) -> ConsoleDimensions:
        """Size of the terminal now; rich measures the standard streams instead."""
        columns, lines = os.get_terminal_size(self.file.fileno())
        return ConsoleDimensions(columns or WIDE, lines or 25)


def _duplicate(stream: TextIO) -> TextIO:
    """Return another file on the terminal of `stream`.

    Dagster redirects the descriptors of the standard streams during a step. A console on them would
    then lose the terminal, and would not erase its progress bar any more.
    """
    descriptor = os.dup(stream.fileno())
    return os.fdopen(descriptor, "w", encoding=stream.encoding, errors=stream.errors)


@contextmanager
def repeat_home(home: Path | str | None) -> Iterator[None]:
    """Add ``--home`` to the commands in printed hints, if `home` was given to this command."""
    token = _home_option.set("" if not home else f" --home {shlex.quote(str(home))}")
    try:
        yield
    finally:
        _home_option.reset(token)


def with_home(message: str) -> str:
    """Return a message with ``--home`` repeated in its hints, such as ```stockcast run```."""
    option = _home_option.get()
    return _COMMAND.sub(lambda hint: f"`{hint[1]}{option}`", message) if option else message


def print_line(console: Console, message: str, *, style: str = "") -> None:
    """Print a message as it is, without markup; lines are wrapped between words."""
    console.print(Text(with_home(message), style))


def print_command(console: Console, command: str) -> None:
    """Print a shell command that can be copied: only the terminal wraps it."""
    console.print(Text(f"  {command}"), soft_wrap=True)


def print_labelled(console: Console, label: Text, message: str, *, style: str = "") -> None:
    """Print a message after a label.

    Both are one print, because a progress bar below is drawn again after each print.
    """
    console.print(Text.assemble(label, (with_home(message), style)))


def progress_bar(console: Console) -> Progress:
    """Return a progress bar that fits the width of the terminal; a pipe or a file has none."""
    is_wide = console.width >= WIDE
    return Progress(
        SpinnerColumn(),
        TextColumn(
            "{task.description}",
            markup=False,
            table_column=Column(no_wrap=True, overflow="ellipsis"),
        ),
        *([BarColumn(bar_width=24)] if is_wide else []),
        MofNCompleteColumn(table_column=Column(no_wrap=True, min_width=5)),
        TimeElapsedColumn(table_column=Column(no_wrap=True, min_width=7)),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(map(_ascii, missing)), error.end


def _ascii(character: str) -> str:
    if ord(character) in _BOX_DRAWING:
        return "-"
    if ord(character) in _BRAILLE:
        return "*"
    return _ASCII.get(character) or character.encode("ascii", "backslashreplace").decode()
