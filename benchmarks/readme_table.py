"""The evaluation table of the README: print it for a home, write it, or compare it with the README.

``python -m benchmarks.readme_table HOME`` prints the rows, ``--write`` puts them into the README,
and ``--check`` compares them with the README. Other processors round differently while the LSTM is
trained, so numbers may differ by `TOLERANCE` units of their last printed digit; stars and rows must
be equal.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from forecasting.evaluation.scorecard import Evaluation, Scores, load_evaluation

README = Path(__file__).parents[1] / "README.md"
MODELS = {
    "garch": "GARCH",
    "ewma": "EWMA",
    "linear": "linear (HAR)",
    "ensemble": "**ensemble**",
}
TOLERANCE = 3
SHARES = ("coverage_80", "coverage_95", "coverage_99", "direction_accuracy", "direction_base_rate")
P_LIMITS = (0.05, 0.01, 0.001)
NUMBER = re.compile(r"[+-]?\d+\.\d+")


def render(evaluation: Evaluation) -> list[str]:
    """Return the rows of the table, without its head."""
    rows = []
    for horizon in evaluation["pooled"]["ensemble"]:
        label = f"{horizon} session{'' if horizon == '1' else 's'}"
        for model, title in MODELS.items():
            scores = evaluation["pooled"][model][horizon]
            skill_garch = "" if model == "garch" else _skill(scores, "garch")
            cells = [label, title, f"{scores['crps']:.5f}", _skill(scores, "naive"), skill_garch]
            cells += [f"{100 * (scores[name] or 0.0):.1f}" for name in SHARES]
            rows.append("".join(f"| {cell} ".replace("  ", " ") for cell in cells) + "|")
            label = ""
    return rows


def differences(evaluation: Evaluation, readme: str) -> list[str]:
    """Return the rows of `readme` that differ from the scores, with the expected row."""
    expected = render(evaluation)
    found = [line for line in readme.splitlines() if _is_row(line)]
    if len(found) != len(expected):
        return [f"README has {len(found)} rows, expected {len(expected)}."]
    return [
        f"README:   {ours}\nexpected: {theirs}"
        for ours, theirs in zip(found, expected, strict=True)
        if not _agree(ours, theirs)
    ]


def replaced(evaluation: Evaluation, readme: str) -> str:
    """Return `readme` with the rows of the scores in place of its rows."""
    lines = readme.splitlines(keepends=True)
    first = next(place for place, line in enumerate(lines) if _is_row(line))
    others = [line for line in lines if not _is_row(line)]
    return "".join([*others[:first], *(f"{row}\n" for row in render(evaluation)), *others[first:]])


def _is_row(line: str) -> bool:
    return any(f"| {title} |" in line for title in MODELS.values())


def _skill(scores: Scores, reference: str) -> str:
    p_value = scores[f"p_{reference}"]
    stars = sum(p_value < limit for limit in P_LIMITS) if p_value is not None else 0
    return f"{100 * (scores[f'skill_{reference}'] or 0.0):+.2f} " + "\\*" * stars


def _agree(ours: str, theirs: str) -> bool:
    """Compare two rows: equal text, and numbers equal within the tolerance."""
    if NUMBER.sub("#", ours) != NUMBER.sub("#", theirs):
        return False
    numbers = (NUMBER.findall(row) for row in (ours, theirs))
    return all(_close(a, b) for a, b in zip(*numbers, strict=True))


def _close(ours: str, theirs: str) -> bool:
    unit = 10.0 ** -len(ours.partition(".")[2])
    return abs(float(ours) - float(theirs)) <= (TOLERANCE + 0.5) * unit


def main(arguments: list[str]) -> int:
    """Print the rows for a home, write them, or compare them; return the exit code."""
    folder = next(Path(argument) for argument in arguments if not argument.startswith("--"))
    evaluation = load_evaluation(folder / "reports")
    if "--write" in arguments:
        text = replaced(evaluation, README.read_text(encoding="utf-8"))
        README.write_text(text, encoding="utf-8")
    elif "--check" in arguments:
        wrong = differences(evaluation, README.read_text(encoding="utf-8"))
        print("\n".join(wrong) or "The README's table agrees with the run.")
        if wrong:
            print("Write the rows of a run in ./var into the README: make run readme-table")
        return 1 if wrong else 0
    else:
        print("\n".join(render(evaluation)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
