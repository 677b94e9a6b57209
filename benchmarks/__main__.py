"""Run benchmarks, each in its own process.

A benchmark is a module `bench_<name>.py` in this folder. Its `main()` prints the measurements.
There are no thresholds, because the numbers depend on the machine.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
BENCHMARKS = ("bench_bundle", "bench_features", "bench_http", "bench_store", "bench_swap")


def run(name: str) -> bool:
    """Run one benchmark and return whether it succeeded."""
    print(f"== {name}", flush=True)
    started = time.perf_counter()
    program = f"from benchmarks.{name} import main; main()"
    completed = subprocess.run([sys.executable, "-c", program], cwd=HERE.parent, check=False)
    if completed.returncode:
        print(f"{name} failed with exit code {completed.returncode}.", file=sys.stderr, flush=True)
    print(f"-- {name}: {time.perf_counter() - started:.0f} s\n", flush=True)
    return completed.returncode == 0


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all; return 1 when one of them failed."""
    unknown = sorted(set(names) - set(BENCHMARKS))
    if unknown:
        print(f"Unknown benchmark {', '.join(unknown)}; choose from {', '.join(BENCHMARKS)}.")
        return 2
    failed = [name for name in names or BENCHMARKS if not run(name)]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
