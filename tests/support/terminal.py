"""A terminal for a child process: a pseudo-terminal of a given width, and its screen."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import sys
import termios
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

# One control sequence or one character.
_TOKEN = re.compile(r"\x1b\[\??(?P<number>\d*)[\d;]*(?P<kind>[A-Za-z])|(?P<char>[\s\S])")


@dataclass(frozen=True)
class Shown:
    """The end of a child process: its status, its output and the lines on the screen."""

    status: int
    output: str
    lines: list[str]


def run_in_terminal(
    command: Sequence[str],
    *,
    columns: int,
    environment: Mapping[str, str] | None = None,
    encoding: str = "utf-8",
    on_output: Callable[[str, int], object] | None = None,
) -> Shown:
    """Run a command in a terminal. `on_output` receives all output so far and the process."""
    pid, descriptor = pty.fork()
    if pid == 0:
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        inherited = {k: v for k, v in os.environ.items() if k not in {"COLUMNS", "NO_COLOR"}}
        os.execvpe(
            command[0], command, {**inherited, "TERM": "xterm-256color", **(environment or {})}
        )
    content = b""
    while chunk := _read(descriptor):
        content += chunk
        if on_output is not None:
            on_output(content.decode(encoding, errors="replace"), pid)
    os.close(descriptor)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    output = content.decode(encoding)
    return Shown(status, output, screen(output, columns))


def python(program: str, *arguments: str) -> list[str]:
    """Return the command that runs a program with this interpreter."""
    return [sys.executable, program, *arguments]


def screen(output: str, columns: int) -> list[str]:
    """Return the lines that a terminal shows after `output`."""
    lines: list[list[str]] = [[]]
    row = column = 0
    for token in _TOKEN.finditer(output):
        char = token["char"]
        if token["kind"] == "A":
            row = max(0, row - int(token["number"] or 1))
        elif token["kind"] == "K":
            lines[row] = []
        elif char == "\n":
            row += 1
        elif char == "\r":
            column = 0
        elif char is not None:
            if column == columns:
                row, column = row + 1, 0
            lines += [[] for _ in range(row + 1 - len(lines))]
            lines[row] += [" "] * (column + 1 - len(lines[row]))
            lines[row][column] = char
            column += 1
        lines += [[] for _ in range(row + 1 - len(lines))]
    return ["".join(line).rstrip() for line in lines]


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65_536)
    except OSError:  # the child closed the terminal
        return b""
