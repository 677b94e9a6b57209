from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError
from support.forecasting.bundles import tiny_manifest

from core.errors import BundleError
from forecasting.bundle.manifest import GRAPH_FILE
from forecasting.bundle.sealing import open_manifest, seal_manifest
from forecasting.horizons import HORIZONS


def test_an_opened_manifest_equals_the_sealed_one() -> None:
    manifest = tiny_manifest(settings={"home": Path("var"), "tickers": ("AAPL",), "seed": 7})
    opened = open_manifest(seal_manifest(manifest, {GRAPH_FILE: b"graph"}))
    assert opened.model_copy(update={"checksums": {}}) == manifest
    assert opened.settings == {"home": "var", "tickers": ["AAPL"], "seed": 7}


def test_sealing_does_not_depend_on_the_order_of_entries() -> None:
    one = tiny_manifest(settings={"a": 1, "b": 2})
    two = tiny_manifest(settings={"b": 2, "a": 1})
    assert seal_manifest(one, {}) == seal_manifest(two, {})


def test_a_metric_may_be_undefined_but_not_infinite() -> None:
    assert tiny_manifest(metrics={"naive": {"1": {"skill": None}}}).metrics["naive"]
    with pytest.raises(ValidationError, match="finite number"):
        tiny_manifest(metrics={"naive": {"1": {"skill": float("nan")}}})


def weights(forest: float, lstm: float) -> dict[int, dict[str, float]]:
    return {h: {"forest": forest, "lstm": lstm} for h in HORIZONS}


def ramp(largest: float) -> dict[int, tuple[float, ...]]:
    """Quantiles that do not decrease, up to `largest`."""
    return dict.fromkeys(HORIZONS, (*(i / 100 for i in range(198)), largest))


def test_mean_weights_may_sum_to_less_than_one() -> None:
    assert tiny_manifest(mean_weights=weights(0.1, 0.2)).mean_weights[5]["lstm"] == 0.2


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("mean_weights", weights(0.7, 0.7), "sum <= 1"),
        ("mean_weights", weights(-0.1, 0.2), "weights >= 0"),
        ("mean_weights", {1: {"forest": 1.0, "lstm": 0.0}}, r"horizons \(1, 5, 21\)"),
        ("mean_weights", {h: {"forest": 1.0} for h in HORIZONS}, "members"),
        ("scale_weights", weights(0.4, 0.4), "a sum of 1"),
        ("horizons", (5, 1, 21), "ascending"),
        ("features", ("a", "b", "a"), "a more than once"),
        ("quantile_levels", (0.0, 0.5), "between 0 and 1"),
        ("quantile_levels", (0.1, 0.9), r"levels from 0\.005 to 0\.995"),
        ("conformal_quantiles", dict.fromkeys(HORIZONS, (0.0,)), "199 values"),
        ("conformal_quantiles", {1: (0.0,)}, r"horizons \(1, 5, 21\)"),
        (
            "conformal_quantiles",
            dict.fromkeys(HORIZONS, tuple(-i / 10 for i in range(199))),
            "do not decrease",
        ),
    ],
)
def test_a_contradiction_is_refused_with_its_field(field: str, value: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        tiny_manifest(**{field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "../../etc/passwd"),
        ("name", ".hidden"),
        ("name", "a/b"),
        ("name", "x" * 300),
        ("feature_hash", "../" + "f" * 61),
        ("feature_hash", "F" * 64),
        ("feature_hash", "f" * 63),
        ("feature_hash", "f" * 64 + "\n"),
        ("data_fingerprint", "../../home"),
        ("code_version", "../1"),
        ("exchange", "../XNYS"),
        ("exchange", "A/B"),
        ("features", ("../a", "b")),
        ("features", ("<script>", "b")),
        ("extra_indicators", ("os.path.join",)),
        ("members", ("forest", "../lstm")),
        ("tickers", ("AAPL", "../MSFT")),
        ("metrics", {"../naive": {}}),
        ("checksums", {"../golden.npz": "0" * 64}),
        ("checksums", {"golden.npz": "0" * 63}),
    ],
)
def test_a_name_that_could_leave_its_folder_or_page_is_refused(field: str, value: object) -> None:
    with pytest.raises(ValidationError, match=rf"{field}[\s\S]*String should match pattern"):
        tiny_manifest(**{field: value})


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("conformal_quantiles", ramp(1e300), "at most 1000 scales"),
        ("conformal_quantiles", ramp(float("inf")), "finite number"),
        ("conformal_quantiles", ramp(float("nan")), "finite number"),
        ("quantile_levels", (float("nan"),) * 199, "finite number"),
        ("mean_weights", weights(float("nan"), 0.5), "finite number"),
        ("lookback", -1, "greater than or equal to 1"),
        ("lookback", 10**9, "less than or equal to 1000"),
        ("warmup", -1, "greater than or equal to 0"),
        ("metrics", {f"model_{i}": {} for i in range(101)}, "at most 100 items"),
        ("metrics", {"naive": {"1": dict.fromkeys(map(str, range(101)), 0.1)}}, "at most 100"),
        ("horizons", (0, 5, 21), "greater than or equal to 1"),
        ("horizons", (1, 5, 10**9), "less than or equal to 260"),
    ],
)
def test_a_number_without_sense_is_refused(field: str, value: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        tiny_manifest(**{field: value})


def test_a_number_too_large_for_json_is_refused() -> None:
    sealed = seal_manifest(tiny_manifest(), {}).replace(b'"lookback": 20', b'"lookback": 1e999')
    with pytest.raises(BundleError, match="not a sealed manifest"):
        open_manifest(sealed)
