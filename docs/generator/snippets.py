"""Snippets of each operation in curl, Python and JavaScript, as one Markdown page."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from docs.generator.document import DocumentedOperation, called_operations
from docs.generator.examples import (
    Schemas,
    example_body,
    example_path,
    example_query,
    parameter_example,
)

_ADDRESS = "http://127.0.0.1:3000"
_HEAD = """\
# Snippets

Generated from the OpenAPI document by `make api-docs`; do not edit. They use a service on this
machine. With a key, add `-H "X-API-Key: $KEY"`, `Client(api_key=...)` or
`headers: {"X-API-Key": key}`.
"""


def render_snippets(document: dict[str, Any]) -> str:
    """Return the page."""
    schemas = document["components"]["schemas"]
    sections = [_section(operation, schemas) for operation in called_operations(document)]
    return _HEAD + "".join(sections)


def _section(operation: DocumentedOperation, schemas: Schemas) -> str:
    title = f"\n## {operation.method} {operation.path}\n\n{operation.details['summary']}.\n"
    blocks = {
        "sh": _curl(operation, schemas),
        "python": _python(operation, schemas),
        "js": _javascript(operation, schemas),
    }
    return title + "".join(f"\n```{name}\n{code}\n```\n" for name, code in blocks.items())


def _address(operation: DocumentedOperation) -> str:
    query = urlencode(example_query(operation), safe=",")
    return _ADDRESS + example_path(operation) + (f"?{query}" if query else "")


def _curl(operation: DocumentedOperation, schemas: Schemas) -> str:
    body = example_body(operation, schemas)
    if body is None:
        method = "" if operation.method == "GET" else f"-X {operation.method} "
        return f"curl {method}'{_address(operation)}'"
    header = "-H 'content-type: application/json'"
    return f"curl {header} -d '{json.dumps(body)}' '{_address(operation)}'"


def _python(operation: DocumentedOperation, schemas: Schemas) -> str:
    arguments = [
        repr(parameter_example(p) or p["name"].upper()) for p in operation.parameters("path")
    ]
    body = example_body(operation, schemas)
    imports = "from stockcast.client import Client\n"
    if body is not None and operation.body is not None:
        model = operation.body["$ref"].rpartition("/")[2]
        imports += f"from stockcast.client.models import {model}\n"
        fields = ", ".join(f"{name}={value!r}" for name, value in body.items())
        arguments.append(f"{model}({fields})")
    arguments += [f"{name}={value!r}" for name, value in example_query(operation).items()]
    call = f"client.{operation.name}({', '.join(arguments)})"
    return f"{imports}\nwith Client() as client:\n    print({call})"


def _javascript(operation: DocumentedOperation, schemas: Schemas) -> str:
    body = example_body(operation, schemas)
    options = ""
    if body is not None:
        options = (
            f', {{\n  method: "{operation.method}",\n'
            '  headers: {"content-type": "application/json"},\n'
            f"  body: JSON.stringify({json.dumps(body)}),\n}}"
        )
    elif operation.method != "GET":
        options = f', {{method: "{operation.method}"}}'
    return (
        f'const response = await fetch("{_address(operation)}"{options});\n'
        "if (!response.ok) throw new Error((await response.json()).detail);\n"
        "console.log(await response.json());"
    )
