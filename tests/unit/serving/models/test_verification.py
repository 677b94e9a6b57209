"""Attacks on a service through a bundle. The child process is real."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from support.forecasting.attacks import (
    allocate,
    allocate_at_opening,
    change_graph,
    compute_for_ever,
)
from support.forecasting.bundles import forge, tiny_bundle

from core.errors import BundleError, TransientError
from forecasting.bundle.files import read_files
from serving.models.verification import BundleVerifier

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tiny_bundle(tmp_path / "bundle")
    return tmp_path / "bundle"


def test_a_sound_bundle_passes(folder: Path) -> None:
    BundleVerifier()(read_files(folder))


def test_a_graph_that_computes_for_ever_is_refused(folder: Path) -> None:
    change_graph(folder, compute_for_ever)
    with pytest.raises(BundleError, match="more than 1 s of processor time"):
        BundleVerifier(cpu_seconds=1)(read_files(folder))


@pytest.mark.parametrize("attack", [allocate, allocate_at_opening])
def test_a_graph_that_allocates_is_refused(
    folder: Path, attack: Callable[[onnx.GraphProto], None]
) -> None:
    change_graph(folder, attack)
    with pytest.raises(BundleError, match="alloc"):
        BundleVerifier()(read_files(folder))


def test_a_damaged_bundle_is_refused_with_the_reason_of_the_child(folder: Path) -> None:
    forge(folder, manifest={"lookback": 19})
    with pytest.raises(BundleError, match="`lookback` is 19 in the manifest and 20 in the graph"):
        BundleVerifier()(read_files(folder))


def test_an_overloaded_machine_refuses_for_now(folder: Path) -> None:
    with pytest.raises(TransientError, match=r"within 0\.01 s, because the machine is overloaded"):
        BundleVerifier(wall_seconds=0.01)(read_files(folder))


def test_a_child_that_does_not_start_refuses_for_now(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nowhere"))
    with pytest.raises(TransientError, match="cannot start"):
        BundleVerifier()(read_files(folder))


def test_the_child_receives_no_secrets(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text("import os; os._exit('KEY' in str(os.environ))")
    monkeypatch.setenv("STOCKCAST_ALPHA_VANTAGE_KEY", "secret")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    BundleVerifier()(read_files(folder))
