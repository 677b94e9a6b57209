"""API keys: creation, revocation, and their table in the home.

A key is ``sc_<id>_<secret>`` with a random secret of 256 bits. The table has its SHA-256 only: a
slow hash protects guessable passwords, and would cost milliseconds for each request.
"""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from core.errors import PermanentError
from core.sqlite import Database
from serving.protection.access import SCOPES

KEYS_FILE = "keys.sqlite"
PREFIX = "sc"
_ID_BYTES, _SECRET_BYTES = 6, 32
_MAX_NAME = 60
_SCHEMA = """
CREATE TABLE IF NOT EXISTS keys (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, digest BLOB NOT NULL, scope TEXT NOT NULL,
    created_at TEXT NOT NULL, expires_at TEXT, revoked_at TEXT
) STRICT;
"""


@dataclass(frozen=True)
class ApiKey:
    """A stored key, without its secret."""

    id: str
    name: str
    digest: bytes
    scope: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    def is_valid(self, now: datetime) -> bool:
        """Return whether the key is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


class KeyStore:
    """Table of all keys of a home, including the revoked ones."""

    def __init__(self, home: Path) -> None:
        self._path = home / KEYS_FILE
        contents = "It holds the API keys: create them again with `stockcast keys create`."
        self._database = Database(self._path, _SCHEMA, contents=contents)

    def create(
        self,
        name: str,
        scope: str,
        now: datetime,
        *,
        expires_at: datetime | None = None,
    ) -> str:
        """Store a new key and return it. It cannot be read again.

        Raises
        ------
        PermanentError
            If `name`, `scope` or `expires_at` is invalid.
        """
        _check(name, scope, now, expires_at)
        key_id, secret = secrets.token_hex(_ID_BYTES), secrets.token_urlsafe(_SECRET_BYTES)
        row = (key_id, name.strip(), digest_of(secret), scope, now.isoformat())
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO keys (id, name, digest, scope, created_at, expires_at)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (*row, expires_at.isoformat() if expires_at else None),
            )
        return f"{PREFIX}_{key_id}_{secret}"

    def list(self) -> list[ApiKey]:
        """Return all keys, oldest first. No file is created for a home without keys."""
        if not self._path.exists():
            return []
        with self._database.connection() as connection:
            rows = connection.execute("SELECT * FROM keys ORDER BY created_at, id").fetchall()
        return [_read(row) for row in rows]

    def revoke(self, key_id: str, now: datetime) -> None:
        """Revoke a key; running services refuse it within seconds.

        Raises
        ------
        PermanentError
            If no valid key has this id.
        """
        with self._database.transaction() as connection:
            changed = connection.execute(
                "UPDATE keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL",
                (now.isoformat(), key_id),
            ).rowcount
        if not changed:
            msg = f"No key to revoke has the id {key_id!r}; `stockcast keys list` shows all keys."
            raise PermanentError(msg)


def digest_of(secret: str) -> bytes:
    """Return the digest that is stored for a secret."""
    return hashlib.sha256(secret.encode()).digest()


def _check(name: str, scope: str, now: datetime, expires_at: datetime | None) -> None:
    if not 0 < len(name.strip()) <= _MAX_NAME or not name.isprintable():
        msg = f"`name` must have 1 to {_MAX_NAME} printable characters, got {name!r}."
        raise PermanentError(msg)
    if scope not in SCOPES:
        msg = f"`scope` must be one of {', '.join(SCOPES)}, got {scope!r}."
        raise PermanentError(msg)
    if expires_at is not None and expires_at <= now:
        msg = f"`expires_at` must be in the future, got {expires_at}."
        raise PermanentError(msg)


def _read(row: sqlite3.Row) -> ApiKey:
    return ApiKey(
        id=row["id"],
        name=row["name"],
        digest=row["digest"],
        scope=row["scope"],
        created_at=datetime.fromisoformat(row["created_at"]),
        expires_at=_time(row["expires_at"]),
        revoked_at=_time(row["revoked_at"]),
    )


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
