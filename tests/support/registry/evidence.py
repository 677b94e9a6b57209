"""Evidence about candidates that pass every gate, and the gates that failed."""

from __future__ import annotations

from forecasting.horizons import HORIZONS
from registry.promotion.evidence import ChampionComparison, Evidence, PairedScore
from registry.promotion.gates import Decision

COVERAGE = {h: {0.8: 0.79, 0.95: 0.955, 0.99: 0.988} for h in HORIZONS}


def paired(horizon: int = 1, **fields: float) -> PairedScore:
    """Return the score of a candidate that is slightly better than its reference."""
    values: dict[str, float] = {
        "sessions": 1260,
        "candidate_crps": 0.00812,
        "reference_crps": 0.00815,
        "upper_bound": 0.0000163,
        "p_worse": 0.9,
    }
    return PairedScore(horizon, **{**values, **fields})  # type: ignore[arg-type]


def evidence(**fields: object) -> Evidence:
    values: dict[str, object] = {
        "golden_holds": True,
        "outputs_finite": True,
        "coverage": COVERAGE,
        "against_naive": {h: paired(h) for h in HORIZONS},
        "against_garch": {h: paired(h) for h in HORIZONS},
        "squared_error": {h: paired(h) for h in HORIZONS},
    }
    return Evidence(**{**values, **fields})  # type: ignore[arg-type]


def champion(**fields: float) -> ChampionComparison:
    return ChampionComparison(2, {h: paired(h, **fields) for h in HORIZONS})


def failed_gates(decision: Decision) -> set[str]:
    assert decision.promote == (not decision.failed)
    return {reason.gate for reason in decision.failed}
