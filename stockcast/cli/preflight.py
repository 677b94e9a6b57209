"""Checks before a command starts to work, and expected errors as one line.

Every command runs inside `command`.
"""

from __future__ import annotations

import errno
import getpass
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from core.errors import PermanentError, StockcastError
from core.settings import load_settings, variable_name
from stockcast.cli.exit_status import INTERRUPTED
from stockcast.cli.output.console import make_console, print_labelled, print_line, repeat_home
from stockcast.cli.settings import CommandSettings

Home = Annotated[
    Path | None, typer.Option(help="Folder for all files that Stockcast writes; by default ./var.")
]
# A run writes about 100 MB.
MIN_FREE_BYTES = 50_000_000
_NOT_OURS = {"lost+found"}  # in the root of a volume
_DISK_ERRORS = {errno.EACCES, errno.EDQUOT, errno.EIO, errno.ENOSPC, errno.EPERM, errno.EROFS}


@contextmanager
def command(*, home: Path | None = None, **overrides: str | None) -> Iterator[CommandSettings]:
    """Provide the settings of a command after a check that its home can be used.

    An expected error is printed as one message, and the command exits with status 1.
    """
    # A variable may be set for this command only, as in `STOCKCAST_HOME=folder make run`.
    with repeat_home(home or os.environ.get(variable_name("home"))), plain_errors():
        settings = load_settings(CommandSettings, home=home, **overrides)
        check_home(settings.home)
        set_home_variable(settings.home)
        yield settings


@contextmanager
def plain_errors() -> Iterator[None]:
    """Print an expected error as one message and exit with status 1."""
    message = ""
    try:
        yield
    except KeyboardInterrupt:
        print_line(
            make_console(stderr=True), "Interrupted; the next run continues from what was finished."
        )
        raise typer.Exit(INTERRUPTED) from None
    except StockcastError as error:
        message = str(error)
    except OSError as error:
        if error.errno not in _DISK_ERRORS:
            raise
        message = f"{error.strerror}: {error.filename or 'a file under the home'}; {_FIX}"
    except Exception as error:
        cause = getattr(error, "orig", error)  # SQLAlchemy wraps the errors of SQLite
        if not isinstance(cause, sqlite3.DatabaseError):
            raise
        message = f"A database under the home failed: {cause}; {_FIX}"
    if message:
        print_labelled(make_console(stderr=True), Text("error: ", "bold red"), message)
        raise typer.Exit(1)


def check_home(home: Path) -> None:
    """Create the home if it is missing, and check that a command can write there.

    Raises
    ------
    PermanentError
        If the folder or one of its entries is not writable, or its disk is nearly full.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home) as probe:
            probe.write(b"0")
        entries = [
            *(path for path in home.iterdir() if path.name not in _NOT_OURS),
            *home.glob("*/*.db"),
            *home.glob("*/*/*.db"),
        ]
    except OSError as error:
        msg = f"The home {home} cannot be used: {error.strerror or error}; {_FIX}"
        raise PermanentError(msg) from None
    for path in entries:
        if not os.access(path, os.R_OK | os.W_OK):
            msg = f"The home {home} cannot be used: {path} is not writable; {_FIX}"
            raise PermanentError(msg)
    free = shutil.disk_usage(home).free
    if free < MIN_FREE_BYTES:
        msg = (
            f"The disk of the home {home} has {free / 1e6:.0f} MB left, and a command needs "
            f"{MIN_FREE_BYTES / 1e6:.0f} MB; {_FIX}"
        )
        raise PermanentError(msg)


def set_home_variable(home: Path) -> None:
    """Set HOME if the user has no home folder, because MLflow and NLTK fail without one."""
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = str(home)


def user_name() -> str:
    """Return the name of the user; the number of a user without a name."""
    with suppress(KeyError, OSError, ImportError):
        return getpass.getuser()
    return f"uid {os.getuid()}"


_FIX = "make it writable, make room, or choose another folder with --home."
