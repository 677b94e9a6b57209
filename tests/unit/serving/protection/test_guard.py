"""Which requests need a key, and which rate limits apply to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.clocks.moving_clock import MovingClock
from support.serving.service_setup import NOW

from serving.http.problems import Problem
from serving.protection.access import caller_of
from serving.protection.guard import EXTRA_HEADERS, Guard
from serving.protection.key_ring import KeyRing
from serving.protection.keys import KeyStore
from serving.protection.rate_limits import TokenBuckets
from serving.settings import Access


@pytest.fixture
def clock() -> MovingClock:
    return MovingClock(NOW)


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    return KeyStore(tmp_path)


def make_guard(
    store: KeyStore, clock: MovingClock, access: Access = "auto", per_minute: int = 0
) -> Guard:
    ring = KeyRing(store, clock)
    ring.refresh()
    buckets = TokenBuckets(per_minute, per_minute, clock.elapsed) if per_minute else None
    return Guard(access, ring, buckets)


def request(
    path: str = "/predict/AAPL", server: str | None = "127.0.0.1", **headers: str
) -> dict[str, Any]:
    encoded = [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()]
    at = (server, 3000) if server else None
    return {"path": path, "server": at, "client": ("10.0.0.7", 1), "headers": encoded}


@pytest.mark.parametrize("server", ["127.0.0.1", "127.8.8.8", "::1", "/run/a.sock", None])
def test_a_local_address_needs_no_key(
    store: KeyStore, clock: MovingClock, server: str | None
) -> None:
    guard = make_guard(store, clock)
    assert guard.is_free(request(server=server))
    guard.admit(request(server=server))


@pytest.mark.parametrize("server", ["10.0.0.1", "0.0.0.0", "192.168.1.5", "fe80::1", "8.8.8.8"])
def test_every_other_address_needs_a_key(store: KeyStore, clock: MovingClock, server: str) -> None:
    guard = make_guard(store, clock)
    assert not guard.is_free(request(server=server))
    with pytest.raises(Problem) as caught:
        guard.admit(request(server=server))
    assert (caught.value.status, caught.value.kind) == (401, "key-required")
    assert "stockcast keys create" in caught.value.detail


def test_a_key_is_accepted_in_both_headers(store: KeyStore, clock: MovingClock) -> None:
    key = store.create("app", "read", NOW)
    guard = make_guard(store, clock, "keys")
    for headers in ({"x_api_key": key}, {"authorization": f"Bearer {key}"}):
        scope = request(**headers)
        guard.admit(scope)
        assert caller_of(scope) is not None


def test_a_wrong_key_is_refused_and_not_repeated(store: KeyStore, clock: MovingClock) -> None:
    key = store.create("app", "read", NOW) + "x"
    with pytest.raises(Problem) as caught:
        make_guard(store, clock, "keys").admit(request(x_api_key=key))
    assert caught.value.status == 401
    assert key not in caught.value.detail


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/", "/docs.json", "/static_content/a.js"])
def test_probes_and_pages_without_data_need_no_key(
    store: KeyStore, clock: MovingClock, path: str
) -> None:
    make_guard(store, clock, "keys").admit(request(path))


@pytest.mark.parametrize("path", ["/health", "/metrics", "/static_content", "/livez/", "//"])
def test_other_paths_need_a_key(store: KeyStore, clock: MovingClock, path: str) -> None:
    with pytest.raises(Problem):
        make_guard(store, clock, "keys").admit(request(path))


def test_the_limit_of_an_address_is_stated_and_enforced(
    store: KeyStore, clock: MovingClock
) -> None:
    guard = make_guard(store, clock, per_minute=2)
    states = []
    for _ in range(2):
        scope = request()
        guard.admit(scope)
        states.append(dict(scope[EXTRA_HEADERS])[b"ratelimit"])
    assert states == [b'"requests";r=1;t=30', b'"requests";r=0;t=60']
    assert dict(scope[EXTRA_HEADERS])[b"ratelimit-policy"] == b'"requests";q=2;w=60'
    with pytest.raises(Problem) as caught:
        guard.admit(request())
    assert (caught.value.status, caught.value.retry_seconds) == (429, 30)
    clock.sleep(30)
    guard.admit(request())


def test_callers_do_not_share_a_limit(store: KeyStore, clock: MovingClock) -> None:
    keys = [store.create(name, "read", NOW) for name in ("a", "b")]
    guard = make_guard(store, clock, per_minute=1)
    for headers in ({"x_api_key": keys[0]}, {"x_api_key": keys[1]}, {}):
        guard.admit(request(**headers))
        assert not guard.admits(request(**headers))


def test_an_invalid_key_counts_for_the_address(store: KeyStore, clock: MovingClock) -> None:
    """A made-up key for each request must not give each request a new bucket."""
    guard = make_guard(store, clock, per_minute=1)
    assert guard.admits(request(x_api_key="sc_a_b"))
    assert not guard.admits(request(x_api_key="sc_c_d"))


def test_probes_have_no_limit(store: KeyStore, clock: MovingClock) -> None:
    guard = make_guard(store, clock, per_minute=1)
    for _ in range(3):
        guard.admit(request("/livez"))


def test_requests_with_invalid_keys_are_limited_too(store: KeyStore, clock: MovingClock) -> None:
    guard = make_guard(store, clock, "keys", per_minute=1)
    statuses = []
    for number in range(2):
        with pytest.raises(Problem) as caught:
            guard.admit(request(x_api_key=f"sc_{number}_x"))
        statuses.append(caught.value.status)
    assert statuses == [401, 429]
