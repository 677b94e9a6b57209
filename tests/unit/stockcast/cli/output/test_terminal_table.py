"""Tables on the terminal: rows, markup, splitting, and prices of every size."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from stockcast.cli.output.tables import GAP, price_text, print_table, split_columns


def test_a_table_has_title_columns_and_rows() -> None:
    console = Console(width=100)
    with console.capture() as output:
        print_table(console, "Versions", ("name", "n"), [["one", 1], ["two", 2_000]])

    title, *lines = output.get().splitlines()
    assert title.strip() == "Versions"
    assert [line.split() for line in lines if "two" in line] == [["two", "2,000"]]


def test_markup_in_a_cell_is_shown_as_text() -> None:
    console = Console(width=100)
    with console.capture() as output:
        print_table(console, "Reasons", ("why",), [["[/bold] is no tag [red]"]])

    assert "[/bold] is no tag [red]" in output.get()


def test_a_cell_that_is_wider_than_the_terminal_is_wrapped() -> None:
    console = Console(width=20)
    with console.capture() as output:
        print_table(console, "", ("key", "value"), [["a", "0123456789" * 3]])

    lines = output.get().splitlines()
    assert max(map(len, lines)) <= 20
    assert "".join("".join(lines[2:]).split()) == "a" + "0123456789" * 3


@given(st.lists(st.integers(1, 30), min_size=2, max_size=12), st.integers(1, 2), st.integers(1, 99))
def test_every_column_is_in_one_part_and_fits_if_it_can(
    widths: list[int], n_keys: int, total: int
) -> None:
    n_keys = min(n_keys, len(widths) - 1)

    parts = split_columns(widths, n_keys, total)

    keys = list(range(n_keys))
    assert all(part[:n_keys] == keys and len(part) > n_keys for part in parts)
    assert [i for part in parts for i in part[n_keys:]] == list(range(n_keys, len(widths)))
    for part in parts:
        fits = sum(widths[i] + GAP for i in part) <= total
        assert fits or len(part) == n_keys + 1


@pytest.mark.parametrize(
    ("price", "text"),
    [
        (0.0004, "0.0004000"),
        (0.00012345, "0.0001234"),
        (0.5, "0.5000"),
        (1.0, "1.00"),
        (430.467, "430.47"),
        (9_999.994, "9,999.99"),
        (600_000, "600,000"),
        (0.0, "0.00"),
    ],
)
def test_a_price_has_the_decimals_of_its_size(price: float, text: str) -> None:
    assert price_text(price, price) == text


def test_prices_of_one_ticker_have_the_same_decimals() -> None:
    assert price_text(0.00101, 0.0009) == "0.0010100"
    assert price_text(10_100.0, 9_900.0) == "10,100.00"
