"""The version hash covers the expressions of features and nothing else."""

from __future__ import annotations

import inspect
import subprocess
import sys
from dataclasses import replace

import pytest

from forecasting.features import built_in, expressions, log_volatility
from forecasting.features.feature_set import FeatureSet, feature_set
from forecasting.features.spec import code_digest

CODE = '''
"""Features."""

import polars as pl
from forecasting.features.expressions import CLOSE

DECAY = 0.94


def features():
    """Return the features."""
    from forecasting.features.spec import MAX_WARMUP

    return [
        new("mean", 20, CLOSE.rolling_mean(20), description=f"Mean over {20} sessions."),
        new("macd", MAX_WARMUP, CLOSE * DECAY, description="MACD.", tolerance=1e-4),
    ]
'''


def test_the_hash_is_the_same_in_another_process() -> None:
    program = (
        "from forecasting.features.feature_set import feature_set;"
        "print(feature_set(('trend.aroon_up',)).hash)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert run.stdout.strip() == feature_set(("trend.aroon_up",)).hash


def test_the_hash_covers_names_order_warmups_and_definitions() -> None:
    features = feature_set().features
    first, second, *rest = features
    variants = [
        features,
        (second, first, *rest),
        features[1:],
        (replace(first, name="other"), second, *rest),
        (replace(first, warmup=first.warmup + 1), second, *rest),
        (replace(first, definition="other"), second, *rest),
        feature_set(("trend.aroon_up",)).features,
    ]
    assert len({FeatureSet(v).hash for v in variants}) == len(variants)


def test_the_hash_of_the_built_in_features_is_stable() -> None:
    # A change of this value means that deployed models need new training.
    expected = "1a78d2065e1f8bce6ccba60deae447043d886bcea79204b3bd73424cdf99874d"
    assert feature_set().hash == expected


def test_a_renamed_module_or_a_new_description_keeps_the_definition_of_the_built_in_features() -> (
    None
):
    source = "\n".join(
        inspect.getsource(module) for module in (expressions, log_volatility, built_in)
    )
    definition = feature_set().features[0].definition
    assert code_digest(source) == definition
    assert code_digest(source.replace("forecasting.features", "forecasting.formulas")) == definition
    assert code_digest(source.replace("Log return", "Logarithmic return")) == definition
    assert code_digest(source.replace("MEMORY = 0.94, 120", "MEMORY = 0.94, 121")) != definition


def test_the_hash_does_not_cover_descriptions() -> None:
    first, *rest = feature_set().features
    reworded = FeatureSet((replace(first, description="Another text."), *rest))
    assert reworded.hash == feature_set().hash


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("import polars as pl", "import polars as pl  # fast\nimport math"),
        ("forecasting.features.expressions", "forecasting.formulas"),
        ("forecasting.features.spec", "forecasting.spec"),
        ('"""Features."""', '"""The list."""'),
        ('"""Return the features."""', ""),
        ("rolling_mean(20)", "rolling_mean(\n            20\n        )"),
        ('f"Mean over {20} sessions."', '"Simple moving average."'),
        ('"MACD."', '"Moving average "\n        "convergence divergence."'),
    ],
    ids=[
        "import",
        "renamed-module",
        "renamed-local-import",
        "module-docstring",
        "function-docstring",
        "layout",
        "description",
        "long-description",
    ],
)
def test_imports_prose_and_layout_keep_the_digest(old: str, new: str) -> None:
    assert old in CODE
    assert code_digest(CODE.replace(old, new)) == code_digest(CODE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("rolling_mean(20)", "rolling_mean(21)"),
        ("rolling_mean", "rolling_median"),
        ("DECAY = 0.94", "DECAY = 0.95"),
        ('"mean", 20', '"mean", 21'),
        ("CLOSE * DECAY", "DECAY * CLOSE"),
        ('"macd"', '"other"'),
        ("tolerance=1e-4", "tolerance=1e-3"),
    ],
)
def test_formulas_constants_warmups_and_order_change_the_digest(old: str, new: str) -> None:
    assert old in CODE
    assert code_digest(CODE.replace(old, new)) != code_digest(CODE)
