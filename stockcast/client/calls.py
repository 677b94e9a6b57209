"""One request to the service, independent of how it is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar, Union
from urllib.parse import quote

from pydantic import BaseModel, TypeAdapter

T = TypeVar("T")
QueryValue = str | int | float | bool | None


@dataclass(frozen=True)
class Call(Generic[T]):
    """A request and the types of its response.

    Parameters
    ----------
    path
        Path with the names of its parameters in braces.
    responses
        Types of a successful response. Empty if it has no body.
    """

    method: Literal["GET", "POST"]
    path: str
    responses: tuple[type[T], ...]
    parts: Mapping[str, str | int] = field(default_factory=dict)
    query: Mapping[str, QueryValue] = field(default_factory=dict)
    body: BaseModel | None = None

    @property
    def url(self) -> str:
        """Path with the values of its parameters."""
        parts = {name: quote(str(value), safe="") for name, value in self.parts.items()}
        return self.path.format(**parts)

    @property
    def params(self) -> dict[str, str]:
        """Query parameters that have a value."""
        return {k: _as_text(v) for k, v in self.query.items() if v is not None}

    @property
    def content(self) -> bytes | None:
        """Body as JSON, without the fields that were not set."""
        if self.body is None:
            return None
        return self.body.model_dump_json(exclude_unset=True).encode()

    def parse(self, content: bytes) -> T:
        """Return the response body as its type; raise `pydantic.ValidationError` if it differs."""
        if not self.responses:
            return None  # type: ignore[return-value]  # T is None
        either: Any = Union[self.responses]  # noqa: UP007  # the types are known at run time only
        result: T = TypeAdapter(either).validate_json(content)
        return result


def _as_text(value: Any) -> str:  # noqa: ANN401  # one of QueryValue
    return str(value).lower() if isinstance(value, bool) else str(value)
