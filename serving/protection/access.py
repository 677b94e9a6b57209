"""Callers of the service, and the scopes that routes require.

`serving.protection.guard` identifies the caller; a route states the scope that it needs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import wraps
from http import HTTPStatus
from typing import Literal

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope as AsgiScope

from serving.http.problems import Problem

AccessScope = Literal["read", "admin"]
SCOPES: tuple[AccessScope, ...] = ("read", "admin")
CREATE_A_KEY = "create a key with `stockcast keys create NAME --scope {scope}`"

_CALLER = "stockcast.caller"
Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Caller:
    """A caller with valid credentials. The scope `admin` includes `read`."""

    id: str
    scopes: frozenset[str]

    def may(self, scope: AccessScope) -> bool:
        """Return whether the caller has a scope."""
        return scope in self.scopes or "admin" in self.scopes


def set_caller(scope: AsgiScope, caller: Caller | None) -> None:
    """Record the caller of a request."""
    scope[_CALLER] = caller


def caller_of(scope: AsgiScope) -> Caller | None:
    """Return the caller of a request, or None without credentials."""
    caller: Caller | None = scope.get(_CALLER)
    return caller


def check_scope(caller: Caller | None, scope: AccessScope) -> None:
    """Raise a `Problem` unless the caller has a scope."""
    if caller is None:
        msg = (
            "This request needs a key in the header `X-API-Key` or `Authorization: Bearer`;"
            f" {CREATE_A_KEY.format(scope=scope)}."
        )
        raise Problem(HTTPStatus.UNAUTHORIZED, "key-required", msg)
    if not caller.may(scope):
        msg = f"The key does not have the scope `{scope}`; {CREATE_A_KEY.format(scope=scope)}."
        raise Problem(HTTPStatus.FORBIDDEN, "scope-required", msg, scope=scope)


def require_scope(scope: AccessScope) -> Callable[[Handler], Handler]:
    """Return a decorator for a route that always needs a key with this scope."""

    def decorate(handler: Handler) -> Handler:
        @wraps(handler)
        async def checked(request: Request) -> Response:
            check_scope(caller_of(request.scope), scope)
            return await handler(request)

        return checked

    return decorate
