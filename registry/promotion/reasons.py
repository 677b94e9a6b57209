"""Results of the promotion gates, as sentences with their numbers."""

from __future__ import annotations

from dataclasses import dataclass

from forecasting.horizons import LABEL_OF


@dataclass(frozen=True)
class Reason:
    """The result of one gate. `sentence` contains its numbers."""

    gate: str
    passed: bool
    sentence: str


def missing_evidence(gate: str, claim: str) -> Reason:
    """Return the failure of a gate without a valid number."""
    explanation = "the evidence is missing or not a number"
    return reason_of(gate, claim, passed=False, explanation=explanation)


def reason_of(
    gate: str, sentence: str, *, passed: bool, explanation: str = "", note: str = ""
) -> Reason:
    """Return a reason; `explanation` is added to a failure, and `note` to a pass."""
    result, detail = ("passed", note) if passed else ("failed", explanation)
    return Reason(gate, passed, f"{sentence}: {result}{', ' if detail else ''}{detail}")


def label_of(horizon: int) -> str:
    """Return the name of a horizon, such as ``1w``."""
    return LABEL_OF.get(horizon, f"{horizon} sessions")
