"""Prometheus and Grafana: valid files, a test for each alert, and a dashboard without gaps."""

from __future__ import annotations

import subprocess

import pytest
import yaml
from support.services.compose import ROOT, read_compose
from support.services.monitoring import (
    ALERT_TESTS,
    ALERTS,
    FOLDER,
    alert_rules,
    dashboard,
    named_metrics,
    promtool,
)

SETTING = "STOCKCAST_MAX_DATA_AGE_SESSIONS (5)"


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "config", FOLDER / "prometheus.yml"),
        ("check", "rules", "--lint-fatal", ALERTS),
        ("test", "rules", ALERT_TESTS),
    ],
    ids=lambda arguments: " ".join(map(str, arguments[:2])),
)
def test_promtool_accepts(arguments: tuple[str, ...]) -> None:
    done = subprocess.run(
        [promtool(), *arguments], capture_output=True, text=True, check=False, timeout=60
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_a_test_that_it_fires_and_instructions() -> None:
    rules = {rule["alert"]: rule for rule in alert_rules()}
    tests = yaml.safe_load(ALERT_TESTS.read_text())["tests"]
    fired = {
        case["alertname"]
        for test in tests
        for case in test["alert_rule_test"]
        if case.get("exp_alerts")
    }

    assert fired == set(rules)
    for rule in rules.values():
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert set(rule["annotations"]) == {"summary", "description"}


def test_the_alert_for_old_data_has_the_default_of_its_setting() -> None:
    (rule,) = (rule for rule in alert_rules() if rule["alert"] == "OldData")

    assert rule["expr"] == "stockcast_data_age_sessions > 5"
    assert SETTING in rule["annotations"]["description"]
    assert "STOCKCAST_MAX_DATA_AGE_SESSIONS=5" in (ROOT / ".env.example").read_text()


def test_the_dashboard_has_unique_panels_on_its_grid() -> None:
    panels = dashboard()["panels"]
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]

    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({panel["title"] for panel in panels}) == len(panels)
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) == 23
    assert named_metrics()


def test_prometheus_scrapes_the_forecast_service_of_compose() -> None:
    (job,) = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"]
    (target,) = job["static_configs"][0]["targets"]
    name, port = target.split(":")
    service = read_compose()["services"][name]

    assert service["environment"]["STOCKCAST_PORT"] == port
    assert job["job_name"] == "stockcast"  # the alerts select it
