"""Postman collection (schema 2.1) of the operations."""

from __future__ import annotations

import json
from typing import Any

from docs.generator.document import DocumentedOperation, list_operations
from docs.generator.examples import example_body, parameter_example

_SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"


def render_postman(document: dict[str, Any]) -> str:
    """Return the collection as JSON, with one folder for each tag."""
    schemas = document["components"]["schemas"]
    folders: dict[str, list[dict[str, Any]]] = {}
    for operation in list_operations(document):
        folders.setdefault(operation.tag, []).append(_item(operation, schemas))
    info = document["info"]
    collection = {
        "info": {
            "name": f"{info['title']} {info['version']}",
            "description": info["description"],
            "schema": _SCHEMA,
        },
        "variable": [
            {"key": "baseUrl", "value": "http://127.0.0.1:3000/api/v1"},
            {"key": "apiKey", "value": ""},
        ],
        "auth": {
            "type": "apikey",
            "apikey": [
                {"key": "key", "value": "X-API-Key"},
                {"key": "value", "value": "{{apiKey}}"},
                {"key": "in", "value": "header"},
            ],
        },
        "item": [{"name": tag, "item": items} for tag, items in folders.items()],
    }
    return json.dumps(collection, indent=1) + "\n"


def _item(operation: DocumentedOperation, schemas: dict[str, Any]) -> dict[str, Any]:
    path = operation.path.replace("{", ":").replace("}", "")
    request: dict[str, Any] = {
        "method": operation.method,
        "description": operation.details.get("description") or operation.details["summary"],
        "url": {
            "raw": "{{baseUrl}}" + path,
            "host": ["{{baseUrl}}"],
            "path": path.strip("/").split("/"),
            "variable": [
                {"key": p["name"], "value": parameter_example(p) or ""}
                for p in operation.parameters("path")
            ],
            "query": [_query(p) for p in operation.parameters("query")],
        },
    }
    body = example_body(operation, schemas)
    if body is not None:
        options = {"raw": {"language": "json"}}
        request["body"] = {"mode": "raw", "raw": json.dumps(body), "options": options}
    return {"name": operation.details["summary"], "request": request}


def _query(parameter: dict[str, Any]) -> dict[str, Any]:
    example = parameter_example(parameter)
    return {
        "key": parameter["name"],
        "value": example or "",
        "description": parameter["description"],
        "disabled": example is None,
    }
