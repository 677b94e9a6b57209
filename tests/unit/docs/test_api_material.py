"""What is generated from the OpenAPI document is up to date, complete and valid."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from docs.generator.__main__ import ROOT, render_all
from docs.generator.document import called_operations, list_operations, load_document
from docs.generator.python_types import python_type

SNIPPETS = Path("docs/api/snippets.md")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return load_document()


@pytest.fixture(scope="module")
def rendered() -> dict[Path, str]:
    return render_all()


def test_the_generated_files_are_up_to_date(rendered: dict[Path, str]) -> None:
    stale = [
        str(path)
        for path, text in rendered.items()
        if not (ROOT / path).exists() or (ROOT / path).read_text(encoding="utf-8") != text
    ]
    assert not stale, f"Run `make api-docs`: {', '.join(stale)} differ from the OpenAPI document."


def test_no_generated_file_is_left_over(rendered: dict[Path, str]) -> None:
    folders = {path.parent for path in rendered if path.parent.name in {"models", "api"}}
    present = {f.relative_to(ROOT) for folder in folders for f in (ROOT / folder).glob("*.*")}
    assert present <= {*rendered}


def test_the_postman_collection_has_every_route_once(
    rendered: dict[Path, str], document: dict[str, Any]
) -> None:
    collection = json.loads(rendered[Path("docs/api/stockcast.postman_collection.json")])
    items = [item for folder in collection["item"] for item in folder["item"]]
    requests = [
        (i["request"]["method"], i["request"]["url"]["raw"].removeprefix("{{baseUrl}}"))
        for i in items
    ]
    documented = [
        (o.method, re.sub(r"\{(\w+)\}", r":\1", o.path)) for o in list_operations(document)
    ]
    assert sorted(requests) == sorted(documented)


def test_every_called_route_has_snippets_in_three_languages(
    rendered: dict[Path, str], document: dict[str, Any]
) -> None:
    text = rendered[SNIPPETS]
    operations = called_operations(document)
    for operation in operations:
        assert f"## {operation.method} {operation.path}\n" in text
    for language in ("sh", "python", "js"):
        assert text.count(f"```{language}\n") == len(operations)


def test_the_python_snippets_are_valid_python(rendered: dict[Path, str]) -> None:
    for code in re.findall(r"```python\n(.*?)```", rendered[SNIPPETS], re.DOTALL):
        compile(code, "snippet", "exec")


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string", "format": "date-time"}, "datetime"),
        ({"enum": ["1d", "1w"], "type": "string"}, "Literal['1d', '1w']"),
        ({"const": "x", "type": "string"}, "Literal['x']"),
        ({"type": "object", "additionalProperties": {"type": "number"}}, "dict[str, float]"),
        ({"type": "object"}, "dict[str, Any]"),
        (
            {"type": "array", "prefixItems": [{"type": "number"}, {"type": "integer"}]},
            "tuple[float, int]",
        ),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "int | None"),
        ({}, "Any"),
    ],
)
def test_the_python_type_of_a_schema(schema: dict[str, Any], expected: str) -> None:
    assert python_type(schema) == expected
