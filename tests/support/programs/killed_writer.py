"""A process that dies while it replaces a file: ``python killed_writer.py PATH KILL_AT``.

It kills itself (SIGKILL) just before the given call, counted from 1, that opens, writes, syncs,
renames or closes a file; with a number past the last such call it finishes. `NEW` is written.
"""

from __future__ import annotations

import os
import signal
import sys
from itertools import count
from pathlib import Path
from types import FrameType

from core.files import write_atomically

OLD, NEW = b"old" * 100_000, b"new" * 200_000
STEPS = {"open", "write", "flush", "fsync", "replace", "rename", "close", "__exit__"}


def die_at(step: int) -> None:
    calls = count(1)

    def watch(_: FrameType, event: str, function: object) -> None:
        is_step = event == "c_call" and getattr(function, "__name__", "") in STEPS
        if is_step and next(calls) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(watch)


if __name__ == "__main__":
    die_at(int(sys.argv[2]))
    write_atomically(Path(sys.argv[1]), NEW)
    sys.setprofile(None)
