"""API keys: their table, and the keys in memory that requests are compared with."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from support.clocks.moving_clock import MovingClock
from support.serving.service_setup import NOW

from core.errors import PermanentError
from serving.protection.access import Caller
from serving.protection.key_ring import KeyRing
from serving.protection.keys import KEYS_FILE, KeyStore


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    return KeyStore(tmp_path)


@pytest.fixture
def clock() -> MovingClock:
    return MovingClock(NOW)


@pytest.fixture
def ring(store: KeyStore, clock: MovingClock) -> KeyRing:
    return KeyRing(store, clock)


def test_a_key_identifies_its_caller_and_scope(store: KeyStore, ring: KeyRing) -> None:
    key = store.create("app", "admin", NOW)
    ring.refresh()
    (stored,) = store.list()
    assert ring.identify(key) == Caller(f"key:{stored.id}", frozenset({"admin"}))


def test_no_file_of_the_home_has_the_secret(store: KeyStore, tmp_path: Path) -> None:
    secret = store.create("app", "read", NOW).split("_", 2)[2]
    files = [path for path in tmp_path.iterdir() if path.name.startswith(KEYS_FILE)]
    assert files
    assert not any(secret.encode() in path.read_bytes() for path in files)
    assert secret not in repr(store.list())


@pytest.mark.parametrize(("kept", "added"), [(-1, "!"), (None, "x"), (-1, "")])
def test_a_changed_key_is_refused(
    store: KeyStore, ring: KeyRing, kept: int | None, added: str
) -> None:
    key = store.create("app", "read", NOW)
    ring.refresh()
    assert ring.identify(key[:kept] + added) is None


@pytest.mark.parametrize("key", ["", "sc", "sc_", "sc__", "sc_0_", "xx_a_b", "sc_é_ü", "a" * 9999])
def test_a_text_that_is_no_key_is_refused(store: KeyStore, ring: KeyRing, key: str) -> None:
    store.create("app", "read", NOW)
    ring.refresh()
    assert ring.identify(key) is None


def test_the_secret_of_one_key_does_not_open_another(store: KeyStore, ring: KeyRing) -> None:
    first, second = (store.create(name, "read", NOW).split("_", 2) for name in ("a", "b"))
    ring.refresh()
    assert ring.identify("_".join((*first[:2], second[2]))) is None


def test_a_revoked_key_is_refused_after_a_refresh(store: KeyStore, ring: KeyRing) -> None:
    key = store.create("app", "read", NOW)
    ring.refresh()
    store.revoke(key.split("_")[1], NOW)
    ring.refresh()
    assert ring.identify(key) is None


def test_a_key_expires_without_a_refresh(
    store: KeyStore, ring: KeyRing, clock: MovingClock
) -> None:
    key = store.create("app", "read", NOW, expires_at=NOW + timedelta(days=1))
    ring.refresh()
    clock.sleep(86_399)
    assert ring.identify(key) is not None
    clock.sleep(1)
    assert ring.identify(key) is None


def test_an_unknown_or_revoked_key_cannot_be_revoked(store: KeyStore) -> None:
    key_id = store.create("app", "read", NOW).split("_")[1]
    store.revoke(key_id, NOW)
    for unknown in (key_id, "nope"):
        with pytest.raises(PermanentError, match="stockcast keys list"):
            store.revoke(unknown, NOW)


@pytest.mark.parametrize(
    ("name", "scope", "days", "field"),
    [
        ("", "read", None, "name"),
        ("a\nb", "read", None, "name"),
        ("a" * 61, "read", None, "name"),
        ("app", "write", None, "scope"),
        ("app", "read", -1, "expires_at"),
    ],
)
def test_an_invalid_key_is_refused_with_the_field(
    store: KeyStore, name: str, scope: str, days: int | None, field: str
) -> None:
    expires_at = NOW + timedelta(days=days) if days else None
    with pytest.raises(PermanentError, match=f"`{field}`"):
        store.create(name, scope, NOW, expires_at=expires_at)


def test_a_home_without_keys_gets_no_file(store: KeyStore, ring: KeyRing, tmp_path: Path) -> None:
    ring.refresh()
    assert store.list() == []
    assert list(tmp_path.iterdir()) == []
