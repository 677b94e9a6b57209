"""Python types of the schemas of the OpenAPI document."""

from __future__ import annotations

from typing import Any

_FORMATS = {"date": "date", "date-time": "datetime"}
_SCALARS = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "null": "None",
}


def python_type(schema: dict[str, Any]) -> str:
    """Return the annotation of a schema.

    Examples
    --------
    >>> python_type({"type": "array", "items": {"type": "string", "format": "date"}})
    'list[date]'
    >>> python_type({"anyOf": [{"$ref": "#/components/schemas/Job"}, {"type": "null"}]})
    'Job | None'
    """
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " | ".join(python_type(part) for part in schema["anyOf"])
    if values := schema.get("enum", [schema["const"]] if "const" in schema else None):
        return f"Literal[{', '.join(repr(value) for value in values)}]"
    if schema.get("type") in {"array", "object"}:
        return _container(schema)
    return _FORMATS.get(schema.get("format", ""), _SCALARS.get(schema.get("type", ""), "Any"))


def _container(schema: dict[str, Any]) -> str:
    if "prefixItems" in schema:
        return f"tuple[{', '.join(python_type(part) for part in schema['prefixItems'])}]"
    if schema["type"] == "array":
        return f"list[{python_type(schema['items'])}]"
    values = schema.get("additionalProperties")
    return f"dict[str, {python_type(values) if isinstance(values, dict) else 'Any'}]"


def references(schema: Any) -> set[str]:  # noqa: ANN401  # any part of a JSON document
    """Return the names of the schemas that a schema names."""
    if isinstance(schema, list):
        return {name for part in schema for name in references(part)}
    if not isinstance(schema, dict):
        return set()
    own = {str(schema["$ref"]).rpartition("/")[2]} if "$ref" in schema else set()
    return own | {name for part in schema.values() for name in references(part)}
