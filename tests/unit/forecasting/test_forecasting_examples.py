from __future__ import annotations

import pytest
from support.examples import functions_without_example, modules_of, run_examples

PACKAGES = (
    "forecasting.features",
    "forecasting.samples",
    "forecasting.distribution",
    "forecasting.scoring",
)
MODULES = modules_of(*PACKAGES)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_the_docstrings_hold(name: str) -> None:
    assert run_examples(name).failed == 0


@pytest.mark.parametrize("name", MODULES)
def test_every_public_function_has_an_example(name: str) -> None:
    assert functions_without_example(name) == []
