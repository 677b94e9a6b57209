"""The report page is one file that a browser shows without any request."""

from __future__ import annotations

from html.parser import HTMLParser

import polars as pl
import pytest

from pipelines.report_page.html import MAX_ROWS, Picture, Section, Table, render_page

HOSTILE = '</td><script src="https://example.com/x.js"></script>'


class Elements(HTMLParser):
    """The names and the attributes of the elements of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.urls: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.urls += [value or "" for name, value in attrs if name in {"src", "href"}]


@pytest.fixture
def page() -> str:
    rows = pl.DataFrame({"ticker": [HOSTILE] * (MAX_ROWS + 2), "close": [1234.5] * (MAX_ROWS + 2)})
    section = Section(
        HOSTILE,
        HOSTILE,
        gates=[(True, "It covered 80.0 %: passed"), (False, HOSTILE)],
        pictures=[Picture("a.png", HOSTILE, b"png"), Picture("b.svg", "b", b"<svg/>")],
        tables=[Table(HOSTILE, rows)],
        links=[("drift", "drift.html")],
    )
    return render_page(HOSTILE, HOSTILE, [section, Section("Second")])


def test_the_page_requests_nothing_from_any_host(page: str) -> None:
    elements = Elements(page)

    assert not {"script", "link", "iframe"} & set(elements.tags)
    assert elements.urls == [
        "#s1",
        "#s2",
        "data:image/png;base64,cG5n",
        "data:image/svg+xml;base64,PHN2Zy8+",
        "drift.html",
    ]
    assert "default-src 'none'" in page


def test_a_table_shows_its_first_rows_and_the_number_of_others(page: str) -> None:
    assert Elements(page).tags.count("tr") == 1 + MAX_ROWS
    assert "… and 2 more rows." in page
    assert page.count("<td>1,234</td>") == MAX_ROWS


def test_the_page_fits_a_phone_and_breaks_no_percentage(page: str) -> None:
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in page
    assert "It covered 80.0&nbsp;%: passed" in page
