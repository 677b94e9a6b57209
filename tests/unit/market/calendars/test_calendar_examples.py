from __future__ import annotations

import pytest
from support.examples import functions_without_example, modules_of, run_examples

MODULES = modules_of("market.calendars")


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_calendars_hold(name: str) -> None:
    assert run_examples(name).failed == 0


@pytest.mark.parametrize("name", MODULES)
def test_every_public_function_of_calendars_has_an_example(name: str) -> None:
    assert functions_without_example(name) == []
