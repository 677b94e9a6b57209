"""Check of the file `dagster.yaml` of a home, which a user may write."""

import os
from collections.abc import Iterator
from pathlib import Path

import yaml

from core.errors import PermanentError

DRIVER = "postgresql+psycopg2"
_SCHEMES = ("postgresql", "postgres")


def check_storage(config: Path) -> None:
    """Check that `config` is YAML and names psycopg2 wherever it names PostgreSQL.

    SQLAlchemy 2.1 reads ``postgresql://`` as psycopg 3, on which `dagster_postgres` fails at the
    first event of a run.

    Raises
    ------
    PermanentError
        If the file cannot be read, or an address or a `postgres_db` has another driver. The message
        has no address, because it may contain a password.
    """
    try:
        content = yaml.safe_load(config.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        msg = f"{config} is not YAML: {reason}; correct it, or delete it for the default."
        raise PermanentError(msg) from None
    for place, scheme in _postgres_schemes(content):
        if scheme != DRIVER:
            msg = (
                f"{config} must name the PostgreSQL driver psycopg2 in `{place}`, got {scheme}; "
                f"write {DRIVER}:// in an address, or `scheme: {DRIVER}` in `postgres_db`."
            )
            raise PermanentError(msg)


def _postgres_schemes(content: object, place: str = "") -> Iterator[tuple[str, str]]:
    """Yield the path and the scheme of every PostgreSQL database in the configuration."""
    if isinstance(content, dict):
        variable = content.get("env")
        if isinstance(variable, str) and len(content) == 1:
            yield from _postgres_schemes(os.environ.get(variable), place)
        if place.endswith("postgres_db"):
            yield place, str(content.get("scheme", _SCHEMES[0]))
        for key, value in content.items():
            yield from _postgres_schemes(value, f"{place}.{key}".lstrip("."))
    elif isinstance(content, list):
        for value in content:
            yield from _postgres_schemes(value, place)
    elif isinstance(content, str) and "://" in content:
        scheme = content.partition("://")[0]
        if scheme.partition("+")[0] in _SCHEMES:
            yield place, scheme
