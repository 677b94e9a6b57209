"""Fitted forest and LSTM, their scaling and their weights -> the bytes of one ONNX graph.

Belongs here: what the graph computes. Training runs this; serving only runs the result, so nothing
here may be needed by `forecasting.bundle.bundle`. How graphs are joined is `forecasting.export.graph_builder`'s.

The graph takes raw feature values, so scaling cannot be forgotten or refitted by whoever runs it.
Scaling is float32 subtraction, division and clipping, as in `Scaler`, because a forest compares
its inputs with thresholds: the native path must compare the very same float32 values. skl2onnx
rounds scikit-learn's float64 thresholds down to float32, which keeps every comparison's outcome.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import BundleError
from forecasting.bundle.graph import INPUT, LAYOUT_KEY, GraphLayout
from forecasting.export.graph_builder import OPSETS, GraphBuilder, Shape
from forecasting.models.base import MEMBERS
from forecasting.models.ensemble import EnsembleWeights
from forecasting.models.forest import ABSOLUTE_TO_SCALE, MIN_ABSOLUTE, ForestModel
from forecasting.models.lstm import MAX_LOG_SCALE, MIN_LOG_SCALE, LstmModel
from forecasting.samples.scaling import Scaler


def fuse(
    *,
    forest: bytes,
    lstm: bytes,
    scaler: Scaler,
    weights: EnsembleWeights,
    volatility_index: int,
    horizons: Sequence[int],
    lookback: int,
    feature_names: Sequence[str],
) -> bytes:
    """Return the serialised graph from raw windows to the ensemble's and the members' forecasts.

    Parameters
    ----------
    forest, lstm
        From `export_forest` and `export_lstm`. Both take the same scaled values, and give raw
        outputs (n, 2 * horizons) in units of ``volatility * sqrt(horizon)``: means, then absolute
        values (forest) or log scales (LSTM).
    scaler
        The one that both members were fitted with.
    weights
        Horizon -> member -> weight, of means and of scales.
    volatility_index
        Column of the daily volatility; its last value in a window is the unit of the forecast.
    horizons, lookback, feature_names
        What the axes stand for, in order.

    Returns
    -------
    bytes
        The same fitted models give the same bytes, in any process.

    Raises
    ------
    BundleError
        When an export is not plain ONNX.
    """
    layout = GraphLayout(tuple(feature_names), lookback, tuple(horizons), MEMBERS)
    graph = GraphBuilder()
    scaled = _scale(graph, scaler)
    last = graph.constant(-1)
    scaled_row = graph.add("Gather", scaled, last, axis=1)
    z_mean, z_scale = (
        _stack(graph, pair)
        for pair in zip(
            _read_forest(graph, graph.graft(forest, scaled_row), len(horizons)),
            _read_lstm(graph, graph.graft(lstm, scaled), len(horizons)),
            strict=True,
        )
    )
    row = graph.add("Gather", INPUT, last, axis=1)
    sigma = graph.add("Gather", row, graph.constant([volatility_index]), axis=1)
    unit = graph.add("Mul", sigma, graph.constant(np.sqrt(horizons)))
    unit = graph.add("Unsqueeze", unit, graph.constant([1]))
    for kind, z_values, by_horizon in (
        ("mean", z_mean, weights.mean),
        ("scale", z_scale, weights.scale),
    ):
        values = graph.add("Mul", z_values, unit, output=f"member_{kind}")
        parts = graph.add("Mul", values, graph.constant(_matrix(by_horizon, layout)))
        graph.add("ReduceSum", parts, graph.constant([1]), output=kind, keepdims=0)
    shapes = layout.shapes(None)
    given = {INPUT: shapes.pop(INPUT)}
    return graph.build(given, shapes, {LAYOUT_KEY: layout.to_json()})


def export_forest(forest: ForestModel) -> bytes:
    """Return the forest as a graph from scaled feature rows (n, F) to its raw outputs (n, 2H).

    The same fitted forest gives the same bytes.
    """
    from skl2onnx import to_onnx  # noqa: PLC0415  seconds of import that serving must not pay
    from skl2onnx.common.data_types import FloatTensorType  # noqa: PLC0415  as above

    estimator = forest.estimator
    row = (None, estimator.n_features_in_)
    exported = to_onnx(
        estimator, initial_types=[("row", FloatTensorType(row))], target_opset=OPSETS
    )
    return _canonical(exported, row, estimator.n_outputs_)


def export_lstm(lstm: LstmModel) -> bytes:
    """Return the LSTM as a graph from scaled windows (n, lookback, F) to its raw outputs (n, 2H).

    The same fitted network gives the same bytes.

    Raises
    ------
    BundleError
        When Keras cannot express the network with one ONNX LSTM node.
    """
    import onnx  # noqa: PLC0415  serving does not have it

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # Keras asks NumPy for `np.object` while it prepares tf2onnx.
        warnings.simplefilter("ignore", FutureWarning)
        path = Path(folder, "lstm.onnx")
        lstm.model.export(str(path), format="onnx", verbose=False, opset_version=OPSETS[""])
        exported = onnx.load(path)
    recurrent = [n.op_type for n in exported.graph.node if n.op_type in {"LSTM", "Loop", "Scan"}]
    if recurrent != ["LSTM"]:
        msg = (
            f"The LSTM must export to one ONNX LSTM node, got {recurrent};"
            " keep Keras' default activations and leave recurrent dropout out."
        )
        raise BundleError(msg)
    _, lookback, n_features = lstm.model.input_shape
    return _canonical(exported, (None, lookback, n_features), lstm.model.output_shape[1])


def _canonical(exported: Any, given: Shape, n_outputs: int) -> bytes:  # noqa: ANN401  no types
    graph = GraphBuilder()
    graph.graft(exported.SerializeToString(), "scaled", output="raw")
    return graph.build({"scaled": given}, {"raw": (None, n_outputs)}, {})


def _scale(graph: GraphBuilder, scaler: Scaler) -> str:
    centred = graph.add("Sub", INPUT, graph.constant(scaler.center))
    spread = graph.add("Div", centred, graph.constant(scaler.spread))
    limit = float(scaler.clip)
    return graph.add("Clip", spread, graph.constant(-limit), graph.constant(limit))


def _read_forest(graph: GraphBuilder, raw: str, n_horizons: int) -> tuple[str, str]:
    mean, mean_absolute = _halves(graph, raw, n_horizons)
    floored = graph.add("Max", mean_absolute, graph.constant(MIN_ABSOLUTE))
    return mean, graph.add("Mul", floored, graph.constant(ABSOLUTE_TO_SCALE))


def _read_lstm(graph: GraphBuilder, raw: str, n_horizons: int) -> tuple[str, str]:
    mean, log_scale = _halves(graph, raw, n_horizons)
    bounds = graph.constant(MIN_LOG_SCALE), graph.constant(MAX_LOG_SCALE)
    clipped = graph.add("Clip", log_scale, *bounds)
    return mean, graph.add("Exp", clipped)


def _halves(graph: GraphBuilder, raw: str, n_horizons: int) -> tuple[str, str]:
    sizes = graph.constant([n_horizons, n_horizons])
    first, second = graph.add_many("Split", raw, sizes, outputs=("", ""), axis=1)
    return first, second


def _stack(graph: GraphBuilder, by_member: Sequence[str]) -> str:
    axis = graph.constant([1])
    rows = [graph.add("Unsqueeze", values, axis) for values in by_member]
    return graph.add("Concat", *rows, axis=1)


def _matrix(weights: Mapping[int, Mapping[str, float]], layout: GraphLayout) -> np.ndarray:
    return np.array([[weights[h][member] for h in layout.horizons] for member in layout.members])
