from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from support.forecasting.bundles import tiny_graph, tiny_windows

from core.errors import ForecastError
from forecasting.bundle.graph import EnsembleGraph, GraphLayout
from forecasting.horizons import HORIZONS

LAYOUT = GraphLayout(("a", "ewma_volatility"), 20, HORIZONS, ("forest", "lstm"))


def replace_output(model: onnx.ModelProto, name: str, factor: float) -> None:
    """Multiply one output by `factor`; tensors that are computed from it stay as they are."""
    for node in model.graph.node:
        node.input[:] = [f"sound_{n}" if n == name else n for n in node.input]
        node.output[:] = [f"sound_{n}" if n == name else n for n in node.output]
    factors = numpy_helper.from_array(np.array(factor, np.float32), "factor")
    model.graph.initializer.append(factors)
    model.graph.node.append(helper.make_node("Mul", [f"sound_{name}", "factor"], [name]))


@pytest.mark.parametrize(
    ("name", "factor"),
    [
        ("member_mean", np.nan),
        ("member_mean", np.inf),
        ("member_scale", np.nan),
        ("member_scale", -1.0),
        ("mean", np.nan),
        ("scale", 0.0),
    ],
)
def test_a_member_or_ensemble_without_sense_is_refused(name: str, factor: float) -> None:
    model = tiny_graph(LAYOUT)
    replace_output(model, name, factor)
    graph = EnsembleGraph(model.SerializeToString())
    with pytest.raises(ForecastError, match=r"rows \[0, 1, 2\].*finite with a positive scale"):
        graph.run(tiny_windows(LAYOUT, n=3))
