"""Base of all settings: the prefix of the variables, loading, name checks and error texts.

The settings of a package are declared in its own ``settings`` module.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, TypeVar

from dotenv import dotenv_values
from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from core.errors import SettingsError

PREFIX = "STOCKCAST_"
# Variables with the prefix that configure the test suite only.
NOT_SETTINGS = frozenset({"STOCKCAST_REQUIRE_SERVICES"})

# The command line starts every other process, so its class inherits every setting. It is imported
# by name when settings are loaded: a process must accept the variables of all packages to find
# misspelt ones, and `core` must not depend on the packages above it. Modules of settings import
# only pydantic, `core` and light modules such as `market.providers.catalog`.
_ALL_SETTINGS = ("stockcast.cli.settings", "CommandSettings")

# MLflow and Dagster address their databases by URLs that contain the home without quoting it.
_NOT_IN_URLS = re.compile(r"\?|%[0-9A-Fa-f]{2}|[\x00-\x1f\x7f\ud800-\udfff]")
_PASSWORD = re.compile(r"//[^/@]*@")

T = TypeVar("T")
S = TypeVar("S", bound="CoreSettings")


def _split_at_commas(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


CommaSeparated = Annotated[tuple[T, ...], NoDecode, BeforeValidator(_split_at_commas)]


class CoreSettings(BaseSettings):
    """Settings of every process. Each field is the variable ``STOCKCAST_<FIELD IN CAPITALS>``.

    A process defines one class that inherits from the settings classes of the packages it uses.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True
    )

    home: Path = Field(Path("var"), description="Folder for all files that Stockcast writes.")

    @field_validator("home", mode="after")
    @classmethod
    def _home_is_a_folder(cls, value: Path) -> Path:
        try:
            home = value.expanduser().resolve()
            is_file = home.exists() and not home.is_dir()
        except (OSError, RuntimeError) as error:
            msg = f"must be the path of a folder ({error})"
            raise ValueError(msg) from None
        if is_file:
            msg = "must be a folder, but a file has this path"
            raise ValueError(msg)
        if _NOT_IN_URLS.search(str(home)):
            msg = (
                "the path must not contain ?, % before two hexadecimal digits, or control "
                "characters, because MLflow and Dagster cannot open databases there"
            )
            raise ValueError(msg)
        return home


def load_settings(settings_class: type[S], /, **overrides: object) -> S:
    """Read and validate settings from the environment and ``.env``.

    Parameters
    ----------
    settings_class
        The settings of the calling process.
    **overrides
        Values by field name. They win over the environment; None is ignored.

    Raises
    ------
    SettingsError
        If a variable with the prefix is not a setting of any package, an override is not a field
        of `settings_class`, or a value is invalid. The message has one line per invalid value.
    """
    chosen: dict[str, Any] = {k: v for k, v in overrides.items() if v is not None}
    try:
        _check_names(settings_class, overrides)
        return settings_class(**chosen)
    except ValidationError as error:
        lines = [_error_line(settings_class, detail) for detail in error.errors()]
        raise SettingsError("\n".join(lines)) from None
    except (OSError, UnicodeDecodeError) as error:
        msg = f"The file {settings_class.model_config['env_file']} cannot be read as UTF-8: {error}"
        raise SettingsError(msg) from None


def as_environment(settings: CoreSettings) -> dict[str, str]:
    """Return the variables that give another process the same settings."""
    values = settings.model_dump(exclude_none=True)
    return {variable_name(name): _as_text(value) for name, value in values.items()}


def variable_name(field: str) -> str:
    """Return the environment variable of a field."""
    return PREFIX + field.upper()


def all_settings() -> type[CoreSettings]:
    """Return the settings class that inherits from those of all packages."""
    module, name = _ALL_SETTINGS
    settings_class: type[CoreSettings] = getattr(import_module(module), name)
    return settings_class


def _as_text(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _check_names(settings_class: type[CoreSettings], overrides: Iterable[str]) -> None:
    env_file = str(settings_class.model_config["env_file"])
    variables = {n for n in (*os.environ, *dotenv_values(env_file)) if n.startswith(PREFIX)}
    own = {variable_name(field) for field in settings_class.model_fields}
    everywhere = {variable_name(field) for field in all_settings().model_fields} | own
    _refuse_unknown(variables - NOT_SETTINGS, everywhere)
    _refuse_unknown({variable_name(override) for override in overrides}, own)


def _refuse_unknown(names: set[str], allowed: set[str]) -> None:
    for name in sorted(names - allowed):
        similar = get_close_matches(name, allowed, n=1)
        hint = f" Did you mean {similar[0]}?" if similar else ""
        msg = f"{name} is not a setting of Stockcast.{hint} See .env.example for all settings."
        raise SettingsError(msg)


def _error_line(settings_class: type[CoreSettings], detail: ErrorDetails) -> str:
    message = detail["msg"].removeprefix("Value error, ").rstrip(".")
    if not detail["loc"]:
        return f"{message}."
    field = str(detail["loc"][0])
    description = settings_class.model_fields[field].description or ""
    is_secret = "key" in field
    given = detail["input"]
    shown = repr(str(given) if isinstance(given, Path) else given)
    value = "a secret" if is_secret else _PASSWORD.sub("//***@", shown)
    return f"{variable_name(field)}: got {value}: {message}. {description}".rstrip()
