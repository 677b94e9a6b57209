"""Markdown tables of frames."""

from __future__ import annotations

from datetime import date

import polars as pl

from pipelines.reporting.tables import markdown_table


def test_a_markdown_table_has_a_header_and_one_line_per_row() -> None:
    frame = pl.DataFrame(
        {
            "ticker": ["AAPL", None],
            "bars": [3270, 5],
            "share": [0.123456, None],
            "good": [True, False],
            "last": [date(2013, 3, 1), None],
        }
    )

    assert markdown_table(frame) == (
        "| ticker | bars | share | good | last |\n"
        "| --- | --- | --- | --- | --- |\n"
        "| AAPL | 3,270 | 0.1235 | yes | 2013-03-01 |\n"
        "| - | 5 | - | no | - |"
    )


def test_omitted_rows_are_counted() -> None:
    text = markdown_table(pl.DataFrame({"n": range(1234)}), most=2)

    assert text.splitlines()[2:4] == ["| 0 |", "| 1 |"]
    assert text.endswith("… and 1,232 more rows.")


def test_a_cell_cannot_end_its_column_or_row() -> None:
    text = markdown_table(pl.DataFrame({"reason": ["a | b\nc"]}))

    assert text.splitlines()[2:] == ["| a \\| b c |"]


def test_a_frame_without_rows_gives_a_header() -> None:
    assert markdown_table(pl.DataFrame({"n": []})) == "| n |\n| --- |"
