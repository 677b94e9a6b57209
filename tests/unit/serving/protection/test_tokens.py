"""Bearer tokens of an issuer, which is a real HTTP server with real keys."""

from __future__ import annotations

import base64
import hmac
import json
import logging
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from support.clocks.moving_clock import MovingClock

from core.clock import SystemClock
from serving.protection.access import Caller
from serving.protection.guard import Guard
from serving.protection.key_ring import KeyRing
from serving.protection.keys import KeyStore
from serving.protection.tokens import TokenVerifier

AUDIENCE = "https://forecasts.example"
ISSUER = "https://login.example"
# PyJWT compares the expiry with the time of the machine.
NOW = SystemClock().now()


class Issuer:
    """Signs tokens, and publishes its keys over HTTP."""

    def __init__(self) -> None:
        self.keys: dict[str, Any] = {}
        self.reads = 0
        self.is_down = False
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.reads += 1
                self.send_response(500 if issuer.is_down else 200)
                self.end_headers()
                self.wfile.write(json.dumps({"keys": issuer.published()}).encode())

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/jwks"
        self.add_key("first")

    def add_key(self, kid: str) -> None:
        self.keys[kid] = ec.generate_private_key(ec.SECP256R1())

    def published(self) -> list[dict[str, Any]]:
        algorithm = jwt.algorithms.ECAlgorithm
        return [
            algorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": kid, "use": "sig"}
            for kid, key in self.keys.items()
        ]

    def sign(self, kid: str = "first", **changes: object) -> str:
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "user-7",
            "exp": NOW + timedelta(hours=1),
            "scope": "read profile",
        }
        claims = {k: v for k, v in (claims | changes).items() if v is not None}
        return jwt.encode(claims, self.keys[kid], "ES256", headers={"kid": kid})


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    issuer = Issuer()
    yield issuer
    issuer.server.shutdown()
    issuer.server.server_close()


@pytest.fixture
def clock() -> MovingClock:
    return MovingClock(NOW)


@pytest.fixture
def verifier(issuer: Issuer, clock: MovingClock) -> TokenVerifier:
    verifier = TokenVerifier(ISSUER, AUDIENCE, issuer.url, clock)
    verifier.refresh()
    return verifier


def test_a_token_identifies_its_subject_and_scopes(issuer: Issuer, verifier: TokenVerifier) -> None:
    for _ in range(2):  # the second time from memory
        caller = verifier.identify(issuer.sign())
        assert caller == Caller("token:user-7", frozenset({"read"}))
    listed = issuer.sign(scope=None, scp=["admin", 7])
    assert verifier.identify(listed) == Caller("token:user-7", frozenset({"admin"}))
    none = verifier.identify(issuer.sign(scope=None))
    assert none is not None
    assert not none.may("read")


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://other.example"},
        {"aud": "https://other.example"},
        {"aud": None},
        {"exp": None},
        {"exp": NOW - timedelta(hours=1)},
        {"sub": None},
        {"nbf": NOW + timedelta(hours=1)},
    ],
    ids=["issuer", "audience", "no-audience", "no-expiry", "expired", "no-subject", "not-yet"],
)
def test_a_token_with_a_wrong_claim_is_refused(
    issuer: Issuer, verifier: TokenVerifier, changes: dict[str, object]
) -> None:
    assert verifier.identify(issuer.sign(**changes)) is None


def test_a_token_that_is_not_signed_by_the_issuer_is_refused(
    issuer: Issuer, verifier: TokenVerifier
) -> None:
    """Among them: no signature, and the public key used as a shared secret."""
    head, body, signature = issuer.sign().split(".")
    claims = jwt.decode(issuer.sign(), options={"verify_signature": False})
    confused = _part({"alg": "HS256", "kid": "first"}) + "." + body
    public = json.dumps(issuer.published()[0]).encode()
    forged = [
        jwt.encode(claims, None, "none", headers={"kid": "first"}),  # type: ignore[arg-type]
        f"{confused}.{_encode(hmac.digest(public, confused.encode(), 'sha256'))}",
        jwt.encode(claims, ec.generate_private_key(ec.SECP256R1()), "ES256", {"kid": "first"}),
        jwt.encode(claims, rsa.generate_private_key(65537, 2048), "RS256", {"kid": "first"}),
        f"{head}.{_part({})}.{signature}",
        f"{head}.{body}.",
        "a.b.c",
        "",
        "é",
    ]
    assert [verifier.identify(token) for token in forged] == [None] * len(forged)


def _part(fields: dict[str, object]) -> str:
    return _encode(json.dumps(fields).encode())


def _encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def test_a_verified_token_expires(
    issuer: Issuer, verifier: TokenVerifier, clock: MovingClock
) -> None:
    token = issuer.sign()
    assert verifier.identify(token) is not None
    clock.advance(hours=1, seconds=31)
    assert verifier.identify(token) is None


def test_a_new_key_is_read_soon_but_not_for_each_token(
    issuer: Issuer, verifier: TokenVerifier, clock: MovingClock
) -> None:
    issuer.add_key("second")
    for _ in range(5):
        assert verifier.identify(issuer.sign("second")) is None
        verifier.refresh()
    assert issuer.reads == 1
    clock.advance(seconds=11)
    verifier.refresh()
    assert issuer.reads == 2
    assert verifier.identify(issuer.sign("second")) is not None


def test_a_withdrawn_key_is_refused_after_the_next_read(
    issuer: Issuer, verifier: TokenVerifier, clock: MovingClock
) -> None:
    token = issuer.sign()
    assert verifier.identify(token) is not None
    issuer.add_key("second")
    del issuer.keys["first"]
    clock.advance(seconds=601)
    verifier.refresh()
    assert verifier.identify(token) is None


def test_known_keys_are_kept_while_the_issuer_is_down(
    issuer: Issuer, verifier: TokenVerifier, clock: MovingClock, caplog: pytest.LogCaptureFixture
) -> None:
    issuer.is_down = True
    with caplog.at_level(logging.WARNING, "stockcast.serving"):
        for _ in range(3):
            clock.advance(seconds=601)
            verifier.refresh()
    assert issuer.reads == 4
    assert caplog.text.count("issuer_keys_not_read") == 1
    assert verifier.identify(issuer.sign(exp=NOW + timedelta(days=1))) is not None


def test_the_guard_accepts_keys_and_tokens(
    issuer: Issuer, verifier: TokenVerifier, tmp_path: Path, clock: MovingClock
) -> None:
    ring = KeyRing(KeyStore(tmp_path), clock)
    guard = Guard("keys", ring, tokens=verifier)

    def admits(token: str) -> bool:
        header = (b"authorization", f"Bearer {token}".encode())
        return guard.admits({"path": "/x", "server": None, "client": None, "headers": [header]})

    assert admits(issuer.sign())
    assert not admits(issuer.sign(scope="profile"))
