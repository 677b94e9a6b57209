"""Telemetry of the libraries is off by default."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from support.forecasting.bundles import tiny_bundle


def test_running_a_bundle_writes_no_device_id_into_the_home_of_the_user(tmp_path: Path) -> None:
    tiny_bundle(tmp_path / "bundle")
    home = tmp_path / "home"
    home.mkdir()
    program = (
        "import sys; from pathlib import Path; from forecasting.bundle.bundle import Bundle\n"
        "Bundle.load(Path(sys.argv[1]))\n"
        "assert 'onnxruntime' in sys.modules"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("ORT_", "XDG_"))}

    subprocess.run(
        [sys.executable, "-c", program, tmp_path / "bundle"],
        env={**environment, "HOME": str(home)},
        check=True,
        timeout=60,
    )

    assert list(home.rglob("*")) == []
