"""The report page of a run: one HTML file without scripts, and without requests to any host."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import polars as pl

from pipelines.reporting.tables import cell_text

SVG = "image/svg+xml"
MEDIA_TYPES = {".png": "image/png", ".svg": SVG}
MAX_ROWS = 60
# The policy also stops the browser from any request, should a text contain markup by mistake.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1160px; padding: 1rem; color: #202124; background: #fff;
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: .2rem 0; } h2 { font-size: 1.25rem; margin: 2.2rem 0 .4rem; }
h3 { font-size: 1rem; margin: 1.4rem 0 .3rem; } p { margin: .4rem 0; max-width: 72ch; }
nav a { display: inline-block; margin: 0 1rem .2rem 0; } a { color: #1a73e8; }
.table { overflow-x: auto; margin: .6rem 0; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .6rem; text-align: right; border-bottom: 1px solid #e8eaed;
  white-space: nowrap; }
th { background: #f8f9fa; } th.text, td.text { text-align: left; }
.pictures { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr)); }
figure { margin: 0; } img { width: 100%; height: auto; display: block; }
figure.wide { grid-column: 1 / -1; overflow-x: auto; }
figure.wide img { width: auto; max-width: none; min-width: 44rem; }
@media (min-width: 60rem) { figure.wide img { max-width: 100%; } }
.note { color: #5f6368; font-size: .875rem; }
ul.gates { list-style: none; padding: 0; }
ul.gates li { padding: .15rem 0 .15rem 1.6rem; text-indent: -1.6rem; }
ul.gates b { display: inline-block; width: 1.6rem; text-indent: 0; }
.passed b { color: #188038; } .failed b { color: #d93025; }
"""


@dataclass(frozen=True)
class Picture:
    """A plot: its file name with the suffix of its format, its title and its content."""

    name: str
    title: str
    content: bytes


@dataclass(frozen=True)
class Table:
    """A table with a title; columns that contain letters are aligned to the left."""

    title: str
    rows: pl.DataFrame


@dataclass(frozen=True)
class Section:
    """A part of the page. `links` are pairs of text and address, such as a file in its folder."""

    title: str
    text: str = ""
    gates: Sequence[tuple[bool, str]] = ()
    pictures: Sequence[Picture] = ()
    tables: Sequence[Table] = ()
    links: Sequence[tuple[str, str]] = field(default=())


def render_page(title: str, summary: str, sections: Sequence[Section]) -> str:
    """Return the page as HTML."""
    numbered = list(enumerate(sections, start=1))
    contents = "".join(f'<a href="#s{i}">{_text(s.title)}</a>' for i, s in numbered)
    body = "".join(_section(f"s{i}", section) for i, section in numbered)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f"<title>{_text(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{_text(title)}</h1>\n<p>{_text(summary)}</p>\n<nav>{contents}</nav>\n"
        f"{body}</body>\n</html>\n"
    )


def _section(anchor: str, section: Section) -> str:
    parts = [f'<section id="{anchor}">\n<h2>{_text(section.title)}</h2>']
    if section.text:
        parts.append(f"<p>{_text(section.text)}</p>")
    if section.gates:
        parts.append(f'<ul class="gates">{"".join(map(_gate, section.gates))}</ul>')
    if section.pictures:
        parts.append(f'<div class="pictures">{"".join(map(_picture, section.pictures))}</div>')
    parts += [_table(table) for table in section.tables]
    parts += [f'<p><a href="{_text(file)}">{_text(text)}</a></p>' for text, file in section.links]
    return "\n".join([*parts, "</section>\n"])


def _gate(gate: tuple[bool, str]) -> str:
    passed, sentence = gate
    name, mark = ("passed", "✓") if passed else ("failed", "✗")
    return f'<li class="{name}"><b>{mark}</b>{_text(sentence)}</li>'


def _picture(picture: Picture) -> str:
    media_type = MEDIA_TYPES[Path(picture.name).suffix]
    data = base64.b64encode(picture.content).decode()
    image = f'<img alt="{_text(picture.title)}" src="data:{media_type};base64,{data}">'
    # Plots for the Dagster UI are wide PNG files, which a phone scrolls.
    layout = "" if media_type == SVG else ' class="wide"'
    return f"<figure{layout}>{image}</figure>"


def _table(table: Table) -> str:
    rows = table.rows
    kinds = [' class="text"' if _has_letters(column) else "" for column in rows]
    header = "".join(
        f"<th{kind}>{_text(name)}</th>" for name, kind in zip(rows.columns, kinds, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f"<td{kind}>{_text(cell_text(value))}</td>"
            for value, kind in zip(row, kinds, strict=True)
        )
        + "</tr>\n"
        for row in rows.head(MAX_ROWS).rows()
    )
    omitted = rows.height - MAX_ROWS
    note = f'<p class="note">… and {omitted:,} more rows.</p>' if omitted > 0 else ""
    return (
        f'<h3>{_text(table.title)}</h3><div class="table"><table>\n'
        f"<tr>{header}</tr>\n{body}</table></div>{note}"
    )


def _has_letters(column: pl.Series) -> bool:
    return column.dtype == pl.String and bool(column.str.contains("[A-Za-z]").any())


def _text(text: str) -> str:
    """Return `text` as HTML, without a line break before a percent sign."""
    return escape(text).replace(" %", "&nbsp;%")
