"""Reports are written atomically into the home's folder, and replace older ones."""

from __future__ import annotations

import json
from pathlib import Path

from support.pipelines.stages import make_stage

from core.settings import load_settings
from pipelines.reporting.reports import publish_file, write_report
from pipelines.settings import PipelineSettings


def test_a_file_of_a_stage_is_copied_into_the_reports(tmp_path: Path) -> None:
    settings = load_settings(PipelineSettings, home=tmp_path)
    stage = make_stage(tmp_path / "stages", "drift_report", files={"drift.html": b"<html>"})

    target = publish_file(stage.path / "drift.html", settings)

    assert target == tmp_path / "reports" / "drift.html"
    assert target.read_bytes() == b"<html>"
    assert (stage.path / "drift.html").exists()


def test_a_newer_report_replaces_the_older_one_and_leaves_no_other_file(tmp_path: Path) -> None:
    settings = load_settings(PipelineSettings, home=tmp_path)
    for version in (1, 2):
        write_report("promotion.json", {"version": version}, settings)

    (target,) = (tmp_path / "reports").iterdir()
    assert json.loads(target.read_text()) == {"version": 2}
