"""MLflow clients: time-outs, telemetry and the translation of errors.

This is the only module that opens MLflow. It imports MLflow inside functions, because the import
takes seconds and most commands do not need it.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from core.errors import RegistryDownError, RegistryError
from core.files import locked
from registry.addresses import DATABASES, redacted, scheme_of, sqlite_file, with_driver

if TYPE_CHECKING:
    from mlflow import MlflowClient

CONNECT_SECONDS = 5

# MLflow reads these only from the environment, some of them at import. Its own defaults retry an
# unavailable server for four minutes; with these, a request fails within seconds. Variables that
# are set already are not changed.
MLFLOW_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    # MLflow prints addresses, which may contain a password.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}

# Part of MLflow's message about a database with older or newer tables than expected.
_OTHER_SCHEMA = "out-of-date database schema"

# Error codes that a retry cannot change. All other codes may be transient.
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
    """Open the MLflow server or database at `tracking_uri`; create a missing SQLite file.

    Raises `RegistryError` for an unsupported address, and `RegistryDownError` if a database cannot
    be reached. No request is sent to a server yet.
    """
    scheme = scheme_of(tracking_uri)
    with translate_errors(f"opening {redacted(tracking_uri)}", tracking_uri):
        if scheme in DATABASES:
            _probe_database(tracking_uri)
        for name, value in MLFLOW_DEFAULTS.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient  # noqa: PLC0415  takes seconds

        address = with_driver(tracking_uri)
        with _initialization_lock(tracking_uri):
            client = MlflowClient(address, registry_uri=address)
            if scheme == "sqlite":
                client.search_registered_models(max_results=1)
        return client


@contextmanager
def _initialization_lock(tracking_uri: str) -> Iterator[None]:
    """Let one process at a time create the tables of a SQLite file.

    MLflow does not lock. Without this lock, a service that polls for its champion could break the
    run that creates the registry.
    """
    path = sqlite_file(tracking_uri)
    if path is None:
        yield
        return
    with locked(path.with_name(f".{path.name}.lock")):
        yield


@contextmanager
def translate_errors(action: str, tracking_uri: str) -> Iterator[None]:
    """Raise errors of MLflow and its database as a `StockcastError` without secrets.

    The cause is not chained, because its message and its frames may contain the password.
    """
    try:
        yield
    except ImportError as error:
        msg = f"A package is missing for {action}: {error}. {_install_hint(tracking_uri)}"
        raise RegistryError(msg) from None
    except Exception as error:
        if _OTHER_SCHEMA in str(error):
            raise _schema_error(str(error), tracking_uri) from None
        error_class = _error_class(error, tracking_uri)
        if error_class is None:
            raise
        cause = redacted(str(error), tracking_uri).strip().partition("\n")[0].rstrip(".")
        msg = f"The registry failed at {action}: {cause}. {_hint(error_class)}"
        raise error_class(msg) from None


def error_code(error: BaseException) -> str:
    """Return MLflow's code of one of its errors, or an empty string for any other error."""
    return str(getattr(error, "error_code", ""))


def _error_class(
    error: Exception, tracking_uri: str
) -> type[RegistryError] | type[RegistryDownError] | None:
    family = type(error).__module__.partition(".")[0]
    if family == "mlflow":
        return RegistryError if error_code(error) in PERMANENT_CODES else RegistryDownError
    if family in {"requests", "urllib3"}:
        return RegistryDownError
    if family in {"sqlalchemy", "sqlite3"}:
        busy = "locked" in str(error) or scheme_of(tracking_uri) != "sqlite"
        return RegistryDownError if busy else RegistryError
    return RegistryError if isinstance(error, OSError) else None


def _schema_error(message: str, tracking_uri: str) -> RegistryError:
    """Return the error for a database of another MLflow version, with the command that helps."""
    versions = re.search(r"\(.*?\)", message)
    address = redacted(with_driver(tracking_uri))
    return RegistryError(
        f"The registry at {address} was written by another version of MLflow "
        f"{versions[0] if versions else ''}. Back it up, then run: mlflow db upgrade "
        f"{shlex.quote(address)}. If the upgrade fails, the registry is newer than this MLflow: "
        "install the version that wrote it."
    )


def _hint(error_class: type[Exception]) -> str:
    if error_class is RegistryDownError:
        return (
            "Try again; if the error persists, check that the registry runs at the address in "
            "STOCKCAST_MLFLOW_TRACKING_URI."
        )
    return (
        "`stockcast models` lists the versions; STOCKCAST_MLFLOW_TRACKING_URI sets the address of "
        "the registry."
    )


def _install_hint(tracking_uri: str) -> str:
    extra = "postgres" if scheme_of(tracking_uri) == "postgresql" else "registry"
    return f"Install `stockcast[{extra}]`."


def _probe_database(tracking_uri: str) -> None:
    """Connect once, because MLflow retries for two minutes, even after a wrong password."""
    import sqlalchemy  # noqa: PLC0415  not needed for a server

    path = sqlite_file(tracking_uri)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    has_timeout = scheme_of(tracking_uri) in {"postgresql", "mysql"}
    engine = sqlalchemy.create_engine(
        with_driver(tracking_uri),
        connect_args={"connect_timeout": CONNECT_SECONDS} if has_timeout else {},
    )
    try:
        sqlalchemy.inspect(engine).get_table_names()
    finally:
        engine.dispose()
