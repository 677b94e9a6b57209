"""Run every benchmark: each in a process of its own, so that none warms or slows another.

A benchmark is a module `bench_<name>.py` beside this one whose `main()` prints what it measured
side by side. Nothing is asserted about the numbers: they belong to the machine.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
BENCHMARKS = ("bench_bundle", "bench_features", "bench_http", "bench_store")


def run(name: str) -> bool:
    """Run one benchmark, its output passed on as it comes; return whether it ended well."""
    print(f"== {name}", flush=True)
    started = time.perf_counter()
    program = f"from benchmarks.{name} import main; main()"
    ended = subprocess.run([sys.executable, "-c", program], cwd=HERE.parent, check=False)
    if ended.returncode:
        print(f"{name} failed with exit code {ended.returncode}.", file=sys.stderr, flush=True)
    print(f"-- {name}: {time.perf_counter() - started:.0f} s\n", flush=True)
    return ended.returncode == 0


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all; return 1 when one of them crashed."""
    unknown = sorted(set(names) - set(BENCHMARKS))
    if unknown:
        print(f"unknown benchmark {', '.join(unknown)}; there are: {', '.join(BENCHMARKS)}")
        return 2
    failed = [name for name in names or BENCHMARKS if not run(name)]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
