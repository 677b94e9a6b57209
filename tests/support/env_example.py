"""The text of `.env.example`, generated from the settings.

To write it again: ``.venv/bin/python tests/support/env_example.py >.env.example``.
"""

from __future__ import annotations

import sys
from typing import Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from core.settings import all_settings, variable_name

HEADER = """\
# Every setting of Stockcast with its default. Copy this file to .env and change the lines you need.
# A variable of the environment takes precedence over a line of .env.
"""

COMPOSE = """\
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
    fields = all_settings().model_fields.items()
    return "\n".join([HEADER, *(_lines(name, field) for name, field in fields), COMPOSE])


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
