"""Print the branch coverage by package: ``report.py FOLDER [--fail-under 92] [--missing]``."""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from sitecustomize import PACKAGES, ROOT
from slipcover import Slipcover

Branch = tuple[int, int]
EXCLUDED = [r"if TYPE_CHECKING:", r"if __name__ == .__main__.:", r"^\s*\.\.\.$"]


@dataclass
class FileCoverage:
    """Lines and branches of one module, and those of them that ran."""

    lines: set[int]
    branches: set[Branch]
    ran_lines: set[int] = field(default_factory=set)
    ran_branches: set[Branch] = field(default_factory=set)

    def add(self, lines: Iterable[int], branches: Iterable[Branch]) -> None:
        """Add what one process ran; excluded lines do not count."""
        self.ran_lines |= self.lines & set(lines)
        self.ran_branches |= self.branches & {(start, end) for start, end in branches}

    def counts(self) -> Counter[str]:
        return Counter(
            lines=len(self.lines),
            ran_lines=len(self.ran_lines),
            branches=len(self.branches),
            ran_branches=len(self.ran_branches),
        )


def read(folder: Path) -> dict[str, FileCoverage]:
    """Return the coverage of every module of the packages, imported or not."""
    os.chdir(ROOT)
    modules = Slipcover(branch=True, source=list(PACKAGES), exclude_lines=EXCLUDED)
    files = {
        name: FileCoverage(set(found["missing_lines"]), set(found["missing_branches"]))
        for name, found in modules.get_coverage()["files"].items()
    }
    for path in folder.glob("*.json"):
        for name, found in json.loads(path.read_text()).items():
            if name in files:
                files[name].add(found["executed_lines"], found["executed_branches"])
    return files


def row(name: str, counts: Counter[str]) -> str:
    shares = " ".join(
        f"{100 * counts[f'ran_{kind}'] / max(counts[kind], 1):7.1f} % of {counts[kind]:6,} {kind}"
        for kind in ("branches", "lines")
    )
    return f"{name:12s} {shares}"


def main() -> int:
    """Print the table; return 1 if fewer branches ran than demanded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--fail-under", type=float, default=0.0, metavar="PERCENT")
    parser.add_argument("--missing", action="store_true", help="name what did not run")
    args = parser.parse_args()
    files = read(args.folder.resolve())
    total: Counter[str] = Counter()
    for package in PACKAGES:
        found = [file.counts() for name, file in files.items() if Path(name).parts[0] == package]
        counts = sum(found, Counter())
        print(row(package, counts))
        total += counts
    print(row("total", total))
    if args.missing:
        for name, file in sorted(files.items()):
            lines = sorted(file.lines - file.ran_lines)
            # A branch into a line that never ran is named by that line.
            ways = sorted(b for b in file.branches - file.ran_branches if b[1] not in lines)
            if lines or ways:
                print(f"{name}: lines {lines}, branches {ways}")
    share = 100 * total["ran_branches"] / total["branches"]
    if share < args.fail_under:
        print(f"{share:.1f} % of the branches ran, and at least {args.fail_under:.0f} % must.")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
