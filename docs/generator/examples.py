"""Example values of parameters and bodies, from the OpenAPI document."""

from __future__ import annotations

from typing import Any

from docs.generator.document import DocumentedOperation

Schemas = dict[str, Any]


def parameter_example(parameter: dict[str, Any]) -> str | None:
    """Return the example of a parameter, or its default, or None."""
    schema = parameter["schema"]
    example = (schema.get("examples") or [schema.get("default")])[0]
    return None if example is None else str(example)


def example_path(operation: DocumentedOperation) -> str:
    """Return the path with examples in the place of its parameters."""
    names = [p["name"] for p in operation.parameters("path")]
    examples = {p["name"]: parameter_example(p) for p in operation.parameters("path")}
    return operation.path.format(**{name: examples[name] or name.upper() for name in names})


def example_query(operation: DocumentedOperation) -> dict[str, str]:
    """Return the query parameters that have an example."""
    examples = {p["name"]: parameter_example(p) for p in operation.parameters("query")}
    return {name: example for name, example in examples.items() if example is not None}


def example_body(operation: DocumentedOperation, schemas: Schemas) -> dict[str, Any] | None:
    """Return a body with the fields that have an example, in which one of two synonyms is given."""
    if operation.body is None:
        return None
    properties = schemas[operation.body["$ref"].rpartition("/")[2]]["properties"]
    return {
        name: described["examples"][0]
        for name, described in properties.items()
        if "examples" in described and not described.get("description", "").startswith("Synonym")
    }
