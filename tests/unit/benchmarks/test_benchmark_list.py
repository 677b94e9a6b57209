"""Every benchmark of the list exists, runs quickly on demand, and is on the page of goals."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import pytest

from benchmarks.__main__ import BENCHMARKS, main
from benchmarks.record import PAGE


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_has_a_main_function_with_a_quick_variant(name: str) -> None:
    spec = importlib.util.find_spec(BENCHMARKS[name])
    assert spec is not None
    assert spec.origin is not None
    functions = [
        node
        for node in ast.parse(Path(spec.origin).read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name == "main"
    ]
    assert [argument.arg for argument in functions[0].args.kwonlyargs] == ["quick"]
    assert f"`{name}`" in PAGE.read_text()


@pytest.mark.parametrize("arguments", [["helo"], ["--quick", "--write", "hello"]])
def test_unknown_names_and_records_of_quick_runs_are_refused(arguments: list[str]) -> None:
    assert main(arguments) == 2
