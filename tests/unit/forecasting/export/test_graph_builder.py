from __future__ import annotations

import random

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from core.errors import BundleError
from forecasting.bundle.graph import INPUT, LAYOUT_KEY, EnsembleGraph, GraphLayout
from forecasting.export.graph_builder import GraphBuilder

LAYOUT = GraphLayout(("a", "b"), 3, (1, 5), ("forest",))


def summing_member(*, seed: int | None = None) -> onnx.ModelProto:
    """A member from (n, 3, 2) to (n, 2). A seed changes names and order, not the computation."""
    rng = random.Random(seed)
    names = {
        name: f"{name}_{rng.random()}" if seed else name for name in ("in", "out", "s", "e", "half")
    }
    first, other = (
        helper.make_node("ReduceSum", [names["in"], "axis"], [names["s"]], keepdims=0),
        helper.make_node("Exp", [names["half"]], [names["e"]], name=f"/home/{rng.random()}/exp"),
    )
    nodes = [other, first] if seed else [first, other]
    nodes.append(helper.make_node("Mul", [names["s"], names["e"]], [names["out"]]))
    tensors = [
        numpy_helper.from_array(np.array([1], np.int64), "axis"),
        numpy_helper.from_array(np.float32([0.5]), names["half"]),
    ]
    given = helper.make_tensor_value_info(names["in"], TensorProto.FLOAT, ["n", 3, 2])
    result = helper.make_tensor_value_info(names["out"], TensorProto.FLOAT, ["n", 2])
    graph = helper.make_graph(
        nodes, f"g{seed}", [given], [result], tensors if seed else tensors[::-1]
    )
    return helper.make_model(graph, producer_name=f"exporter {seed}")


def build(member: onnx.ModelProto) -> bytes:
    graph = GraphBuilder()
    values = graph.add("Abs", graph.graft(member.SerializeToString(), INPUT))
    graph.add("Neg", values)  # no output needs it
    mean = graph.add("Mul", values, graph.constant(1.0), output="mean")
    scale = graph.add("Mul", values, graph.constant(1.0), output="scale")
    graph.add("Unsqueeze", mean, graph.constant([1]), output="member_mean")
    graph.add("Unsqueeze", scale, graph.constant([1]), output="member_scale")
    shapes = LAYOUT.shapes(None)
    return graph.build({INPUT: shapes.pop(INPUT)}, shapes, {LAYOUT_KEY: LAYOUT.to_json()})


def test_a_joined_graph_computes_the_composition_of_its_parts() -> None:
    windows = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    output = EnsembleGraph(build(summing_member())).run(windows)
    np.testing.assert_allclose(output.mean, windows.sum(axis=1) * np.exp(0.5), rtol=1e-6)


@pytest.mark.parametrize("seed", range(1, 6))
def test_names_and_order_of_an_export_do_not_change_the_bytes(seed: int) -> None:
    assert build(summing_member(seed=seed)) == build(summing_member())


def test_equal_constants_are_merged_and_unused_nodes_dropped() -> None:
    model = onnx.load_from_string(build(summing_member()))
    contents = [t.raw_data for t in model.graph.initializer]
    assert len(contents) == len(set(contents)) == 3
    assert "Neg" not in {node.op_type for node in model.graph.node}


def test_a_member_with_a_loop_is_refused() -> None:
    member = summing_member()
    body = helper.make_graph([], "body", [], [])
    member.graph.node.append(helper.make_node("Loop", ["", ""], [], body=body))
    with pytest.raises(BundleError, match="uses Loop"):
        GraphBuilder().graft(member.SerializeToString(), INPUT)
