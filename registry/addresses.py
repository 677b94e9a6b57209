"""Addresses of MLflow stores: schemes, database drivers, files and secrets."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from core.errors import RegistryError

SERVERS = ("http", "https")
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
POSTGRESQL = "postgresql+psycopg2"


def with_driver(tracking_uri: str) -> str:
    """Name psycopg2 in a PostgreSQL address; return any other address unchanged.

    SQLAlchemy 2.1 reads ``postgresql://`` as psycopg 3, and has no ``postgres://``. The extras
    install psycopg2, which `dagster_postgres` needs. Raises `RegistryError` for another driver.
    """
    scheme, separator, rest = tracking_uri.partition("://")
    if not separator or scheme.partition("+")[0] not in {"postgres", "postgresql"}:
        return tracking_uri
    if scheme not in {"postgres", "postgresql", POSTGRESQL}:
        msg = (
            f"`mlflow_tracking_uri` must use the PostgreSQL driver psycopg2, got {scheme}://; "
            f"use {POSTGRESQL}://."
        )
        raise RegistryError(msg)
    return f"{POSTGRESQL}://{rest}"


def scheme_of(tracking_uri: str) -> str:
    """Return the scheme, such as ``sqlite``, without a driver; `RegistryError` if unsupported."""
    scheme = with_driver(tracking_uri).partition("://")[0].partition("+")[0]
    if "://" not in tracking_uri or scheme not in SERVERS + DATABASES:
        schemes = ", ".join(f"{name}://" for name in SERVERS + DATABASES)
        msg = (
            f"`mlflow_tracking_uri` must start with one of {schemes}, "
            f"got {redacted(tracking_uri)!r}; use sqlite:////folder/name.db for a local file."
        )
        raise RegistryError(msg)
    return scheme


def sqlite_file(tracking_uri: str) -> Path | None:
    """Return the file of a SQLite address, or None for any other address."""
    if scheme_of(tracking_uri) != "sqlite":
        return None
    return Path(tracking_uri.partition("://")[2].removeprefix("/")).absolute()


def redacted(text: str, tracking_uri: str = "", *, by: str = "***@") -> str:
    """Return `text` without user names and passwords, in particular those of `tracking_uri`."""
    for secret in _secrets(tracking_uri):
        text = text.replace(secret, "***")
    return re.sub(r"(?<=://)[^\s/]*@", by, text)


def _secrets(tracking_uri: str) -> set[str]:
    """Return the password of `tracking_uri` as written and decoded."""
    try:
        password = urlsplit(tracking_uri).password
    except ValueError:
        password = None
    return {text for text in (password, unquote(password or "")) if text}
