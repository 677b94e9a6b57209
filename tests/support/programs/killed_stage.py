"""A process that is killed (SIGKILL) while it builds a stage: ``killed_stage.py ROOT``."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from pipelines.stages.store import StageStore


def die_half_way(folder: Path) -> None:
    (folder / "half.txt").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    StageStore(Path(sys.argv[1])).make("thing", {"size": 1}, die_half_way)
