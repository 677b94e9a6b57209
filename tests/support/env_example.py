"""What `.env.example` must hold, from the settings themselves.

To write it again: ``.venv/bin/python tests/support/env_example.py >.env.example``.
"""

from __future__ import annotations

import sys
from typing import Literal, get_args, get_origin

from core.settings import PREFIX, Settings

HEADER = """\
# Every setting of Stockcast with its default. Copy this file to .env and change what you need;
# a variable of the environment wins over a line here.
"""

COMPOSE = """\
# For docker-compose.yml alone, which asks for the three passwords and invents none.

POSTGRES_PASSWORD=
DAGSTER_PG_PASSWORD=
MLFLOW_PG_PASSWORD=
# Folder with your own bars; containers see it as /srv/bars: write that in STOCKCAST_BARS.
# BARS_FOLDER=
# Ports, published on loopback alone.
# FORECASTS_PORT=3000
# DAGSTER_PORT=3001
# MLFLOW_PORT=5000
# Tag of the two images.
# IMAGE_TAG=latest
"""


def env_example() -> str:
    """Return the text of `.env.example`."""
    return "\n".join([HEADER, *(_lines(name) for name in Settings.model_fields), COMPOSE])


def _lines(name: str) -> str:
    field = Settings.model_fields[name]
    choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    allowed = f" One of: {', '.join(choices)}." if choices else ""
    return f"# {field.description}{allowed}\n# {PREFIX}{name.upper()}={_text(field.default)}\n"


def _text(value: object) -> str:
    if value is None:
        return ""
    return ",".join(value) if isinstance(value, tuple) else str(value)


if __name__ == "__main__":
    sys.stdout.write(env_example())
