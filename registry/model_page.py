"""The text of a version's page in MLflow: its training, how it compares, what became of it.

Only Markdown from values that are handed in; reading and writing versions is not done here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from forecasting.horizons import LABEL_OF

if TYPE_CHECKING:
    from forecasting.manifest import Manifest
    from registry.audit import Move

# MLflow's database refuses longer descriptions.
LIMIT = 5000
DECISIONS = "\n\n## Decisions\n\n"
METRICS_SHOWN = 8
TICKERS_SHOWN = 20


def candidate_page(manifest: Manifest, fingerprint: str, *, bars: int, remark: str = "") -> str:
    """Return the page of a version that nothing was decided about yet."""
    parts = [_training(manifest, fingerprint, bars), remark, _comparison(manifest.metrics)]
    parts.append(_weights(manifest))
    return _cut("\n\n".join(part for part in parts if part), LIMIT)


def with_decisions(page: str, moves: Sequence[Move]) -> str:
    """Return `page` with a section on `moves`, the newest first, in place of an earlier one.

    The oldest decisions are left out where the page would become too long; the trail has them all.
    """
    base = page.partition(DECISIONS)[0]
    if not moves:
        return base
    entries = [_entry(move) for move in reversed(moves)]
    room = LIMIT - len(base) - len(DECISIONS)
    text = _cut("\n\n".join(entries), max(room, LIMIT // 3))
    return _cut(base, LIMIT - len(DECISIONS) - len(text)) + DECISIONS + text


def _training(manifest: Manifest, fingerprint: str, bars: int) -> str:
    tickers = ", ".join(manifest.tickers[:TICKERS_SHOWN])
    more = len(manifest.tickers) - TICKERS_SHOWN
    named = f"{tickers} and {more} more" if more > 0 else tickers
    return (
        f"**Trained through {manifest.cutoff}** on {bars:,} bars of {named} "
        f"({manifest.exchange}).\n\n"
        f"- data `{manifest.data_fingerprint[:16]}`, code `{manifest.code_version}`, "
        f"bundle `{fingerprint[:16]}`\n"
        f"- {len(manifest.features)} features (`{manifest.feature_hash[:16]}`), "
        f"lookback {manifest.lookback} sessions"
    )


def _comparison(metrics: Mapping[str, Mapping[str, Mapping[str, float | None]]]) -> str:
    names: dict[str, None] = {}
    for horizons in metrics.values():
        for values in horizons.values():
            names |= dict.fromkeys(values)
    shown = list(names)[:METRICS_SHOWN]
    if not shown:
        return ""
    rows = [
        [model, _label(horizon), *(_number(metrics[model][horizon].get(name)) for name in shown)]
        for horizon in dict.fromkeys(h for by_horizon in metrics.values() for h in by_horizon)
        for model in metrics
        if horizon in metrics[model]
    ]
    header = ["model", "horizon", *(name.replace("_", " ") for name in shown)]
    return "### Out of sample\n\n" + _table(header, rows)


def _weights(manifest: Manifest) -> str:
    rows = [
        [
            LABEL_OF.get(horizon, str(horizon)),
            *(_number(manifest.mean_weights[horizon][member]) for member in manifest.members),
            *(_number(manifest.scale_weights[horizon][member]) for member in manifest.members),
        ]
        for horizon in manifest.horizons
    ]
    header = [f"{kind} {member}" for kind in ("mean", "scale") for member in manifest.members]
    return "### Weights\n\n" + _table(["horizon", *header], rows)


def _entry(move: Move) -> str:
    reasons = "\n".join(f"- {reason}" for reason in move.reasons)
    return f"**{move.sentence}** ({move.at:%Y-%m-%d %H:%M} UTC, {move.actor})\n\n{reasons}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _label(horizon: str) -> str:
    return LABEL_OF.get(int(horizon), horizon) if horizon.isdecimal() else horizon


def _cut(text: str, limit: int) -> str:
    """Cut at the end of a line, and say so."""
    if len(text) <= limit:
        return text
    mark = "\n\n(cut)"
    return text[: limit - len(mark)].rpartition("\n")[0] + mark
