"""Several bars of one session: the settled one is kept."""

from datetime import date
from itertools import permutations

import polars as pl
import pytest
from support.market.bars import sample_bars
from support.market.single_bars import bar, validate


def test_repeated_bar_is_kept_once() -> None:
    validated = validate(pl.concat([bar(source="first"), bar(source="second")]))

    assert validated.bars.get_column("source").to_list() == ["second"]
    assert validated.quarantine.select("source", "reason").rows() == [
        ("first", "duplicate: the same bar follows")
    ]


SETTLED = bar(close=214.2, high=214.9, volume=17_633_200)
PARTIAL = bar(close=213.0, high=214.5, volume=123_456)


@pytest.mark.parametrize("order", list(permutations([0, 1, 2])))
def test_settled_bar_is_kept_in_any_order_of_rows(order: tuple[int, ...]) -> None:
    frames = [SETTLED, PARTIAL, bar(close=213.5, low=213.0, high=213.9, volume=200)]

    validated = validate(pl.concat([frames[n] for n in order]))

    assert validated.bars.equals(SETTLED)
    assert validated.quarantine.height == 2
    assert set(validated.quarantine["reason"]) == {
        "duplicate: partial; another bar of this session has a larger or equal volume and range"
    }


def test_partial_bar_of_the_last_session_loses_in_a_file_with_the_newest_row_first() -> None:
    sample = sample_bars("AAPL", start=date(2013, 1, 2))
    partial = sample.tail(1).with_columns(
        close=pl.col("close") * 0.999, volume=pl.lit(123_456, pl.Int64)
    )
    newest_first = pl.concat([sample, partial]).reverse()

    oldest_first = newest_first.reverse()

    assert validate(oldest_first).bars.equals(sample)
    assert validate(newest_first).bars.equals(sample)
    newest_last_of_two = pl.concat([sample.reverse().head(1), partial, sample.reverse().slice(1)])
    assert validate(newest_last_of_two).bars.equals(sample)


@pytest.mark.parametrize(
    "rows",
    [
        [bar(close=213.0), bar(close=214.0)],  # the same volume and range
        [bar(volume=5), bar(volume=9, high=214.1)],  # more volume, but a narrower range
        [bar(), bar(open=53.35, high=53.7, low=53.1, close=53.5, volume=70_532_800)],  # a split
        [bar(), bar(dividend=0.5)],
        [bar(), bar(adj_close=None)],
    ],
)
def test_bars_of_one_session_without_a_settled_one_are_all_refused(
    rows: list[pl.DataFrame],
) -> None:
    other = bar(session=date(2010, 1, 5))

    validated = validate(pl.concat([*rows, other]))

    assert validated.bars.equals(other)
    assert validated.quarantine.height == len(rows)
    assert validated.quarantine["reason"].str.contains("keep one of them").all()


def test_equal_bars_up_to_32_bit_rounding_are_kept_once() -> None:
    validated = validate(pl.concat([bar(), bar(high=214.5 * (1 + 1e-7), close=214.0 - 1e-6)]))

    assert validated.bars.height == 1
    assert validated.quarantine["reason"].to_list() == ["duplicate: the same bar follows"]


def test_invalid_repetition_does_not_replace_a_valid_bar() -> None:
    validated = validate(pl.concat([bar(), bar(close=-1.0, low=-1.0)]))

    assert validated.bars.get_column("close").to_list() == [214.0]
    assert validated.quarantine.height == 1


def test_null_adj_closes_are_equal_in_duplicates() -> None:
    validated = validate(pl.concat([bar(adj_close=None), bar(adj_close=None)]))

    assert validated.quarantine.get_column("reason").to_list() == [
        "duplicate: the same bar follows"
    ]
