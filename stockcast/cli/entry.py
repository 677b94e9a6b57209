"""Entry point of the command `stockcast`, without imports that take time."""

import sys

from stockcast.cli.exit_status import INTERRUPTED


def main() -> None:
    """Run the command line. Ctrl-C during its imports ends it in one line."""
    try:
        from stockcast.cli import app  # noqa: PLC0415  half a second

        app.main()
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted.\n")
        sys.exit(INTERRUPTED)
