"""The outputs of benchmarks in `docs/performance.md`, with the machine and the commit."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from core.clock import SystemClock

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "performance.md"
SECTION = re.compile(r"^### (?P<name>\w+)\n.*?(?=^### |^## |\Z)", re.MULTILINE | re.DOTALL)
HEADING = "## Output of `make bench`\n"


@dataclass(frozen=True)
class Section:
    """The output of one benchmark."""

    name: str
    output: str
    seconds: float
    failed: bool = False

    def render(self, where: str) -> str:
        """Return the section of the page."""
        how = f"`python -m benchmarks {self.name}`, {self.seconds:.0f} s, {where}."
        return f"### {self.name}\n\n{how}\n\n```text\n{self.output.rstrip()}\n```\n\n"


def describe_machine(now: datetime | None = None) -> str:
    """Return processor, cores, memory, load, Python and commit in one line."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    memory = psutil.virtual_memory().total / 2**30
    load = os.getloadavg()[2]
    day = (now or SystemClock().now()).astimezone(UTC).date()
    return (
        f"{day}, {len(os.sched_getaffinity(0))} cores of {cpu}, {memory:.0f} GB, Linux"
        f" {platform.release()}, Python {platform.python_version()}, load {load:.1f} in the last"
        f" 15 minutes, commit {commit}"
    )


def write_sections(sections: Sequence[Section], page: Path = PAGE) -> None:
    """Put the outputs of successful benchmarks into the page; the others stay as they are."""
    where = describe_machine()
    text = page.read_text(encoding="utf-8") if page.exists() else "# Performance\n\n"
    head, _, tail = text.partition(HEADING)
    kept = {match["name"]: match[0] for match in SECTION.finditer(tail)}
    kept |= {one.name: one.render(where) for one in sections if not one.failed}
    body = "".join(kept.values()).rstrip()
    page.write_text(f"{head.rstrip()}\n\n{HEADING}\n{body}\n", encoding="utf-8")
