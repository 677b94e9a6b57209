"""Attacks on a service through a bundle. The child process is real."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from support.forecasting.bundles import forge, tiny_bundle

from core.errors import BundleError, TransientError
from forecasting.bundle.files import read_files
from forecasting.bundle.manifest import GRAPH_FILE
from serving.models.verification import BundleVerifier

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tiny_bundle(tmp_path / "bundle")
    return tmp_path / "bundle"


def change_graph(folder: Path, change: Callable[[onnx.GraphProto], None]) -> None:
    """Add nodes to the graph of a bundle, and seal it again."""
    model = onnx.load(folder / GRAPH_FILE)
    change(model.graph)
    forge(folder, graph=model.SerializeToString())


def add_to_mean(graph: onnx.GraphProto, work: str) -> None:
    """Add zero times the tensor `work` to the mean, so that it is computed and changes nothing."""
    for node in graph.node:
        node.output[:] = ["sound_mean" if name == "mean" else name for name in node.output]
    graph.initializer.append(numpy_helper.from_array(np.zeros(1, np.float32), "nothing"))
    graph.node.extend(
        [
            helper.make_node("ReduceMax", [work], ["single"], keepdims=0),
            helper.make_node("Mul", ["single", "nothing"], ["no_effect"]),
            helper.make_node("Add", ["sound_mean", "no_effect"], ["mean"]),
        ]
    )


def compute_for_ever(graph: onnx.GraphProto) -> None:
    """Multiply a matrix by itself for hours: no loop, little memory, and few bytes."""
    size = numpy_helper.from_array(np.array([2048, 2048], np.int64), "matrix_size")
    graph.initializer.extend([size, numpy_helper.from_array(np.zeros(1, np.float32), "element")])
    # A value of the windows keeps ONNX Runtime from computing the products at the opening.
    graph.node.append(helper.make_node("ReduceMax", ["window"], ["value"], keepdims=0))
    graph.node.append(helper.make_node("Mul", ["value", "element"], ["seed"]))
    graph.node.append(helper.make_node("Expand", ["seed", "matrix_size"], ["power_0"]))
    for i in range(3000):
        powers = [f"power_{i}", "power_0"]
        graph.node.append(helper.make_node("MatMul", powers, [f"power_{i + 1}"]))
    add_to_mean(graph, "power_3000")


def allocate(graph: onnx.GraphProto) -> None:
    """Double a tensor forty times."""
    graph.node.append(helper.make_node("Identity", ["window"], ["double_0"]))
    for i in range(40):
        doubled = [f"double_{i}"] * 2
        graph.node.append(helper.make_node("Concat", doubled, [f"double_{i + 1}"], axis=0))
    add_to_mean(graph, "double_40")


def test_a_sound_bundle_passes(folder: Path) -> None:
    BundleVerifier()(read_files(folder))


def test_a_graph_that_computes_for_ever_is_refused(folder: Path) -> None:
    change_graph(folder, compute_for_ever)
    with pytest.raises(BundleError, match="more than 1 s of processor time"):
        BundleVerifier(cpu_seconds=1)(read_files(folder))


def test_a_graph_that_allocates_is_refused(folder: Path) -> None:
    change_graph(folder, allocate)
    with pytest.raises(BundleError, match=r"cannot run the graph on 4 windows: .*alloc"):
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
