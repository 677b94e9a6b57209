"""Verification of a bundle in a child process with limits of time and memory.

A bundle comes from a store that others can write. A graph may compute without end, allocate all
memory or crash ONNX Runtime, and none of this may stop the service. The child receives the content
of the files, so the service opens exactly the bytes that were verified.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from core.errors import BundleError, StockcastError, TransientError
from forecasting.bundle.bundle import Bundle
from forecasting.bundle.files import SIZE_LIMITS
from forecasting.bundle.manifest import bundle_error

# Number of windows in one run of the graph. It bounds the memory for a universe of any size.
BATCH_SIZE = 256
_REFUSED = 3
# The child gets no other variable, because those of the service contain secrets.
_PASSED_ON = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "TMPDIR", "LANG")
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
_FROM_OUTSIDE = {signal.SIGINT, signal.SIGKILL, signal.SIGTERM}
_MAX_REASON = 1_000


@dataclass(frozen=True)
class BundleVerifier:
    """Verifies bundles in a child process.

    Parameters
    ----------
    cpu_seconds
        Processor time. A bundle that needs more is refused.
    wall_seconds
        Time on the clock. Only an overloaded machine reaches it, so a later attempt may succeed.
    memory_bytes
        Private memory of the child, in addition to ten times the size of the files.
    """

    cpu_seconds: int = 10
    wall_seconds: float = 60.0
    memory_bytes: int = 200 * 2**20

    def __call__(self, files: Mapping[str, bytes]) -> None:
        """Open the bundle in a child process, and run it on one full batch.

        Raises
        ------
        BundleError
            If the bundle is damaged or exceeds a limit.
        TransientError
            If the child does not run on this machine at present.
        """
        contents = [files[name] for name in SIZE_LIMITS]
        memory = self.memory_bytes + 10 * sum(map(len, contents))
        arguments = [str(self.cpu_seconds), str(memory), *(str(len(c)) for c in contents)]
        try:
            done = subprocess.run(  # noqa: S603  # the command is this program
                [sys.executable, "-m", __name__, *arguments],
                input=b"".join(contents),
                capture_output=True,
                check=False,
                timeout=self.wall_seconds,
                env={n: v for n, v in os.environ.items() if n in _PASSED_ON} | _ONE_THREAD,
            )
        except subprocess.TimeoutExpired:
            msg = (
                f"The bundle could not be verified within {self.wall_seconds:g} s, because the"
                " machine is overloaded; free processor time."
            )
            raise TransientError(msg) from None
        except OSError as error:
            msg = f"The process that verifies a bundle cannot start ({error.strerror})."
            raise TransientError(msg) from None
        self._raise_for(done)

    def _raise_for(self, done: subprocess.CompletedProcess[bytes]) -> None:
        if done.returncode == 0:
            return
        if done.returncode == _REFUSED:
            raise BundleError(done.stdout.decode(errors="replace")[:_MAX_REASON])
        if done.returncode > 0 or -done.returncode in _FROM_OUTSIDE:
            error = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
            reason = error[:_MAX_REASON] or f"it was killed with signal {-done.returncode}"
            msg = f"The process that verifies a bundle failed: {reason}"
            raise TransientError(msg)
        if done.returncode == -signal.SIGXCPU:
            problem = f"its graph takes more than {self.cpu_seconds} s of processor time."
        else:
            problem = f"it ends the process with signal {-done.returncode}."
        raise bundle_error(check="time and memory", problem=problem)


def main(arguments: list[str]) -> int:
    """Verify the bundle at the standard input; print the reason if it is refused.

    Parameters
    ----------
    arguments
        Limits of processor time in seconds and of memory in bytes, and the sizes of the files.
    """
    cpu_seconds, memory, *sizes = map(int, arguments)
    files = {
        name: sys.stdin.buffer.read(size) for name, size in zip(SIZE_LIMITS, sizes, strict=True)
    }
    limits = {
        resource.RLIMIT_CPU: cpu_seconds,
        resource.RLIMIT_DATA: memory,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
    }
    for kind, limit in limits.items():
        # At the second limit of the processor time, the signal would be that of a killed process.
        resource.setrlimit(kind, (limit, limit + (kind == resource.RLIMIT_CPU)))
    try:
        bundle = Bundle.from_files(files)
        windows = bundle.golden.windows
        bundle.run(np.resize(windows, (BATCH_SIZE, *windows.shape[1:])))
    except StockcastError as error:
        sys.stdout.write(str(error))
    except Exception as error:  # noqa: BLE001  # such as MemoryError
        problem = f"{type(error).__name__}: {error}."
        sys.stdout.write(str(bundle_error(check="time and memory", problem=problem)))
    else:
        return 0
    return _REFUSED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
