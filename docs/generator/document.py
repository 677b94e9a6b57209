"""The OpenAPI document of the service, and its operations without the synonyms."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from serving.app import API_ROUTES
from serving.http.openapi import describe_routes

# The query form of `get_prediction`, and a stream.
_NOT_CALLED = ("get_prediction_by_query", "stream_events")


@dataclass(frozen=True)
class DocumentedOperation:
    """One operation of the document.

    Parameters
    ----------
    details
        The operation object, without parameters that are synonyms.
    """

    method: str
    path: str
    details: dict[str, Any]

    @property
    def name(self) -> str:
        """Name of the operation in the client."""
        name: str = self.details["operationId"]
        return name

    @property
    def tag(self) -> str:
        """First tag."""
        tag: str = self.details["tags"][0]
        return tag

    @property
    def body(self) -> dict[str, Any] | None:
        """Schema of the request body."""
        content = self.details.get("requestBody", {}).get("content", {})
        schema: dict[str, Any] | None = content.get("application/json", {}).get("schema")
        return schema

    @property
    def responses(self) -> list[dict[str, Any]]:
        """Schemas of the successful responses that have a body."""
        found = [r for status, r in self.details["responses"].items() if status.startswith("2")]
        return [content["schema"] for r in found for content in r.get("content", {}).values()]

    def parameters(self, location: str) -> list[dict[str, Any]]:
        """Return the parameters in the path or in the query."""
        return [p for p in self.details["parameters"] if p["in"] == location]


def load_document() -> dict[str, Any]:
    """Return the document of the service without the probes that BentoML describes."""
    probes = {"/readyz": {"get": {"responses": {}}}}
    bentoml = {"paths": probes, "servers": [{"url": "."}]}
    document = describe_routes(bentoml, "Calibrated stock forecasts over HTTP.", API_ROUTES)
    plain: dict[str, Any] = json.loads(json.dumps(document))
    return plain


def list_operations(document: dict[str, Any]) -> Iterator[DocumentedOperation]:
    """Yield the operations that have a name, without synonyms of paths and parameters."""
    for path, methods in document["paths"].items():
        for method, details in methods.items():
            if "operationId" not in details or _is_synonym(details):
                continue
            kept = [p for p in details.get("parameters", []) if not _is_synonym(p)]
            yield DocumentedOperation(method.upper(), path, details | {"parameters": kept})


def called_operations(document: dict[str, Any]) -> list[DocumentedOperation]:
    """Return the operations of the clients."""
    return [o for o in list_operations(document) if o.name not in _NOT_CALLED]


def _is_synonym(described: dict[str, Any]) -> bool:
    return str(described.get("description", "")).startswith("Synonym of")
