"""The README's table is printed from the scores of a run, and compared with them."""

from pathlib import Path
from typing import cast

import pytest

from benchmarks.readme_table import MODELS, SHARES, differences, main, render
from forecasting.evaluation.scorecard import Evaluation, save_evaluation


def evaluation(**changes: float) -> Evaluation:
    shares = dict.fromkeys(SHARES, 0.5)
    scores = {
        **shares,
        "crps": 0.01,
        "skill_naive": 0.0423,
        "p_naive": 0.0004,
        "skill_garch": -0.001,
        "p_garch": 0.04,
    }
    same = {"1": scores, "5": scores}
    pooled = {**dict.fromkeys(MODELS, same), "ensemble": {**same, "5": scores | changes}}
    return cast("Evaluation", {"pooled": pooled})


def test_a_row_has_label_scores_and_stars() -> None:
    garch, _, _, ensemble, *_ = render(evaluation())
    assert garch == (
        r"| 1 session | GARCH | 0.01000 | +4.23 \*\*\* | | 50.0 | 50.0 | 50.0 | 50.0 | 50.0 |"
    )
    assert ensemble.startswith(r"| | **ensemble** | 0.01000 | +4.23 \*\*\* | -0.10 \* | 50.0 |")


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"skill_naive": 0.0425}, 0),
        ({"skill_naive": 0.0429}, 1),
        ({"p_garch": 0.06}, 1),
        ({"coverage_80": 0.51}, 1),
    ],
)
def test_a_changed_score_is_found_beyond_the_rounding_of_a_processor(
    changes: dict[str, float], wrong: int
) -> None:
    readme = "\n".join(["# Title", *render(evaluation())])
    assert len(differences(evaluation(**changes), readme)) == wrong


def test_a_missing_row_is_found() -> None:
    assert differences(evaluation(), "\n".join(render(evaluation())[:-1]))


def test_the_exit_code_tells_whether_the_readme_agrees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "reports").mkdir()
    save_evaluation(evaluation(), tmp_path / "reports")
    readme = tmp_path / "README.md"
    monkeypatch.setattr("benchmarks.readme_table.README", readme)

    assert main([str(tmp_path)]) == 0
    readme.write_text(capsys.readouterr().out)
    assert main([str(tmp_path), "--check"]) == 0
    readme.write_text(readme.read_text().replace("+4.23", "+4.10"))
    assert main([str(tmp_path), "--check"]) == 1
    assert "make run readme-table" in capsys.readouterr().out


def test_a_written_table_replaces_the_rows_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "reports").mkdir()
    save_evaluation(evaluation(skill_naive=0.05), tmp_path / "reports")
    readme = tmp_path / "README.md"
    readme.write_text("\n".join(["# Title", "", *render(evaluation()), "", "| a | b |", ""]))
    monkeypatch.setattr("benchmarks.readme_table.README", readme)

    assert main([str(tmp_path), "--write"]) == 0

    expected = ["# Title", "", *render(evaluation(skill_naive=0.05)), "", "| a | b |", ""]
    assert readme.read_text() == "\n".join(expected)
