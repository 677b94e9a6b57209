"""Run benchmarks, each in its own process: ``python -m benchmarks [--quick] [--write] [NAME ...]``.

The `main()` of each module prints its measurements and its goals. A missed goal is no error,
because the numbers depend on the machine. `--quick` runs each one for a moment, to see that it
works; its numbers mean nothing. `--write` puts the output into `docs/performance.md`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.record import Section, write_sections

HERE = Path(__file__).parent
BENCHMARKS = {
    "bundle": "benchmarks.bench_bundle",
    "features": "benchmarks.bench_features",
    "store": "benchmarks.bench_store",
    "hello": "benchmarks.service.hello",
    "microseconds": "benchmarks.service.microseconds",
    "plain": "benchmarks.service.plain",
    "mlflow": "benchmarks.service.mlflow_scoring",
    "bodies": "benchmarks.service.bodies",
    "swap": "benchmarks.service.swap",
    "memory": "benchmarks.service.memory",
    "users": "benchmarks.service.users",
    "faults": "benchmarks.service.faults",
    "schema": "benchmarks.service.schema",
}
# A benchmark that hangs is ended.
MOST_SECONDS = 1_800


def run(name: str, *, quick: bool) -> Section:
    """Run one benchmark, print its output as it comes, and return it."""
    print(f"== {name}", flush=True)
    started = time.perf_counter()
    program = f"from {BENCHMARKS[name]} import main; main(quick={quick})"
    command = ["timeout", str(MOST_SECONDS), sys.executable, "-u", "-c", program]
    lines = []
    with subprocess.Popen(
        command,
        cwd=HERE.parent,
        env=os.environ | {"COLUMNS": "110", "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    if process.returncode:
        print(f"{name} failed with exit code {process.returncode}.", file=sys.stderr, flush=True)
    seconds = time.perf_counter() - started
    print(f"-- {name}: {seconds:.0f} s\n", flush=True)
    return Section(name, "".join(lines), seconds, failed=process.returncode != 0)


def main(arguments: list[str]) -> int:
    """Run the named benchmarks, or all; return 1 when one of them failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--quick", action="store_true", help="run each one for a moment")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(BENCHMARKS))
    if unknown:
        print(f"Unknown benchmark {', '.join(unknown)}; choose from {', '.join(BENCHMARKS)}.")
        return 2
    if options.write and options.quick:
        print("The numbers of --quick mean nothing, so --write does not accept them.")
        return 2
    sections = [run(name, quick=options.quick) for name in options.names or BENCHMARKS]
    if options.write:
        write_sections(sections)
    return 1 if any(section.failed for section in sections) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
