"""Markdown tables of frames."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from pipelines.reporting.tables import cell_text, markdown_table, visible_table


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


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (600_000.0, "600,000"),
        (1_234_567.8, "1,234,568"),
        (2e9, "2,000,000,000"),
        (430.47, "430.5"),
        (1000.0, "1,000"),
        (999.96, "1,000"),
        (0.0004, "0.0004"),
        (0.00004321, "0.00004321"),
        (-0.0123456, "-0.01235"),
        (1e-20, "1e-20"),
        (0.0, "0"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
    ],
)
def test_large_and_small_numbers_keep_their_digits(value: float, text: str) -> None:
    assert cell_text(value) == text


def test_a_visible_table_has_readable_cells() -> None:
    table = visible_table(pl.DataFrame({"ticker": ["A", "B"], "price": [600_000.0, None]}))

    assert [record.data for record in table.records] == [
        {"ticker": "A", "price": "600,000"},
        {"ticker": "B", "price": "-"},
    ]


def test_omitted_rows_are_counted() -> None:
    text = markdown_table(pl.DataFrame({"n": range(1234)}), most=2)

    assert text.splitlines()[2:4] == ["| 0 |", "| 1 |"]
    assert text.endswith("… and 1,232 more rows.")


def test_a_cell_cannot_end_its_column_or_row() -> None:
    text = markdown_table(pl.DataFrame({"reason": ["a | b\nc"]}))

    assert text.splitlines()[2:] == ["| a \\| b c |"]


def test_a_frame_without_rows_gives_a_header() -> None:
    assert markdown_table(pl.DataFrame({"n": []})) == "| n |\n| --- |"
