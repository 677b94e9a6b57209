"""Description of a version in MLflow, as Markdown: training, scores, weights and decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from forecasting.horizons import LABEL_OF

if TYPE_CHECKING:
    from forecasting.bundle.manifest import Manifest
    from registry.promotion.audit import Move

# The database of MLflow rejects longer descriptions.
LIMIT = 5000
DECISIONS = "\n\n## Decisions\n\n"
METRICS_SHOWN = 8
TICKERS_SHOWN = 20
METRIC_ORDER = ("crps", "skill_naive", "skill_garch", "coverage", "direction")
# Repeated here, because importing `forecasting.models` would import Polars into every command.
MODEL_ORDER = ("naive", "garch", "ewma", "linear", "student", "forest", "lstm")
SHARES = ("skill", "coverage", "direction")


def candidate_page(manifest: Manifest, fingerprint: str, *, bars: int, remark: str = "") -> str:
    """Return the description of a version without decisions."""
    parts = [_training(manifest, fingerprint, bars), remark, _comparison(manifest.metrics)]
    parts.append(_weights(manifest))
    return _truncate("\n\n".join(part for part in parts if part), LIMIT)


def with_decisions(page: str, moves: Sequence[Move]) -> str:
    """Return `page` with a section on `moves`, newest first, which replaces an earlier section.

    The oldest moves are left out if the page would exceed `LIMIT`. The audit trail has all moves.
    """
    base = page.partition(DECISIONS)[0]
    if not moves:
        return base
    entries = [_entry(move) for move in reversed(moves)]
    remaining = LIMIT - len(base) - len(DECISIONS)
    text = _truncate("\n\n".join(entries), max(remaining, LIMIT // 3))
    return _truncate(base, LIMIT - len(DECISIONS) - len(text)) + DECISIONS + text


def _training(manifest: Manifest, fingerprint: str, bars: int) -> str:
    tickers = ", ".join(manifest.tickers[:TICKERS_SHOWN])
    more = len(manifest.tickers) - TICKERS_SHOWN
    universe = f"{tickers} and {more} more" if more > 0 else tickers
    return (
        f"**Trained through {manifest.cutoff}** on {bars:,} bars of {universe} "
        f"({manifest.exchange}).\n\n"
        f"- data `{manifest.data_fingerprint[:16]}`, code `{manifest.code_version}`, "
        f"bundle `{fingerprint[:16]}`\n"
        f"- {len(manifest.features)} features (`{manifest.feature_hash[:16]}`), "
        f"lookback {manifest.lookback} sessions"
    )


def _comparison(metrics: Mapping[str, Mapping[str, Mapping[str, float | None]]]) -> str:
    names = dict.fromkeys(n for by in metrics.values() for values in by.values() for n in values)
    shown = sorted(names, key=lambda name: (_place(name, METRIC_ORDER), name))[:METRICS_SHOWN]
    if not shown:
        return ""
    models = sorted(metrics, key=lambda model: _place(model, MODEL_ORDER))
    rows = [
        [_label(horizon), model, *(_score(name, metrics[model][horizon]) for name in shown)]
        for horizon in sorted({h for by in metrics.values() for h in by}, key=_sessions)
        for model in models
        if horizon in metrics[model]
    ]
    header = ["horizon", "model", *(name.replace("_", " ") for name in shown)]
    return "### Out of sample\n\n" + _table(header, rows)


def _place(name: str, order: Sequence[str]) -> int:
    """Return the position of `name` in `order`; unknown names come last."""
    return next((i for i, start in enumerate(order) if name.startswith(start)), len(order))


def _sessions(horizon: str) -> tuple[int, str]:
    return (int(horizon) if horizon.isdecimal() else 0, horizon)


def _score(name: str, scores: Mapping[str, float | None]) -> str:
    """Format a share in percent, and a loss as a number."""
    value = scores.get(name)
    if value is None or not name.startswith(SHARES):
        return _number(value)
    return f"{100 * value:+.2f} %" if name.startswith("skill") else f"{100 * value:.1f} %"


def _weights(manifest: Manifest) -> str:
    rows = [
        [
            LABEL_OF.get(horizon, str(horizon)),
            *(_number(manifest.scale_weights[horizon][member]) for member in manifest.members),
        ]
        for horizon in manifest.horizons
    ]
    return "### Weights\n\n" + _table(["horizon", *manifest.members], rows)


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


def _truncate(text: str, limit: int) -> str:
    """Cut `text` at the end of a line and mark the cut."""
    if len(text) <= limit:
        return text
    mark = "\n\n(cut)"
    return text[: limit - len(mark)].rpartition("\n")[0] + mark
