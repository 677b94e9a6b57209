"""The only place that opens MLflow: a client for a tracking address, and its failures in our words.

Opening, time-outs, telemetry, secrets and the translation of errors belong here. What is kept in
MLflow does not (`registry.versions`, `registry.promotion.audit`). MLflow is imported inside the functions:
it takes seconds, and most commands never need it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from core.errors import RegistryDownError, RegistryError
from core.files import locked

if TYPE_CHECKING:
    from mlflow import MlflowClient

SERVERS = ("http", "https")
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
CONNECT_SECONDS = 5

# MLflow takes these from the environment alone, some of them while it is imported. Its own
# defaults retry a dead server for four minutes; with these it is noticed within seconds. Whoever
# sets one of the variables keeps what they set.
MLFLOW_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    # It prints whole addresses, with the password that may be in them.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}

# What asking again cannot change; everything else may be a matter of time.
PERMANENT_CODES = frozenset(
    {
        "BAD_REQUEST",
        "CUSTOMER_UNAUTHORIZED",
        "ENDPOINT_NOT_FOUND",
        "FEATURE_DISABLED",
        "INVALID_PARAMETER_VALUE",
        "INVALID_STATE",
        "NOT_FOUND",
        "NOT_IMPLEMENTED",
        "PERMISSION_DENIED",
        "RESOURCE_ALREADY_EXISTS",
        "RESOURCE_DOES_NOT_EXIST",
        "UNAUTHENTICATED",
    }
)


def make_client(tracking_uri: str) -> MlflowClient:
    """Open the MLflow server or database at `tracking_uri`; a SQLite file is made when missing.

    Raises `RegistryError` for an address that cannot work, and `RegistryDownError` when a database
    does not answer. A server is not asked anything yet.
    """
    scheme = scheme_of(tracking_uri)
    with translated(f"opening {redacted(tracking_uri)}", tracking_uri):
        if scheme in DATABASES:
            _probe_database(tracking_uri)
        for name, value in MLFLOW_DEFAULTS.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient  # noqa: PLC0415  takes seconds

        address = with_driver(tracking_uri)
        with _made_by_one(tracking_uri):
            client = MlflowClient(address, registry_uri=address)
            if scheme == "sqlite":
                client.search_registered_models(max_results=1)
        return client


@contextmanager
def _made_by_one(tracking_uri: str) -> Iterator[None]:
    """Let one process make a SQLite file's tables while others wait: MLflow lets all of them try.

    A service that looks for its champion would otherwise break the very run that trains it.
    """
    path = sqlite_file(tracking_uri)
    if path is None:
        yield
        return
    with locked(path.with_name(f".{path.name}.lock")):
        yield


def with_driver(tracking_uri: str) -> str:
    """Name the PostgreSQL driver that the extra installs; SQLAlchemy 2.1 would take another."""
    plain, named = "postgresql://", "postgresql+psycopg2://"
    return tracking_uri.replace(plain, named, 1) if tracking_uri.startswith(plain) else tracking_uri


def scheme_of(tracking_uri: str) -> str:
    """Return `http`, `sqlite`, ..., without a driver's name; `RegistryError` for any other."""
    scheme = tracking_uri.partition("://")[0].partition("+")[0]
    if "://" not in tracking_uri or scheme not in SERVERS + DATABASES:
        known = ", ".join(f"{name}://" for name in SERVERS + DATABASES)
        msg = (
            f"`mlflow_tracking_uri` must start with one of {known}, "
            f"got {redacted(tracking_uri)!r}. For a file on this machine: sqlite:////folder/name.db."
        )
        raise RegistryError(msg)
    return scheme


def sqlite_file(tracking_uri: str) -> Path | None:
    """Return the file of a SQLite address, and None for any other address."""
    if scheme_of(tracking_uri) != "sqlite":
        return None
    return Path(tracking_uri.partition("://")[2].removeprefix("/")).absolute()


def redacted(text: str, tracking_uri: str = "", *, by: str = "***@") -> str:
    """Return `text` without any user and password, those of `tracking_uri` above all."""
    for secret in _secrets(tracking_uri):
        text = text.replace(secret, "***")
    return re.sub(r"(?<=://)[^\s/]*@", by, text)


@contextmanager
def translated(doing: str, tracking_uri: str) -> Iterator[None]:
    """Turn whatever MLflow and its database raise into a `StockcastError` without secrets.

    The cause is not chained: its message and its frames may hold the password.
    """
    try:
        yield
    except ImportError as error:
        msg = f"The registry needs a package for {doing}: {error}. {_install_hint(tracking_uri)}"
        raise RegistryError(msg) from None
    except Exception as error:
        kind = _kind(error, tracking_uri)
        if kind is None:
            raise
        cause = redacted(str(error), tracking_uri).strip().partition("\n")[0].rstrip(".")
        msg = f"The registry failed at {doing}: {cause}. {_way_out(kind)}"
        raise kind(msg) from None


def error_code(error: BaseException) -> str:
    """Return MLflow's code for an error of its own, and an empty text for any other error."""
    return str(getattr(error, "error_code", ""))


def _kind(
    error: Exception, tracking_uri: str
) -> type[RegistryError] | type[RegistryDownError] | None:
    family = type(error).__module__.partition(".")[0]
    if family == "mlflow":
        return RegistryError if error_code(error) in PERMANENT_CODES else RegistryDownError
    if family in {"requests", "urllib3"}:
        return RegistryDownError
    if family == "sqlalchemy":
        busy = "locked" in str(error) or scheme_of(tracking_uri) != "sqlite"
        return RegistryDownError if busy else RegistryError
    return RegistryError if isinstance(error, OSError) else None


def _way_out(kind: type[Exception]) -> str:
    if kind is RegistryDownError:
        return (
            "Try again; if it stays so, look whether it runs where STOCKCAST_MLFLOW_TRACKING_URI "
            "points."
        )
    return "`stockcast models` lists what there is; STOCKCAST_MLFLOW_TRACKING_URI says where."


def _install_hint(tracking_uri: str) -> str:
    extra = "postgres" if scheme_of(tracking_uri) == "postgresql" else "registry"
    return f"Install `stockcast[{extra}]`."


def _probe_database(tracking_uri: str) -> None:
    """Connect once: left to itself, MLflow retries even a wrong password for two minutes."""
    import sqlalchemy  # noqa: PLC0415  not needed for a server

    path = sqlite_file(tracking_uri)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    waits = scheme_of(tracking_uri) in {"postgresql", "mysql"}
    engine = sqlalchemy.create_engine(
        with_driver(tracking_uri),
        connect_args={"connect_timeout": CONNECT_SECONDS} if waits else {},
    )
    try:
        sqlalchemy.inspect(engine).get_table_names()
    finally:
        engine.dispose()


def _secrets(tracking_uri: str) -> set[str]:
    """Return the password in its spellings, wherever it may turn up."""
    try:
        password = urlsplit(tracking_uri).password
    except ValueError:
        password = None
    return {text for text in (password, unquote(password or "")) if text}
