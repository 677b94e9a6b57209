"""Docstring examples of a package: run them, and list public functions without an example."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import ModuleType

FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def modules_of(*packages: str) -> list[str]:
    """Names of the packages and of all modules below them."""
    names: list[str] = []
    for package in packages:
        module = importlib.import_module(package)
        below = pkgutil.walk_packages(module.__path__, f"{package}.")
        names += [package, *(found.name for found in below)]
    return names


def run_examples(name: str) -> doctest.TestResults:
    """Run every example in the docstrings of the module `name`."""
    return doctest.testmod(importlib.import_module(name), optionflags=FLAGS, report=True)


def functions_without_example(name: str) -> list[str]:
    """Public functions of the module `name` without an example in the docstring."""
    module = importlib.import_module(name)
    return [
        f"{name}.{function}"
        for function, docstring in _public_functions(module)
        if ">>>" not in docstring
    ]


def _public_functions(module: ModuleType) -> Iterator[tuple[str, str]]:
    for name, member in vars(module).items():
        function = inspect.unwrap(member) if callable(member) else member
        if (
            inspect.isfunction(function)
            and function.__module__ == module.__name__
            and not name.startswith("_")
        ):
            yield name, function.__doc__ or ""
