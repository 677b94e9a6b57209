"""Small valid bundles, written quickly without TensorFlow or scikit-learn."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from forecasting.bundle.bundle import Bundle, write_bundle
from forecasting.bundle.graph import INPUT, LAYOUT_KEY, GraphLayout
from forecasting.bundle.manifest import (
    GOLDEN_FILE,
    GRAPH_FILE,
    MANIFEST_FILE,
    Manifest,
)
from forecasting.bundle.sealing import _own_checksum, sha256
from forecasting.distribution.levels import LEVELS
from forecasting.features.feature_set import VOLATILITY, feature_set
from forecasting.horizons import HORIZONS

MEMBERS = ("forest", "lstm")
WEIGHTS = {h: {"forest": 0.4, "lstm": 0.6} for h in HORIZONS}


def tiny_bundle(
    dest: Path,
    *,
    seed: int = 0,
    cutoff: date = date(2012, 12, 31),
    tickers: tuple[str, ...] = ("AAPL", "GOOG", "IBM", "MSFT"),
    feature_names: tuple[str, ...] | None = None,
    lookback: int = 20,
    **manifest_fields: object,
) -> Bundle:
    """Write a bundle to `dest`; `seed` changes the model, not its inputs and outputs."""
    features = feature_set()
    names = feature_names or features.names
    manifest = tiny_manifest(
        cutoff=cutoff,
        tickers=tickers,
        features=names,
        feature_hash=features.hash,
        warmup=features.warmup,
        lookback=lookback,
        **manifest_fields,
    )
    layout = GraphLayout(names, lookback, HORIZONS, MEMBERS)
    graph = tiny_graph(layout, seed=seed).SerializeToString(deterministic=True)
    return write_bundle(dest, graph, manifest, tiny_windows(layout, n=4))


def tiny_manifest(**fields: object) -> Manifest:
    """A consistent manifest; `fields` replace any of its values."""
    quantiles = tuple((2.5 * (2 * LEVELS - 1)).tolist())
    defaults: dict[str, Any] = {
        "name": "stockcast",
        "features": ("log_return_1", VOLATILITY),
        "feature_hash": "f" * 64,
        "lookback": 20,
        "warmup": 100,
        "horizons": HORIZONS,
        "members": MEMBERS,
        "mean_weights": WEIGHTS,
        "scale_weights": WEIGHTS,
        "quantile_levels": tuple(LEVELS.tolist()),
        "conformal_quantiles": dict.fromkeys(HORIZONS, quantiles),
        "cutoff": date(2012, 12, 31),
        "tickers": ("AAPL", "MSFT"),
        "exchange": "XNYS",
        "data_fingerprint": "d" * 64,
        "code_version": "test",
        "settings": {"seed": 7},
        "metrics": {"ensemble": {"1": {"crps": 0.01, "coverage_80": 0.8}}},
    }
    return Manifest(**{**defaults, **fields})


def tiny_windows(layout: GraphLayout, *, n: int, seed: int = 5) -> np.ndarray:
    """Plausible raw windows; every volatility is positive."""
    rng = np.random.default_rng(seed)
    windows = rng.normal(size=(n, layout.lookback, len(layout.features))).astype(np.float32)
    volatility = layout.features.index(VOLATILITY)
    windows[:, :, volatility] = rng.uniform(0.01, 0.03, windows.shape[:2])
    return windows


def tiny_graph(layout: GraphLayout, *, seed: int = 0) -> onnx.ModelProto:
    """An LSTM of four units, and a linear "forest" on the last row, as the fused graph joins them.

    Means are of the order of a tenth of the volatility, and scales near the volatility itself.
    """
    rng = np.random.default_rng(seed)
    units, n_horizons, n_features = 4, len(layout.horizons), len(layout.features)
    constants: dict[str, Any] = {
        "lstm_w": rng.normal(0, 0.3, (1, 4 * units, n_features)),
        "lstm_r": rng.normal(0, 0.3, (1, 4 * units, units)),
        "lstm_out": rng.normal(0, 0.2, (units, 2 * n_horizons)),
        "forest_out": rng.normal(0, 0.05, (n_features, 2 * n_horizons)),
        "root": np.sqrt(layout.horizons),
        "weights": [[WEIGHTS[h][m] for h in layout.horizons] for m in layout.members],
        "volatility": np.array(layout.features.index(VOLATILITY), np.int64),
        "last": np.array(-1, np.int64),
        "zero": np.array([0], np.int64),
        "one": np.array([1], np.int64),
        "cut": np.array([n_horizons] * 2, np.int64),
    }
    node = helper.make_node
    nodes = [
        node("Gather", [INPUT, "last"], ["row"], axis=1),
        node("Gather", ["row", "volatility"], ["sigma"], axis=1),
        node("Unsqueeze", ["sigma", "one"], ["sigma_column"]),
        node("Mul", ["sigma_column", "root"], ["unit"]),
        node("Unsqueeze", ["unit", "one"], ["member_unit"]),
        node("Transpose", [INPUT], ["steps"], perm=[1, 0, 2]),
        node("LSTM", ["steps", "lstm_w", "lstm_r"], ["", "state"], hidden_size=units),
        node("Squeeze", ["state", "zero"], ["lstm_state"]),
        node("MatMul", ["lstm_state", "lstm_out"], ["lstm_raw"]),
        node("MatMul", ["row", "forest_out"], ["forest_linear"]),
        node("Tanh", ["forest_linear"], ["forest_raw"]),
    ]
    for member in layout.members:
        halves = [f"{member}_mean_z", f"{member}_log_scale"]
        nodes.append(node("Split", [f"{member}_raw", "cut"], halves, axis=1))
        nodes.append(node("Exp", halves[1:], [f"{member}_scale_z"]))
    for kind in ("mean", "scale"):
        for member in layout.members:
            half = f"{member}_{kind}_z"
            nodes.append(node("Unsqueeze", [half, "one"], [f"{member}_{kind}_row"]))
        rows = [f"{member}_{kind}_row" for member in layout.members]
        nodes += [
            node("Concat", rows, [f"{kind}_z"], axis=1),
            node("Mul", [f"{kind}_z", "member_unit"], [f"member_{kind}"]),
        ]
    nodes += [
        node("Mul", ["member_mean", "weights"], ["mean_parts"]),
        node("ReduceSum", ["mean_parts", "one"], ["mean"], keepdims=0),
        node("Log", ["member_scale"], ["log_scale"]),
        node("Mul", ["log_scale", "weights"], ["log_scale_parts"]),
        node("ReduceSum", ["log_scale_parts", "one"], ["log_scale_sum"], keepdims=0),
        node("Exp", ["log_scale_sum"], ["scale"]),
    ]
    return _model(layout, nodes, constants)


def _model(
    layout: GraphLayout, nodes: list[onnx.NodeProto], constants: dict[str, Any]
) -> onnx.ModelProto:
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *shape[1:]])
        for name, shape in layout.shapes(None).items()
    ]
    tensors = [
        numpy_helper.from_array(a if a.dtype == np.int64 else a.astype(np.float32), name)
        for name, a in ((name, np.asarray(value)) for name, value in constants.items())
    ]
    graph = helper.make_graph(nodes, "tiny", values[:1], values[1:], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    helper.set_model_props(model, {LAYOUT_KEY: layout.to_json()})
    onnx.checker.check_model(model, full_check=True)
    return model


def forge(
    folder: Path,
    *,
    graph: bytes | None = None,
    golden: dict[str, np.ndarray] | None = None,
    manifest: dict[str, object] | None = None,
) -> None:
    """Change a bundle and seal it again with valid checksums."""
    if graph is not None:
        (folder / GRAPH_FILE).write_bytes(graph)
    if golden is not None:
        with np.load(folder / GOLDEN_FILE) as archive:
            arrays = {name: archive[name] for name in archive.files}
        np.savez(folder / GOLDEN_FILE, **(arrays | golden))
    document = json.loads((folder / MANIFEST_FILE).read_bytes()) | (manifest or {})
    for name in (GRAPH_FILE, GOLDEN_FILE):
        document["checksums"][name] = sha256((folder / name).read_bytes())
    document["checksums"][MANIFEST_FILE] = _own_checksum(document)
    (folder / MANIFEST_FILE).write_text(json.dumps(document))
