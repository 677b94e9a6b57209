"""The text of `.env.example`, generated from the settings.

To write it again: ``.venv/bin/python tests/support/env_example.py >.env.example``.
"""

from __future__ import annotations

import sys
from itertools import groupby
from typing import Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from core.settings import CoreSettings, all_settings, variable_name

HEADER = """\
# Every setting of Stockcast with its default. Copy this file to .env and change the lines you need.
# A variable of the environment takes precedence over a line of .env.
"""

TITLES = {
    "core": "Files",
    "market": "Market data",
    "forecasting": "Training",
    "registry": "Model registry and promotion",
    "pipelines": "Pipelines",
    "serving": "Forecast service",
    "stockcast": "`make up`",
}

COMPOSE = """\
# ---- Docker Compose ----

# For docker-compose.yml only. The three passwords are required and have no default.

POSTGRES_PASSWORD=
DAGSTER_PG_PASSWORD=
MLFLOW_PG_PASSWORD=
# Folder with your own bars. Containers mount it as /srv/bars: set STOCKCAST_BARS to that path.
# BARS_FOLDER=
# Ports, published on loopback only.
# FORECASTS_PORT=3000
# DAGSTER_PORT=3001
# MLFLOW_PORT=5000
# PROMETHEUS_PORT=9090
# GRAFANA_PORT=3030
# Tag of the two images.
# IMAGE_TAG=latest
"""


def env_example() -> str:
    """Return the text of `.env.example`."""
    groups = groupby(all_settings().model_fields.items(), key=lambda item: _package(item[0]))
    parts = [
        part
        for package, fields in groups
        for part in (
            f"# ---- {TITLES[package]} ----\n",
            *(_lines(name, field) for name, field in fields),
        )
    ]
    return "\n".join([HEADER, *parts, COMPOSE])


def _package(name: str) -> str:
    """Return the package that declares the setting `name`."""
    classes = [cls for cls in all_settings().__mro__ if issubclass(cls, CoreSettings)]
    owner = next(cls for cls in reversed(classes) if name in cls.model_fields)
    return owner.__module__.partition(".")[0]


def _lines(name: str, field: FieldInfo) -> str:
    is_literal = get_origin(field.annotation) is Literal
    choices = get_args(field.annotation) if is_literal else field.examples or ()
    allowed = f" One of: {', '.join(choices)}." if choices else ""
    return f"# {field.description}{allowed}\n# {variable_name(name)}={_text(field.default)}\n"


def _text(value: object) -> str:
    if value is None:
        return ""
    return ",".join(value) if isinstance(value, tuple) else str(value)


if __name__ == "__main__":
    sys.stdout.write(env_example())
