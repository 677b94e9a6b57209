"""Admission of requests: credentials and rate limits."""

from __future__ import annotations

from functools import cache
from http import HTTPStatus
from ipaddress import ip_address

from starlette.types import Scope

from serving.http.problems import Problem
from serving.protection.access import Caller, check_scope, set_caller
from serving.protection.key_ring import KeyRing
from serving.protection.rate_limits import Allowance, TokenBuckets
from serving.protection.tokens import TokenVerifier
from serving.settings import Access

Headers = tuple[tuple[bytes, bytes], ...]

# Key of the scope: further headers of the response, whatever its status.
EXTRA_HEADERS = "stockcast.headers"
# Probes, and pages without data, which a browser requests without a key.
_PUBLIC = frozenset({"/", "/docs", "/docs.json", "/livez", "/readyz", "/healthz"})
_PUBLIC_FOLDERS = ("/static_content/", "/static/")


class Guard:
    """Decides whether a request is admitted.

    Parameters
    ----------
    access
        `keys` requires a key for each request, `open` for none, and `auto` for each request that
        does not arrive at a loopback address.
    buckets
        Rate limits by caller, or by address for a request without key. None for no limit.
    tokens
        Verifies the bearer tokens of an issuer. None without an issuer.
    """

    def __init__(
        self,
        access: Access,
        keys: KeyRing,
        buckets: TokenBuckets | None = None,
        tokens: TokenVerifier | None = None,
    ) -> None:
        self._access = access
        self._keys = keys
        self._buckets = buckets
        self._tokens = tokens

    def is_free(self, scope: Scope) -> bool:
        """Return whether a request needs neither a key nor a token of a bucket."""
        return self._buckets is None and not self._needs_key(scope)

    def admits(self, scope: Scope) -> bool:
        """Return whether `admit` succeeds."""
        try:
            self.admit(scope)
        except Problem:
            return False
        return True

    def admit(self, scope: Scope) -> None:
        """Identify the caller of a request, and take one token of its bucket.

        The caller and the headers of the rate limit are recorded in `scope`.

        Raises
        ------
        Problem
            If a needed key is missing or invalid, lacks the scope `read`, or has no token left.
        """
        if is_public(scope["path"]):
            return
        caller = self._identify(read_key(scope))
        set_caller(scope, caller)
        # Before the check, so that requests with invalid keys are limited too.
        if self._buckets is not None:
            self._take_token(self._buckets, scope, caller)
        if self._needs_key(scope):
            check_scope(caller, "read")

    def _identify(self, key: str | None) -> Caller | None:
        if key is None:
            return None
        caller = self._keys.identify(key)
        if caller is None and self._tokens is not None:
            caller = self._tokens.identify(key)
        return caller

    def _needs_key(self, scope: Scope) -> bool:
        if self._access != "auto":
            return self._access == "keys"
        server = scope.get("server")
        # A Unix socket has no address; the permissions of its file protect it.
        return server is not None and not _is_loopback(server[0])

    @staticmethod
    def _take_token(buckets: TokenBuckets, scope: Scope, caller: Caller | None) -> None:
        client = scope.get("client")
        name = caller.id if caller else f"address:{client[0] if client else 'local'}"
        allowance = buckets.take(name)
        scope[EXTRA_HEADERS] = _rate_headers(buckets, allowance)
        if not allowance.is_granted:
            msg = (
                f"The limit is {buckets.per_minute} requests per minute, and {buckets.burst} at"
                " once; retry after the time in `Retry-After`."
            )
            raise Problem(
                HTTPStatus.TOO_MANY_REQUESTS,
                "rate-limit",
                msg,
                retry_seconds=allowance.wait_seconds,
            )


def read_key(scope: Scope) -> str | None:
    """Return the value of `X-API-Key`, or else of `Authorization: Bearer`."""
    bearer = None
    for name, value in scope["headers"]:
        if name == b"x-api-key":
            return str(value.decode("latin-1")).strip()
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            bearer = str(value[7:].decode("latin-1")).strip()
    return bearer


def is_public(path: str) -> bool:
    """Return whether a path is a probe or a page without data."""
    return path in _PUBLIC or path.startswith(_PUBLIC_FOLDERS)


@cache
def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:  # the path of a Unix socket, or a client in this process
        return True


def _rate_headers(buckets: TokenBuckets, allowance: Allowance) -> Headers:
    """Return the headers of draft-ietf-httpapi-ratelimit-headers-10."""
    policy = (buckets.burst, buckets.fill_seconds)
    return (
        (b"ratelimit-policy", b'"requests";q=%d;w=%d' % policy),
        (b"ratelimit", b'"requests";r=%d;t=%d' % (allowance.remaining, allowance.full_seconds)),
    )
