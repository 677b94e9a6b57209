"""The JSON file of a snapshot: every field except the arrays."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forecasting.snapshot import Snapshot


def pack_index(snapshot: Snapshot) -> bytes:
    """Return the JSON of the fields; equal fields give the same bytes."""
    index = {
        "feature_hash": snapshot.feature_hash,
        "feature_names": snapshot.feature_names,
        "tickers": snapshot.tickers,
        "exchanges": snapshot.exchanges,
        "as_of": [session.isoformat() for session in snapshot.as_of],
        "close": snapshot.close,
        "target_sessions": {
            str(horizon): [session.isoformat() for session in sessions]
            for horizon, sessions in snapshot.target_sessions.items()
        },
        "shape": snapshot.windows.shape,
        "data_fingerprint": snapshot.data_fingerprint,
        "skipped": dict(snapshot.skipped),
        # Without names, the fingerprint is that of an earlier Stockcast.
        **({"names": dict(snapshot.names)} if snapshot.names else {}),
    }
    return json.dumps(index, sort_keys=True, indent=1).encode()


def unpack_index(index: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a snapshot, by name, from its parsed JSON."""
    return {
        "feature_hash": index["feature_hash"],
        "feature_names": tuple(index["feature_names"]),
        "tickers": tuple(index["tickers"]),
        "exchanges": tuple(index["exchanges"]),
        "as_of": tuple(date.fromisoformat(session) for session in index["as_of"]),
        "close": tuple(index["close"]),
        "target_sessions": {
            int(horizon): tuple(date.fromisoformat(session) for session in sessions)
            for horizon, sessions in index["target_sessions"].items()
        },
        "data_fingerprint": index["data_fingerprint"],
        "skipped": index["skipped"],
        "names": index.get("names", {}),
    }
