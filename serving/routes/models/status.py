"""GET /models/status: live model, snapshot, champion alias and refused versions."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from serving.forecasts.forecast_table import ForecastTable
from serving.http.operations import MODELS, ApiRoute, Operation
from serving.http.schemas.models import ModelsStatus
from serving.models.model_cache import LiveModel
from serving.routes.common import read_query, respond
from serving.routes.models.versions import describe_loaded
from serving.state import ServiceState, state_of


async def get_status(request: Request) -> Response:
    """Return model, snapshot, alias and refused versions."""
    read_query(request)
    state = state_of(request)
    drift = await asyncio.to_thread(state.drift.read)
    loaded = [describe_loaded(entry) for entry in state.loaded.all]
    return respond(ModelsStatus(**read_status(state), loaded=loaded, drift=drift))


def read_status(state: ServiceState) -> dict[str, Any]:
    """Return the body of `/models/status`."""
    live = state.live
    table = live.forecasts.table if live.forecasts else None
    return {
        "champion_alias": live.alias_version,
        "live": _model(table.model, state) if table else None,
        "snapshot": _snapshot(table) if table else None,
        "refused": [
            {"version": version, "reason": refused.detail, "since": refused.since}
            for version, refused in sorted(live.refused.items())
        ],
    }


def _model(model: LiveModel, state: ServiceState) -> dict[str, Any]:
    manifest = model.bundle.manifest
    return {
        **model.info.model_dump(),
        "page": state.version_page(model.version),
        "live_since": state.live.live_since,
        "fingerprint": model.bundle.fingerprint,
        "feature_hash": manifest.feature_hash,
        "data_fingerprint": manifest.data_fingerprint,
        "code_version": manifest.code_version,
        "lookback": manifest.lookback,
        "horizons": manifest.horizons,
        "trained_on": manifest.tickers,
        "metrics": manifest.metrics,
    }


def _snapshot(table: ForecastTable) -> dict[str, Any]:
    as_of = [row.as_of for row in table.rows.values()]
    return {
        "fingerprint": table.snapshot.fingerprint,
        "data_fingerprint": table.snapshot.data_fingerprint,
        "tickers": len(table.rows),
        "without_forecast": table.without_forecast,
        "as_of": {"oldest": min(as_of), "newest": max(as_of)},
        "last_closed_sessions": table.closed_sessions,
        "data_age_sessions": table.age_sessions,
        "computed_at": table.computed_at,
    }


ROUTES = (
    ApiRoute(
        "/models/status",
        get_status,
        Operation("Live model, snapshot and refused versions", MODELS, ModelsStatus),
    ),
)
