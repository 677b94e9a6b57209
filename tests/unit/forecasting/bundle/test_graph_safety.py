from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from support.forecasting.bundles import tiny_graph, tiny_windows

from core.errors import BundleError
from forecasting.bundle.graph import LAYOUT_KEY, EnsembleGraph, GraphLayout
from forecasting.bundle.graph_safety import check_self_contained
from forecasting.horizons import HORIZONS

LAYOUT = GraphLayout(("a", "ewma_volatility"), 20, HORIZONS, ("forest", "lstm"))


@pytest.fixture
def model() -> onnx.ModelProto:
    return tiny_graph(LAYOUT)


def keep_tensors_outside(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    onnx.external_data_helper.set_external_data(tensor, location="/etc/passwd")
    tensor.ClearField("raw_data")


def use_an_operator_of_microsoft(model: onnx.ModelProto) -> None:
    # ONNX Runtime accepts the operator even if the model does not import the domain.
    model.graph.node.append(helper.make_node("Gelu", ["row"], ["g"], domain="com.microsoft"))


def branch(model: onnx.ModelProto) -> None:
    inner = helper.make_graph(
        [helper.make_node("Gelu", ["row"], ["g"], domain="com.microsoft")], "inner", [], []
    )
    model.graph.node.append(
        helper.make_node("If", ["zero"], ["i"], then_branch=inner, else_branch=inner)
    )


def define_a_function(model: onnx.ModelProto) -> None:
    model.functions.append(
        helper.make_function("ai.onnx", "Tanh", ["x"], ["y"], [], [helper.make_opsetid("", 15)])
    )


def use_an_unknown_operator(model: onnx.ModelProto) -> None:
    model.graph.node[0].op_type = "NoSuchOperator"


def claim_two_gigabytes(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(
        onnx.TensorProto(name="huge", data_type=onnx.TensorProto.FLOAT, dims=[2**29])
    )
    model.graph.node.append(helper.make_node("Identity", ["huge"], ["copy"]))


def claim_a_negative_size(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].dims[0] = -1


def keep_an_unused_tensor(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(1), "unused"))


def keep_a_sparse_tensor(model: onnx.ModelProto) -> None:
    values, indices = (numpy_helper.from_array(np.zeros(1, t)) for t in (np.float32, np.int64))
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [2**40]))


def size_by_the_prices(model: onnx.ModelProto) -> None:
    """Add tensors that are small for the golden windows, and may be huge for later windows."""
    model.graph.node.extend(
        [
            helper.make_node("ReduceMax", ["window"], ["largest"], keepdims=0),
            helper.make_node("Cast", ["largest"], ["number"], to=onnx.TensorProto.INT64),
            helper.make_node("Reshape", ["number", "one"], ["size"]),
            helper.make_node("Expand", ["zero", "size"], ["expanded"]),
        ]
    )


def draw_random_numbers(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("RandomUniform", [], ["random"], shape=[2]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (keep_tensors_outside, "has tensors in other files"),
        (use_an_operator_of_microsoft, "operators of com.microsoft"),
        (branch, "uses If"),
        (define_a_function, "functions or training"),
        (use_an_unknown_operator, "uses NoSuchOperator"),
        (claim_two_gigabytes, "tensors without their values"),
        (claim_a_negative_size, "tensors of a negative size"),
        (keep_an_unused_tensor, "tensors that no operator reads"),
        (keep_a_sparse_tensor, "sparse tensors"),
        (size_by_the_prices, "Expand with a size from the values of the windows"),
        (draw_random_numbers, "uses RandomUniform"),
    ],
)
def test_a_graph_with_other_files_or_operators_is_refused(
    model: onnx.ModelProto, change: Callable[[onnx.ModelProto], None], message: str
) -> None:
    change(model)
    with pytest.raises(BundleError, match=message):
        EnsembleGraph(model.SerializeToString())


def test_a_size_from_the_number_of_windows_passes(model: onnx.ModelProto) -> None:
    model.graph.node.extend(
        [
            helper.make_node("Shape", ["window"], ["sizes"]),
            helper.make_node("Expand", ["zero", "sizes"], ["expanded"]),
        ]
    )
    check_self_contained(model.SerializeToString())


def test_a_plain_graph_passes(model: onnx.ModelProto) -> None:
    check_self_contained(model.SerializeToString())


@given(st.binary(max_size=200))
def test_bytes_that_are_not_a_model_are_refused(content: bytes) -> None:
    with pytest.raises(BundleError, match="the graph's safety"):
        check_self_contained(content)


@given(st.integers(1, 3000))
def test_a_truncated_graph_is_refused(kept: int) -> None:
    content = tiny_graph(LAYOUT).SerializeToString()
    with pytest.raises(BundleError):
        EnsembleGraph(content[: min(kept, len(content) - 1)])


def test_a_graph_without_its_layout_is_refused(model: onnx.ModelProto) -> None:
    del model.metadata_props[:]
    with pytest.raises(BundleError, match="does not contain its layout"):
        EnsembleGraph(model.SerializeToString())


def test_a_graph_that_contradicts_its_layout_is_refused(model: onnx.ModelProto) -> None:
    other = GraphLayout(("a", "b", "c"), 20, HORIZONS, ("forest", "lstm"))
    del model.metadata_props[:]
    helper.set_model_props(model, {LAYOUT_KEY: other.to_json()})
    with pytest.raises(BundleError, match="must have the tensors"):
        EnsembleGraph(model.SerializeToString())


def test_a_graph_onnx_runtime_cannot_build_is_refused(
    model: onnx.ModelProto, capfd: pytest.CaptureFixture[str]
) -> None:
    model.graph.node[0].attribute[0].i = 7  # the window has no axis 7
    with pytest.raises(BundleError, match="ONNX Runtime cannot open it"):
        EnsembleGraph(model.SerializeToString())
    assert capfd.readouterr().err == ""


def test_the_tiny_graph_agrees_with_the_reference_implementation_of_onnx(
    model: onnx.ModelProto,
) -> None:
    windows = tiny_windows(LAYOUT, n=3)
    output = EnsembleGraph(model.SerializeToString()).run(windows)
    mean, scale, *_ = ReferenceEvaluator(model).run(None, {"window": windows})
    np.testing.assert_allclose(output.mean, mean, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(output.scale, scale, rtol=1e-5)
