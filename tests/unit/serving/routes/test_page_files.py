"""The files of the web page: policy, nothing inline or foreign, contrast, size, packaging."""

from __future__ import annotations

import asyncio
import gzip
import mimetypes
import re
from pathlib import Path

import httpx
import pytest
from hatchling.builders.wheel import WheelBuilder
from starlette.applications import Starlette

from serving.routes.page import PAGES, STATIC

ROOT = Path(__file__).parents[4]
FILES = sorted(path for path in STATIC.rglob("*") if path.is_file())
THEME = (STATIC / "css" / "theme.css").read_text()
# WCAG 2.2, level AA: text, and graphical objects.
TEXT, GRAPHICS = 4.5, 3.0


def get(path: str) -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(Starlette(routes=[*PAGES]))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get(path)

    return asyncio.run(send())


def test_the_policy_admits_files_of_this_service_only() -> None:
    policy = get("/").headers["content-security-policy"]
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert directives["default-src"] == "'none'"
    assert directives["script-src"] == directives["style-src"] == directives["connect-src"]
    assert directives["script-src"] == "'self'"
    assert "unsafe" not in policy
    assert "http" not in policy


def test_every_file_of_the_page_is_served() -> None:
    text = get("/").text
    linked = set(re.findall(r'(?:src|href)="(static/[^"]+)"', text))
    scripts = [path.read_text() for path in FILES if path.suffix == ".js"]
    imported = {f"static/js/{name}" for s in scripts for name in re.findall(r'from "\./(.+?)"', s)}
    assert linked | imported == {
        f"static/{path.relative_to(STATIC).as_posix()}" for path in FILES
    } - {"static/index.html"}
    for path in linked | imported:
        response = get(f"/{path}")
        assert response.status_code == 200, path
        assert response.headers["content-type"].split(";")[0] in {
            *("text/css", "text/javascript", "image/svg+xml"),
        }


def test_the_type_of_a_script_does_not_depend_on_the_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(mimetypes.types_map, ".js", "text/plain")  # a browser would refuse it
    assert get("/static/js/main.js").headers["content-type"] == "text/javascript; charset=utf-8"


@pytest.mark.parametrize("path", ["/", "/static/js/main.js", "/static/css/page.css"])
def test_a_browser_asks_whether_a_file_has_changed(path: str) -> None:
    """A browser must not combine files of two versions of the service."""
    response = get(path)
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["etag"]
    assert response.headers["x-content-type-options"] == "nosniff"


def test_nothing_is_inline_and_no_other_host_is_named() -> None:
    page = (STATIC / "index.html").read_text()
    assert not re.findall(r"<style|\sstyle=|\son[a-z]+=|<script>", page)
    for path in FILES:
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.findall(r"https?:|//[a-z]+\.", text), path


def test_text_is_set_as_text_and_never_parsed_as_html() -> None:
    for path in FILES:
        assert not re.findall(
            r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", path.read_text()
        )


def test_the_page_is_small() -> None:
    assert sum(len(gzip.compress(path.read_bytes())) for path in FILES) < 40_000


def test_the_wheel_contains_the_files_of_the_page() -> None:
    packed = {Path(file.path) for file in WheelBuilder(str(ROOT)).recurse_included_files()}
    assert {*FILES} <= packed


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(
    ("front", "back", "needed"),
    [
        ("ink", "page", TEXT),
        ("ink", "surface", TEXT),
        ("muted", "page", TEXT),
        ("muted", "surface", TEXT),
        ("accent", "surface", TEXT),
        ("accent-ink", "accent", TEXT),
        ("warn-ink", "warn-page", TEXT),
        ("accent", "band-80", 1.5),
        ("miss", "surface", GRAPHICS),
        ("good", "surface", GRAPHICS),
    ],
)
def test_colours_have_enough_contrast(theme: str, front: str, back: str, needed: float) -> None:
    colours = _colours(theme)
    assert _contrast(colours[front], colours[back]) >= needed


def _colours(theme: str) -> dict[str, str]:
    light, dark = re.findall(r":root[^{]*\{(.*?)\}", THEME, re.DOTALL)
    block = light if theme == "light" else dark
    return dict(re.findall(r"--([\w-]+): #([0-9a-f]{6});", block))


def _contrast(first: str, second: str) -> float:
    low, high = sorted((_luminance(first), _luminance(second)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    shares = [int(colour[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
