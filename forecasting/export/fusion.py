"""Fusion of scaling, members and weights into one ONNX graph.

The graph has raw feature values as input, so scaling is part of it and cannot be forgotten or
refitted. Scaling consists of float32 subtraction, division and clipping, as in `Scaler`: a forest
compares its inputs with thresholds, so graph and native model must compare the same float32 values.
skl2onnx rounds the float64 thresholds of scikit-learn down to float32, which keeps the outcome of
every comparison.
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
from forecasting.models.ensemble import EnsembleWeights
from forecasting.models.forest import ForestModel
from forecasting.models.linear import LinearModel
from forecasting.models.lstm import LstmModel
from forecasting.models.z_space import MAX_LOG_SCALE, MIN_LOG_SCALE
from forecasting.samples.scaling import Scaler


def fuse(
    *,
    members: Mapping[str, bytes],
    scaler: Scaler,
    weights: EnsembleWeights,
    mean_log_return: float,
    volatility_index: int,
    horizons: Sequence[int],
    lookback: int,
    feature_names: Sequence[str],
) -> bytes:
    """Return the serialised graph from raw windows to forecasts of ensemble and members.

    Parameters
    ----------
    members
        Exported members by name, in the order of the graph's member axis. The LSTM has scaled
        windows as input and the others have scaled feature rows. The outputs are log scales (n, H)
        in units of ``volatility * sqrt(horizon)``.
    scaler
        Scaling that the members were fitted with.
    weights
        Weights of the members' log scales.
    mean_log_return
        Expected log return of a session; times the horizon, the location of every forecast.
    volatility_index
        Column of the volatility per session. Its last value in a window is the unit of the
        forecast.
    horizons, lookback, feature_names
        Meaning of the axes, in order.

    Returns
    -------
    bytes
        The same fitted models give the same bytes in every process.

    Raises
    ------
    BundleError
        When an exported graph uses other files or non-standard operators.
    """
    layout = GraphLayout(tuple(feature_names), lookback, tuple(horizons), tuple(members))
    graph = GraphBuilder()
    scaled = _scale(graph, scaler)
    last = graph.constant(-1)
    scaled_row = graph.add("Gather", scaled, last, axis=1)
    grafted = [
        graph.graft(content, scaled if name == LstmModel.name else scaled_row)
        for name, content in members.items()
    ]
    log_scales = _stack(graph, grafted)
    bounds = graph.constant(MIN_LOG_SCALE), graph.constant(MAX_LOG_SCALE)
    log_scales = graph.add("Clip", log_scales, *bounds)
    weighted = graph.add("Mul", log_scales, graph.constant(_weight_matrix(weights.scale, layout)))
    combined = graph.add("ReduceSum", weighted, graph.constant([1]), keepdims=0)
    unit = _unit(graph, last, volatility_index, horizons)
    by_member = graph.add("Unsqueeze", unit, graph.constant([1]))
    graph.add("Mul", graph.add("Exp", combined), unit, output="scale")
    graph.add("Mul", graph.add("Exp", log_scales), by_member, output="member_scale")
    location = mean_log_return * np.asarray(horizons)
    _add_location(graph, unit, location, output="mean")
    _add_location(graph, by_member, np.tile(location, (len(members), 1)), output="member_mean")
    shapes = layout.shapes(None)
    inputs = {INPUT: shapes.pop(INPUT)}
    return graph.build(inputs, shapes, {LAYOUT_KEY: layout.to_json()})


def export_linear(linear: LinearModel) -> bytes:
    """Return a linear member as a graph from scaled feature rows (n, F) to log scales (n, H)."""
    graph = GraphBuilder()
    parts = graph.constant(linear.coefficients), graph.constant(linear.intercept)
    graph.add("Gemm", "scaled", *parts, output="raw")
    n_features, n_horizons = linear.coefficients.shape
    return graph.build({"scaled": (None, n_features)}, {"raw": (None, n_horizons)}, {})


def export_forest(forest: ForestModel) -> bytes:
    """Return the forest as a graph from scaled feature rows (n, F) to log scales (n, H).

    The same fitted forest gives the same bytes.
    """
    from skl2onnx import to_onnx  # noqa: PLC0415  slow to import
    from skl2onnx.common.data_types import FloatTensorType  # noqa: PLC0415  as above

    estimator = forest.estimator
    row = (None, estimator.n_features_in_)
    exported = to_onnx(
        estimator, initial_types=[("row", FloatTensorType(row))], target_opset=OPSETS
    )
    return _canonical(exported, row, estimator.n_outputs_)


def export_lstm(lstm: LstmModel) -> bytes:
    """Return the LSTM as a graph from scaled windows (n, lookback, F) to log scales (n, H).

    The same fitted network gives the same bytes.

    Raises
    ------
    BundleError
        When Keras does not export the network with exactly one ONNX LSTM node.
    """
    import onnx  # noqa: PLC0415  serving does not install it

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # Keras reads `np.object` while it prepares tf2onnx.
        warnings.simplefilter("ignore", FutureWarning)
        path = Path(folder, "lstm.onnx")
        lstm.model.export(str(path), format="onnx", verbose=False, opset_version=OPSETS[""])
        exported = onnx.load(path)
    recurrent = [n.op_type for n in exported.graph.node if n.op_type in {"LSTM", "Loop", "Scan"}]
    if recurrent != ["LSTM"]:
        msg = (
            f"The LSTM must be exported to one ONNX LSTM node, got {recurrent};"
            " use Keras' default activations and no recurrent dropout."
        )
        raise BundleError(msg)
    _, lookback, n_features = lstm.model.input_shape
    return _canonical(exported, (None, lookback, n_features), lstm.model.output_shape[1])


def _canonical(exported: Any, input_shape: Shape, n_outputs: int) -> bytes:  # noqa: ANN401
    """Return the exported model in the canonical form of `GraphBuilder`."""
    graph = GraphBuilder()
    graph.graft(exported.SerializeToString(), "scaled", output="raw")
    return graph.build({"scaled": input_shape}, {"raw": (None, n_outputs)}, {})


def _scale(graph: GraphBuilder, scaler: Scaler) -> str:
    centred = graph.add("Sub", INPUT, graph.constant(scaler.center))
    spread = graph.add("Div", centred, graph.constant(scaler.spread))
    limit = float(scaler.clip)
    return graph.add("Clip", spread, graph.constant(-limit), graph.constant(limit))


def _unit(graph: GraphBuilder, last: str, volatility_index: int, horizons: Sequence[int]) -> str:
    """Add the unit of the scales, ``volatility * sqrt(horizon)``."""
    row = graph.add("Gather", INPUT, last, axis=1)
    volatility = graph.add("Gather", row, graph.constant([volatility_index]), axis=1)
    return graph.add("Mul", volatility, graph.constant(np.sqrt(horizons)))


def _add_location(graph: GraphBuilder, unit: str, location: np.ndarray, *, output: str) -> None:
    """Add the same location for every window; the unit provides the number of windows."""
    graph.add(
        "Add", graph.add("Mul", unit, graph.constant(0.0)), graph.constant(location), output=output
    )


def _stack(graph: GraphBuilder, by_member: Sequence[str]) -> str:
    axis = graph.constant([1])
    rows = [graph.add("Unsqueeze", values, axis) for values in by_member]
    return graph.add("Concat", *rows, axis=1)


def _weight_matrix(weights: Mapping[int, Mapping[str, float]], layout: GraphLayout) -> np.ndarray:
    return np.array([[weights[h][member] for h in layout.horizons] for member in layout.members])
