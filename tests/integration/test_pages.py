"""The API page and a version's page in MLflow, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from support.registry.candidates import candidate
from support.services.browser import browser_page
from support.serving.servers import Server

from pipelines.report_page.html import Picture, Section, render_page
from registry.pages import artifact_page, version_page
from registry.promotion.aliases import promote
from registry.publishing.candidates import log_candidate
from registry.publishing.runs import log_report_page
from registry.versions import ModelRegistry

pytestmark = [pytest.mark.integration, pytest.mark.slow]
WAIT_MS = 30_000


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with browser_page() as page:
        page.set_default_timeout(WAIT_MS)
        yield page


def test_the_api_page_lists_every_forecast_route(page: Page, forecast_server: Server) -> None:
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    page.goto(f"{forecast_server.url}/docs")
    for route in ("/predict/{ticker}", "/models/status", "/models/compare/{ticker}", "/health"):
        expect(page.get_by_text(route, exact=False).first).to_be_visible(timeout=WAIT_MS)
    assert f"{forecast_server.url}/docs.json" in addresses
    foreign = [a for a in addresses if not a.startswith((forecast_server.url, "data:"))]
    assert foreign == []


def test_a_versions_page_shows_its_training_scores_and_decision(
    page: Page, mlflow_address: str, tmp_path: Path
) -> None:
    registry = ModelRegistry(mlflow_address, "pages")
    info = log_candidate(registry, candidate(tmp_path, seed=11))
    promote(registry, info.version, "shown to a person", actor="a test")
    address = version_page(registry, info.version)
    assert address is not None
    page.goto(address)
    for text in ("Trained through", "Out of sample", "shown to a person", "champion"):
        expect(page.get_by_text(text, exact=False).first).to_be_visible(timeout=WAIT_MS)


def test_mlflow_shows_the_report_page_with_its_plots(
    page: Page, mlflow_address: str, tmp_path: Path
) -> None:
    """The asset `report_page` links to it: a browser opens no file from a page of Dagster."""
    registry = ModelRegistry(mlflow_address, "report-pages")
    info = log_candidate(registry, candidate(tmp_path, seed=12))
    report = tmp_path / "index.html"
    plot = Picture("fan.svg", "a forecast", b'<svg xmlns="http://www.w3.org/2000/svg"/>')
    report.write_text(render_page("One run", "", [Section("Forecasts", pictures=[plot])]))
    address = artifact_page(registry, info.run_id, log_report_page(registry, info.run_id, report))
    assert address is not None
    page.goto(address)
    shown = page.frame_locator("iframe")
    expect(shown.get_by_role("heading", name="One run")).to_be_visible(timeout=WAIT_MS)
    expect(shown.get_by_role("img", name="a forecast")).to_be_attached(timeout=WAIT_MS)
