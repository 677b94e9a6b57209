"""POST /models/{version}/load and /unload: versions in addition to the champion."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from serving.http.operations import ADMINISTRATION, ApiRoute, Operation, in_path
from serving.http.problems import Problem
from serving.http.schemas.models import LoadedVersion
from serving.live.loaded_versions import LoadedTable
from serving.protection.access import require_scope
from serving.routes.common import invalid_parameter, read_query, respond
from serving.state import state_of

_MAX_VERSION = 10**9
_VERSION_SCHEMA = {"type": "integer", "minimum": 1, "maximum": _MAX_VERSION, "examples": [2]}


@require_scope("admin")
async def load_version(request: Request) -> Response:
    """Load a version; its forecasts are at `/predict/{ticker}?version=...`."""
    version, state = _read_version(request), state_of(request)
    loaded = await asyncio.to_thread(state.loaded.load, version)
    return respond(describe_loaded(loaded))


@require_scope("admin")
async def unload_version(request: Request) -> Response:
    """Drop a loaded version."""
    version, state = _read_version(request), state_of(request)
    await asyncio.to_thread(state.loaded.unload, version)
    return Response(status_code=HTTPStatus.NO_CONTENT)


def describe_loaded(loaded: LoadedTable) -> LoadedVersion:
    """Return a loaded version as a part of a response."""
    return LoadedVersion(
        **loaded.model.info.model_dump(),
        tickers=len(loaded.table.rows),
        loaded_at=loaded.loaded_at,
    )


def _read_version(request: Request) -> int:
    """Return the version in the path; refuse the live one, which is loaded already."""
    read_query(request)
    version = parse_version(request.path_params["version"])
    if version == state_of(request).live.version:
        msg = f"Version {version} is live; move the alias `champion` to replace it."
        raise Problem(HTTPStatus.CONFLICT, "version-is-live", msg)
    return version


def parse_version(text: str) -> int:
    """Return a version number."""
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:11]) <= _MAX_VERSION):
        message = f"must be an integer from 1 to {_MAX_VERSION}, got {text[:40]!r}."
        raise invalid_parameter(field="version", message=message, allowed=())
    return int(text)


VERSION = in_path("version", _VERSION_SCHEMA)
_NEEDS_KEY = "Needs a key with the scope `admin`."
ROUTES = (
    ApiRoute(
        "/models/{version}/load",
        load_version,
        Operation(
            "Load a version in addition to the champion",
            ADMINISTRATION,
            LoadedVersion,
            problems=(404, 409, 503),
            parameters=(VERSION,),
            description=f"{_NEEDS_KEY} Its forecasts are at `/predict/{{ticker}}?version=...`.",
        ),
        method="POST",
    ),
    ApiRoute(
        "/models/{version}/unload",
        unload_version,
        Operation(
            "Drop a loaded version",
            ADMINISTRATION,
            problems=(404, 409),
            parameters=(VERSION,),
            description=_NEEDS_KEY,
            status=204,
        ),
        method="POST",
    ),
)
