"""Graphs that an attacker could store in the registry."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper
from support.forecasting.bundles import forge

from forecasting.bundle.manifest import GRAPH_FILE


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


def allocate_at_opening(graph: onnx.GraphProto) -> None:
    """Fill 64 GB with a constant, which ONNX Runtime computes when it opens the graph."""
    size = numpy_helper.from_array(np.array([2**34], np.int64), "constant_size")
    graph.initializer.append(size)
    graph.node.append(helper.make_node("ConstantOfShape", ["constant_size"], ["filled"]))
    add_to_mean(graph, "filled")
