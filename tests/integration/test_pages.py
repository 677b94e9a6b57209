"""The pages that a person opens, in a real browser: they must show what they promise."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from support.registry.candidates import candidate
from support.services.browser import browser_page
from support.serving.homes import shared_home
from support.serving.servers import module_command, run_server

from registry.promotion.aliases import promote
from registry.publishing.candidates import log_candidate
from registry.versions import ModelRegistry

pytestmark = [pytest.mark.integration, pytest.mark.slow]
WAIT_MS = 30_000


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with browser_page() as page:
        page.set_default_timeout(WAIT_MS)
        yield page


def test_the_api_page_lists_every_forecast_route(
    page: Page, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = shared_home(tmp_path_factory.mktemp("home"))
    with run_server(module_command, home.path, tmp_path_factory.mktemp("log")) as server:
        page.goto(server.url)
        for route in ("/predict/{ticker}", "/models/status", "/models/compare/{ticker}", "/health"):
            expect(page.get_by_text(route, exact=False).first).to_be_visible(timeout=WAIT_MS)


def test_a_versions_page_tells_its_training_its_scores_and_its_decision(
    page: Page, mlflow_address: str, tmp_path: Path
) -> None:
    registry = ModelRegistry(mlflow_address, "pages")
    info = log_candidate(registry, candidate(tmp_path, seed=11))
    promote(registry, info.version, "shown to a person", actor="a test")
    address = registry.page(info.version)
    assert address is not None
    page.goto(address)
    for text in ("Trained through", "Out of sample", "shown to a person", "champion"):
        expect(page.get_by_text(text, exact=False).first).to_be_visible(timeout=WAIT_MS)
