"""The web page in a real browser: choice of a ticker, keyboard, themes, phone, live updates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import ConsoleMessage, Page, Route, expect
from support.services.browser import browser_page
from support.serving.homes import TestHome
from support.serving.servers import Server

pytestmark = [pytest.mark.integration, pytest.mark.slow]
WAIT_MS = 30_000
REPORT_VIOLATIONS = """
document.addEventListener("securitypolicyviolation",
                          (event) => console.error(`policy: ${event.violatedDirective}`));
"""


@dataclass
class Visit:
    """A page of the service. Its end fails if the browser has reported anything."""

    page: Page
    server: Server
    reports: list[str] = field(default_factory=list)

    def open(self, path: str = "/") -> None:
        self.page.goto(self.server.url + path)
        expect(self.page.locator("#connection")).to_have_text("Live")
        expect(self.page.locator("#summary")).to_have_attribute("aria-busy", "false")

    def target(self, ticker: str, horizon: str = "1w") -> str:
        """Return the price target of the API as the page writes it."""
        forecast = self.server.get(f"/predict/{ticker}", horizon=horizon).json()
        return f"{forecast['prediction']['price_target']:,.2f}"

    def expect_forecast(self, ticker: str, horizon: str = "1w") -> None:
        expect(self.page.locator("h1")).to_contain_text(ticker)
        expect(self.page.get_by_test_id("target")).to_have_text(self.target(ticker, horizon))

    def record_console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.reports.append(message.text)


@pytest.fixture(scope="module")
def browser_tab() -> Iterator[Page]:
    with browser_page() as page:
        page.set_default_timeout(WAIT_MS)
        expect.set_options(timeout=WAIT_MS)
        page.add_init_script(REPORT_VIOLATIONS)
        yield page


@pytest.fixture
def visit(browser_tab: Page, swapping_server: Server) -> Iterator[Visit]:
    page, visit = browser_tab, Visit(browser_tab, swapping_server)
    addresses: list[str] = []
    listeners = {
        "console": visit.record_console,
        "pageerror": lambda error: visit.reports.append(str(error)),
        "request": lambda request: addresses.append(request.url),
    }
    for event, listener in listeners.items():
        page.on(event, listener)  # type: ignore[call-overload]
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 900})
    yield visit
    for event, listener in listeners.items():
        page.remove_listener(event, listener)
    page.goto("about:blank")
    page.context.clear_cookies()
    assert visit.reports == []
    assert [a for a in addresses if not a.startswith((swapping_server.url, "about:"))] == []


def test_a_person_picks_a_ticker_and_sees_the_forecast_of_the_api(visit: Visit) -> None:
    visit.open()
    field = visit.page.get_by_role("combobox")
    field.fill("ms")
    visit.page.get_by_role("option", name="MSFT").click()
    visit.expect_forecast("MSFT")
    visit.page.get_by_role("radio", name="21 sessions").check()
    visit.expect_forecast("MSFT", "1m")
    assert visit.page.url.endswith("?ticker=MSFT&horizon=1m")
    visit.page.reload()
    visit.expect_forecast("MSFT", "1m")
    visit.page.go_back()
    visit.expect_forecast("MSFT", "1w")


def test_every_figure_has_an_explanation_and_every_chart_its_numbers(visit: Visit) -> None:
    visit.open("/?ticker=AAPL")
    for section in ("outlook", "record", "calibration", "members", "model", "data"):
        place = visit.page.locator(f"#{section}")
        expect(place).to_contain_text("What this means")
        charts = place.locator("svg[role=img]").count()
        assert place.locator("details table").count() >= charts
    visit.page.locator("#outlook summary").first.click()
    numbers = visit.page.get_by_role("table", name="Forecasts of AAPL")
    expect(numbers).to_contain_text(visit.target("AAPL", "1d"))
    expect(numbers).to_contain_text(visit.target("AAPL", "1m"))


def test_each_member_has_its_volatility_and_its_weight(visit: Visit) -> None:
    visit.open("/?ticker=AAPL&horizon=1w")
    forecast = visit.server.get("/predict/AAPL", horizon="1w").json()
    rows = visit.page.locator("#members tbody tr")
    expect(rows).to_have_count(len(forecast["members"]))
    weights = forecast["scale_weights"]
    for at, name in enumerate(sorted(weights, key=weights.__getitem__, reverse=True)):
        expect(rows.nth(at)).to_contain_text(f"± {100 * forecast['members'][name]['scale']:.1f} %")
        expect(rows.nth(at)).to_contain_text(f"{100 * weights[name]:.0f} %")


def test_the_keyboard_is_enough(visit: Visit) -> None:
    visit.open("/?ticker=AAPL")
    keyboard, page = visit.page.keyboard, visit.page
    keyboard.press("Tab")
    expect(page.get_by_text("Skip to the forecast")).to_be_focused()
    for _ in range(2):
        keyboard.press("Tab")
    expect(page.get_by_role("combobox")).to_be_focused()
    keyboard.type("ib")
    expect(page.get_by_role("option")).to_have_count(1)
    keyboard.press("ArrowDown")
    keyboard.press("Enter")
    visit.expect_forecast("IBM")
    expect(page.locator("#main")).to_be_focused()
    keyboard.press("Tab")
    expect(page.get_by_role("radio", name="5 sessions")).to_be_focused()
    keyboard.press("ArrowLeft")
    visit.expect_forecast("IBM", "1d")
    expect(page.get_by_text("Table: Closes")).to_be_visible()
    keyboard.press("Tab")
    keyboard.press("ArrowRight")
    expect(page.locator("#outlook .readout")).to_contain_text("middle")
    keyboard.press("Tab")
    keyboard.press("Enter")
    expect(page.get_by_role("table", name="Forecasts of IBM")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_accessibility_rule_is_violated(visit: Visit, theme: Literal["light", "dark"]) -> None:
    visit.page.emulate_media(color_scheme=theme)
    visit.open("/?ticker=AAPL")
    visit.expect_forecast("AAPL")
    for summary in visit.page.locator("summary").all():
        summary.click()
    visit.page.get_by_role("combobox").focus()
    expect(visit.page.get_by_role("option").first).to_be_visible()
    results = Axe().run(visit.page)
    assert results.violations_count == 0, results.generate_report()


def test_the_theme_follows_the_system_until_a_person_chooses(visit: Visit) -> None:
    page = visit.page
    page.emulate_media(color_scheme="dark")
    visit.open("/?ticker=AAPL")
    background = "getComputedStyle(document.documentElement).backgroundColor"
    dark = page.evaluate(background)
    button = page.get_by_role("button", name="Dark")
    expect(button).to_have_attribute("aria-pressed", "true")
    button.click()
    light = page.evaluate(background)
    assert dark != light
    page.reload()
    assert page.evaluate(background) == light
    page.evaluate("localStorage.clear()")


def test_a_phone_needs_no_horizontal_scrolling(visit: Visit) -> None:
    visit.page.set_viewport_size({"width": 360, "height": 740})
    visit.open("/?ticker=AAPL")
    visit.expect_forecast("AAPL")
    for summary in visit.page.locator("summary").all():
        summary.click()
    width = visit.page.evaluate("document.documentElement.scrollWidth")
    assert width == 360


def test_a_swap_updates_the_page_without_a_reload(visit: Visit, swapping_home: TestHome) -> None:
    visit.open("/?ticker=AAPL")
    visit.page.evaluate("window.sameDocument = true")
    visit.page.get_by_text("Table: Forecasts of AAPL").click()
    version = 3 - visit.server.get("/health").json()["model_version"]
    swapping_home.move_alias("champion", version)
    expect(visit.page.locator("#model")).to_contain_text(f"stockcast {version}")
    visit.expect_forecast("AAPL")
    assert visit.page.evaluate("window.sameDocument")
    # An open table stays open, and keeps the focus.
    numbers = visit.page.get_by_role("table", name="Forecasts of AAPL")
    expect(numbers).to_contain_text(visit.target("AAPL", "1m"))
    expect(visit.page.get_by_text("Table: Forecasts of AAPL")).to_be_focused()


def test_an_unknown_ticker_is_explained_with_similar_ones(visit: Visit) -> None:
    visit.page.goto(f"{visit.server.url}/?ticker=MSTF")
    notice = visit.page.locator("#notice")
    expect(notice).to_contain_text("MSTF")
    notice.get_by_role("link", name="MSFT").click()
    visit.expect_forecast("MSFT")
    # The browser reports the status of each request for MSTF, some after the notice is shown.
    visit.reports[:] = [report for report in visit.reports if "status of 404" not in report]


def test_a_service_without_forecasts_is_explained_until_it_has_some(visit: Visit) -> None:
    detail = "No champion yet. Run `stockcast run`, or materialise the assets in Dagster."
    problem = {"type": "urn:stockcast:problem:no-champion", "code": "no-champion", "detail": detail}
    visit.page.route(
        "**/universe*",
        lambda route: route.fulfill(status=503, json=problem),
        times=1,
    )
    visit.page.goto(visit.server.url)
    notice = visit.page.locator("#notice")
    expect(notice).to_contain_text("Run stockcast run")
    expect(notice.locator("code")).to_have_text("stockcast run")
    visit.reports.clear()  # the browser reports the status 503 of the request
    visit.expect_forecast("AAPL")


def test_a_service_with_keys_asks_for_one_and_sends_it(visit: Visit) -> None:
    keys: list[str | None] = []
    problem = {"code": "key-required", "detail": "This request needs a key."}

    def require_key(route: Route) -> None:
        keys.append(route.request.headers.get("x-api-key"))
        if keys[-1] is None:
            route.fulfill(status=401, json=problem)
        else:
            route.continue_()

    visit.page.route("**/models/status", require_key)
    visit.page.goto(visit.server.url)
    field = visit.page.get_by_label("This service needs an API key")
    field.fill("sc_secret")
    visit.reports.clear()  # the browser reports the status 401 of the request
    field.press("Enter")
    visit.expect_forecast("AAPL")
    assert keys[:2] == [None, "sc_secret"]
    visit.page.evaluate("sessionStorage.clear()")
    visit.page.unroute("**/models/status")
