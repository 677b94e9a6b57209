"""Modules named in docstrings and comments, and files named in the documents, exist."""

from __future__ import annotations

import ast
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("core", "market", "forecasting", "registry", "pipelines", "serving", "stockcast")
REFERENCE = re.compile(rf"`({'|'.join(PACKAGES)})((?:\.\w+)+)`")

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "tests/README.md"])
PATH = re.compile(r"(?:`|\]\()((?:[\w.-]+/)*[\w.-]+/?)(?:`|\))")
FILE_ENDINGS = (".py", ".md", ".toml", ".yaml", ".yml", ".png", "/")


def module_file(path: Path) -> Path | None:
    """Return the source file of a module or package, or None when there is none."""
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((file for file in candidates if file.is_file()), None)


def names_defined_in(node: ast.Module | ast.ClassDef) -> dict[str, ast.stmt]:
    """Return the classes, functions and variables of a module or class by name."""
    names: dict[str, ast.stmt] = {}
    for statement in node.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names[statement.name] = statement
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        targets += [statement.target] if isinstance(statement, ast.AnnAssign) else []
        names |= {target.id: statement for target in targets if isinstance(target, ast.Name)}
        if isinstance(statement, ast.ImportFrom):  # re-exported by a package
            names |= {alias.asname or alias.name: statement for alias in statement.names}
    return names


def resolves(reference: str) -> bool:
    """Return whether a dotted name is a module of ours, or a name defined in one."""
    parts = reference.split(".")
    for n_parts in range(len(parts), 0, -1):
        file = module_file(ROOT.joinpath(*parts[:n_parts]))
        if file is None:
            continue
        node: ast.stmt | ast.Module | None = ast.parse(file.read_text(encoding="utf-8"))
        for name in parts[n_parts:]:
            is_scope = isinstance(node, ast.Module | ast.ClassDef)
            node = names_defined_in(node).get(name) if is_scope else None  # type: ignore[arg-type]
        return node is not None
    return False


def references_in(file: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the dotted name of every reference in strings and comments."""
    with file.open("rb") as source:
        for token in tokenize.tokenize(source.readline):
            if token.type in {tokenize.STRING, tokenize.COMMENT}:
                for match in REFERENCE.finditer(token.string):
                    line = token.start[0] + token.string[: match.start()].count("\n")
                    yield line, match.group(1) + match.group(2)


@pytest.mark.parametrize("package", [*PACKAGES, "tests", "benchmarks"])
def test_every_module_named_in_a_docstring_exists(package: str) -> None:
    missing = [
        f"{file.relative_to(ROOT)}:{line}: `{reference}` does not exist"
        for file in sorted((ROOT / package).rglob("*.py"))
        for line, reference in references_in(file)
        if not resolves(reference)
    ]
    assert not missing, "\n".join(missing)


@pytest.mark.parametrize("document", [path for path in DOCUMENTS if path.is_file()])
def test_every_file_of_the_repository_named_in_a_document_exists(document: Path) -> None:
    named = PATH.findall(document.read_text(encoding="utf-8"))
    paths = [path for path in named if "/" in path and path.endswith(FILE_ENDINGS)]
    folders = {path.name for path in ROOT.iterdir()}
    missing = [
        path
        for path in paths
        if path.split("/")[0] in folders
        and not any(base.joinpath(path).exists() for base in (ROOT, document.parent))
    ]
    assert not missing


@pytest.mark.parametrize(
    ("reference", "exists"),
    [
        ("core.errors", True),
        ("market.providers", True),
        ("core.errors.SettingsError", True),
        ("core.clock.Clock.now", True),
        ("core.settings.PREFIX", True),
        ("market.store.BarStore", True),
        ("core.nothing", False),
        ("core.errors.Nothing", False),
        ("market.providers.nothing.here", False),
    ],
)
def test_a_reference_resolves_to_a_module_or_a_name_in_it(reference: str, exists: bool) -> None:  # noqa: FBT001
    assert resolves(reference) is exists
