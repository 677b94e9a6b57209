"""Record the covered lines and branches of the packages in each Python process.

`make test` puts this folder into PYTHONPATH, so every child process imports this module as well.
SlipCover changes only the modules of the packages. A tracer such as that of coverage.py slows down
every Python call of every library: 40 % of the time of this suite.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import uuid
from multiprocessing import util
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = ("core", "market", "forecasting", "registry", "pipelines", "serving", "stockcast")
FOLDER = "BRANCH_COVERAGE_FOLDER"


def record(folder: Path) -> None:
    """Instrument the packages when they are imported; write a file when the process ends."""
    from slipcover import FileMatcher, ImportManager, Slipcover  # noqa: PLC0415  only if recording

    class Recorder(Slipcover):
        def deinstrument_seen(self) -> None:
            # It searches the variables of all threads, which may change meanwhile. Its next call
            # repeats the search; without this, the measured code would fail.
            with contextlib.suppress(RuntimeError):
                super().deinstrument_seen()

    # The report excludes lines, once for all processes.
    cover = Recorder(branch=True, exclude_lines=[])
    sources = [str(ROOT / package) for package in PACKAGES]
    ImportManager(cover, FileMatcher(sources=sources)).__enter__()
    process, path = os.getpid(), folder / f"{uuid.uuid4().hex}.json"

    def save() -> None:
        if os.getpid() == process and folder.is_dir():
            os.chdir(ROOT)  # paths in the file are relative to it
            path.write_text(json.dumps(cover.get_coverage()["files"]))

    def save_and_end(number: int, _: FrameType | None) -> None:
        save()
        signal.signal(number, signal.SIG_DFL)
        os.kill(process, number)

    atexit.register(save)
    util.Finalize(None, save, exitpriority=1)  # children of `multiprocessing` skip `atexit`
    signal.signal(signal.SIGTERM, save_and_end)


if found := os.environ.get(FOLDER):
    record(Path(found))
