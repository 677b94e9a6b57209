from __future__ import annotations

from rich.console import Console

from stockcast.cli.tables import terminal_table


def test_a_table_has_title_columns_and_rows() -> None:
    console = Console(width=100)
    with console.capture() as output:
        console.print(terminal_table("Versions", ("name", "n"), [["one", 1], ["two", 2_000]]))

    title, *lines = output.get().splitlines()
    assert title.strip() == "Versions"
    assert [line.split() for line in lines if "two" in line] == [["two", "2,000"]]


def test_markup_in_a_cell_is_shown_as_text() -> None:
    console = Console(width=100)
    with console.capture() as output:
        console.print(terminal_table("Reasons", ("why",), [["[/bold] is no tag [red]"]]))

    assert "[/bold] is no tag [red]" in output.get()
