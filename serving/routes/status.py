"""GET /models/status: which version is live since when, on which data, and which were refused."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from serving.live.live_state import Live, LiveState
from serving.state import state_of


async def get_status(request: Request) -> Response:
    """Answer with the model, the snapshot, the alias and the refusals."""
    body = read_status(state_of(request).desk)
    return Response(orjson.dumps(body), media_type="application/json")


def read_status(desk: LiveState) -> dict[str, Any]:
    """Return what `/models/status` says."""
    live = desk.live
    return {
        "champion_alias": desk.alias_version,
        "live": _model(desk, live) if live else None,
        "snapshot": _snapshot(live) if live else None,
        "refused": [
            {"version": version, "reason": refusal.sentence, "since": refusal.since}
            for version, refusal in sorted(desk.refused.items())
        ],
    }


def _model(desk: LiveState, live: Live) -> dict[str, Any]:
    model = live.book.model
    manifest = model.bundle.manifest
    return {
        **model.info.model_dump(),
        "live_since": desk.live_since,
        "fingerprint": model.bundle.fingerprint,
        "feature_hash": manifest.feature_hash,
        "data_fingerprint": manifest.data_fingerprint,
        "code_version": manifest.code_version,
        "lookback": manifest.lookback,
        "horizons": manifest.horizons,
        "trained_on": manifest.tickers,
        "metrics": manifest.metrics,
    }


def _snapshot(live: Live) -> dict[str, Any]:
    book = live.book
    as_of = [row.as_of for row in book.rows.values()]
    return {
        "fingerprint": book.snapshot.fingerprint,
        "data_fingerprint": book.snapshot.data_fingerprint,
        "tickers": len(book.rows),
        "without_forecast": book.refused,
        "as_of": {"oldest": min(as_of), "newest": max(as_of)},
        "last_closed_sessions": book.closed,
        "data_age_sessions": book.age,
        "computed_at": book.computed_at,
    }
