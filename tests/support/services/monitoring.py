"""The files of `deploy/monitoring`: their metrics, and the program that checks them."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.services.external import REQUIRE

FOLDER = Path(__file__).parents[3] / "deploy" / "monitoring"
DASHBOARD = FOLDER / "grafana" / "dashboards" / "stockcast.json"
ALERTS, ALERT_TESTS = FOLDER / "alerts.yml", FOLDER / "alerts_test.yml"
_METRIC = re.compile(r"\bstockcast_\w+")


def promtool() -> str:
    """Return promtool. Without it skip the test, or fail if services are required."""
    path = shutil.which("promtool")
    if path is None:
        reason = "promtool is not installed; Debian's package `prometheus` contains it."
        if os.environ.get(REQUIRE) == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return path


def alert_rules() -> list[dict[str, Any]]:
    """Return all rules of the alerts."""
    return [
        rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]
    ]


def dashboard() -> dict[str, Any]:
    """Return the Grafana dashboard."""
    content: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return content


def named_metrics() -> set[str]:
    """Return the metrics of Stockcast in all panels, variables and alerts."""
    variables = [str(variable.get("query")) for variable in dashboard()["templating"]["list"]]
    panels = [target["expr"] for panel in dashboard()["panels"] for target in panel["targets"]]
    alerts = [rule["expr"] for rule in alert_rules()]
    return set(_METRIC.findall("\n".join([*variables, *panels, *alerts])))
