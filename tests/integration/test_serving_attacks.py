"""A real service, while its registry names a version that must never be opened."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.forecasting.attacks import allocate
from support.serving.homes import TestHome, make_home
from support.serving.servers import module_command, run_server, wait_until

from core.errors import BundleError
from forecasting.bundle.manifest import GOLDEN_FILE

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def test_an_attack_is_refused_with_the_reason_and_the_next_version_is_swapped_in(
    tmp_path: Path,
) -> None:
    home = make_home(tmp_path / "home", seeds=(1,))
    attack, sound = home.register_attack(2, allocate), home.register(3)
    with run_server(module_command, home.path, tmp_path / "server") as server:

        def issues() -> str:
            return server.get("/health").text

        def is_live(version: int) -> bool:
            return server.get("/predict/AAPL").json()["model"]["version"] == version

        home.move_alias("champion", attack)
        wait_until(lambda: f"Version {attack} is refused" in issues(), 60, server)
        assert "alloc" in issues()
        assert "Version 1 stays live" in issues()
        assert is_live(1)
        home.move_alias("champion", sound)
        wait_until(lambda: is_live(sound), 60, server)
        assert "is refused" not in issues()


def test_a_link_to_a_device_in_the_artefact_store_is_refused_before_it_is_copied(
    tmp_path: Path,
) -> None:
    """Regression: the download of a link to /dev/zero did not end."""
    home = TestHome(tmp_path / "home")
    version = home.register(1)
    golden = home.stored_bundle(version) / GOLDEN_FILE
    golden.unlink()
    golden.symlink_to("/dev/zero")
    with pytest.raises(BundleError, match=r"golden\.npz must be a regular file"):
        home.registry.download(version, tmp_path / "live")
    assert not (tmp_path / "live").exists()
