from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from sklearn.ensemble import RandomForestRegressor
from support.forecasting.fused import WEIGHTS, Fused, quickly_fused

from core.errors import BundleError
from forecasting.bundle.graph import BundleOutput, EnsembleGraph
from forecasting.export.fusion import export_forest, export_linear, export_lstm
from forecasting.models.base import MEMBERS
from forecasting.models.ensemble import combine_scales

TESTS = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def fused() -> Fused:
    return quickly_fused()


@pytest.fixture(scope="module")
def rows(fused: Fused) -> np.ndarray:
    """A thousand real samples of the whole history, half of them after the cutoff."""
    return np.sort(np.random.default_rng(1).choice(len(fused.panel), 1000, replace=False))


@pytest.fixture(scope="module")
def output(fused: Fused, rows: np.ndarray) -> BundleOutput:
    return EnsembleGraph(fused.graph).run(fused.panel.windows(rows))


@pytest.mark.slow
@pytest.mark.parametrize("member", MEMBERS)
def test_a_fused_member_agrees_with_the_native_member(
    fused: Fused, rows: np.ndarray, output: BundleOutput, member: str
) -> None:
    native = fused.members.by_name[member].scales(fused.panel, rows)
    position = MEMBERS.index(member)
    np.testing.assert_allclose(output.member_scale[:, position], native, rtol=1e-5)


@pytest.mark.slow
def test_the_fused_ensemble_agrees_with_the_native_members(
    fused: Fused, rows: np.ndarray, output: BundleOutput
) -> None:
    native = {
        name: member.scales(fused.panel, rows) for name, member in fused.members.by_name.items()
    }
    for column, horizon in enumerate(fused.panel.horizons):
        scales = {member: values[:, column] for member, values in native.items()}
        scale = combine_scales(WEIGHTS.scale[horizon], scales)
        np.testing.assert_allclose(output.scale[:, column], scale, rtol=1e-5)


@pytest.mark.slow
def test_every_location_is_the_expected_log_return(fused: Fused, output: BundleOutput) -> None:
    expected = np.broadcast_to(0.0004 * np.array(fused.panel.horizons), output.mean.shape)
    np.testing.assert_allclose(output.mean, expected, rtol=1e-6)
    for member in range(len(MEMBERS)):
        np.testing.assert_allclose(output.member_mean[:, member], expected, rtol=1e-6)


@pytest.mark.slow
def test_a_forecast_depends_only_on_its_own_window(fused: Fused, rows: np.ndarray) -> None:
    graph = EnsembleGraph(fused.graph)
    windows = fused.panel.windows(rows[:40])
    together = graph.run(windows)
    single = [graph.run(windows[i : i + 1]) for i in range(40)]
    np.testing.assert_allclose(together.mean, [o.mean[0] for o in single], rtol=1e-4, atol=1e-8)
    np.testing.assert_allclose(together.scale, [o.scale[0] for o in single], rtol=1e-5)


@pytest.mark.slow
def test_the_graph_has_one_lstm_one_forest_and_no_machine_path(
    fused: Fused,
) -> None:
    model = onnx.load_from_string(fused.graph)
    operators = [node.op_type for node in model.graph.node]
    assert operators.count("Gemm") >= 2
    assert operators.count("LSTM") == operators.count("TreeEnsembleRegressor") == 1
    names = {name for node in model.graph.node for name in (*node.input, *node.output, node.name)}
    assert not [name for name in names if "/" in name or "keras" in name]
    assert b"tmp" not in fused.graph
    assert {item.domain: item.version for item in model.opset_import} == {"": 15, "ai.onnx.ml": 3}


@pytest.mark.slow
def test_an_exported_member_agrees_with_its_native_model(fused: Fused, rows: np.ndarray) -> None:
    scaled = fused.members.lstm.scaler.transform(fused.panel.windows(rows))
    forest, lstm = (
        ort.InferenceSession(content).run(["raw"], {"scaled": values})[0]
        for content, values in (
            (export_forest(fused.members.forest), scaled[:, -1]),
            (export_lstm(fused.members.lstm), scaled),
        )
    )
    row = scaled[:, -1].astype(np.float64)
    linear = ort.InferenceSession(export_linear(fused.members.student))
    (student,) = linear.run(["raw"], {"scaled": scaled[:, -1]})
    model = fused.members.student
    np.testing.assert_allclose(student, row @ model.coefficients + model.intercept, atol=3e-6)
    np.testing.assert_allclose(
        forest, fused.members.forest.estimator.predict(scaled[:, -1]), atol=1e-6
    )
    np.testing.assert_allclose(lstm, fused.members.lstm.model(scaled), atol=1e-6)
    assert export_lstm(fused.members.lstm) == export_lstm(fused.members.lstm)


@pytest.mark.slow
def test_two_processes_fuse_the_same_bytes(fused: Fused) -> None:
    program = (
        "import hashlib, keras; [keras.layers.Dense(1) for _ in range(3)];"
        "from support.forecasting.fused import quickly_fused;"
        "print(hashlib.sha256(quickly_fused().graph).hexdigest())"
    )
    other = os.environ | {
        "PYTHONHASHSEED": "11",
        "PYTHONPATH": str(TESTS),
        "KERAS_BACKEND": "tensorflow",
    }
    done = subprocess.run(
        [sys.executable, "-c", program], env=other, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == hashlib.sha256(fused.graph).hexdigest()


def test_a_threshold_between_two_float32_values_keeps_its_branches() -> None:
    """A threshold between neighbouring float32 values exists only in float64."""
    low = np.random.default_rng(0).normal(size=200).astype(np.float32)
    high = np.nextafter(low, np.float32(np.inf))
    values = np.concatenate([low, high])[:, None]
    outcomes = np.repeat([0.0, 1.0], 200)
    estimator = RandomForestRegressor(30, random_state=0).fit(values, np.c_[outcomes, -outcomes])
    graph = export_forest(SimpleNamespace(estimator=estimator))
    (output,) = ort.InferenceSession(graph).run(None, {"scaled": values})
    assert np.ptp(estimator.predict(values)) > 0.9
    np.testing.assert_allclose(output, estimator.predict(values), atol=1e-6)


def test_an_lstm_that_is_not_one_onnx_node_is_refused() -> None:
    def export(path: str, **_: object) -> None:
        node = onnx.helper.make_node("Loop", ["", ""], [])
        graph = onnx.helper.make_graph([node], "loop", [], [])
        onnx.save(onnx.helper.make_model(graph), path)

    with pytest.raises(BundleError, match=r"one ONNX LSTM node, got \['Loop'\].*recurrent dropout"):
        export_lstm(SimpleNamespace(model=SimpleNamespace(export=export)))
