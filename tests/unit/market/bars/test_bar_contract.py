"""Validation of bars: refused rows with their reasons, and column types."""

from datetime import date, datetime

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.market.bars import sample_bars, synthetic_bars
from support.market.single_bars import NO_VALUES, bar, reasons, validate

from core.errors import BarsError
from market.bars.contract import BAR_SCHEMA, KEY, conform_bars


def test_sample_is_valid() -> None:
    sample = sample_bars()

    validated = validate(sample)

    assert validated.bars.equals(sample)
    assert validated.quarantine.is_empty()


def test_fall_by_half_is_valid() -> None:
    validated = validate(sample_bars("AAPL", start=date(2000, 9, 28), end=date(2000, 9, 29)))

    before, after = validated.bars.get_column("close")
    assert after / before - 1 == pytest.approx(-0.519, abs=5e-4)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ticker": None}, "ticker is missing"),
        ({"ticker": "../x"}, "ticker is malformed"),
        ({"ticker": "aapl"}, "ticker is malformed"),
        ({"ticker": "AAPL\n"}, "ticker is malformed"),
        ({"session": None}, "session is missing"),
        ({"session": date(2010, 1, 9)}, "the XNYS calendar has no session on that date"),
        ({"session": date(2012, 10, 29)}, "the XNYS calendar has no session on that date"),
        ({"session": date(2013, 3, 4)}, "session is in the future (after 2013-03-01)"),
        ({"open": None}, "open is missing"),
        ({"close": float("nan")}, "close is missing"),
        ({"volume": None}, "volume is missing"),
        ({"high": float("inf")}, "high is not a positive number"),
        ({"adj_close": 0.0}, "adj_close is not a positive number"),
        ({"split_factor": -2.0}, "split_factor is not a positive number"),
        ({"dividend": -0.1}, "dividend is not zero or a positive number"),
        ({"dividend": float("inf")}, "dividend is not zero or a positive number"),
        ({"volume": -1}, "volume is negative"),
        ({"high": 213.9}, "high is below open or close"),
        ({"low": 213.5}, "low is above open or close"),
    ],
)
def test_invalid_bar_is_quarantined_with_its_reason(
    changes: dict[str, object], reason: str
) -> None:
    assert reasons(bar(**changes)) == [reason]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"session": date(1969, 12, 31)},
            "before the first session of the XNYS calendar (1970-01-02)",
        ),
        (
            {"session": date(2012, 10, 29)} | NO_VALUES,
            "without values, on days without a session of XNYS",
        ),
        (
            {"session": date(2012, 10, 29)} | NO_VALUES | {"volume": 0},
            "without values, on days without a session of XNYS",
        ),
    ],
)
def test_rows_that_are_no_faults_are_set_aside(changes: dict[str, object], reason: str) -> None:
    """Regression: null rows on holidays and bars before 1970 counted as refused rows."""
    validated = validate(pl.concat([bar(**changes), bar()]))

    assert validated.quarantine.is_empty()
    assert validated.bars.height == 1
    assert validated.set_aside["reason"].to_list() == [reason]


def test_a_row_without_values_in_a_session_is_refused() -> None:
    (reason,) = reasons(bar(**NO_VALUES))

    assert reason.startswith("open is missing; high is missing")


def test_reason_lists_every_fault() -> None:
    faulty = bar(session=date(2010, 1, 9), open=0.0, low=None, volume=-5)

    assert reasons(faulty)[0].split("; ") == [
        "low is missing",
        "the XNYS calendar has no session on that date",
        "open is not a positive number",
        "volume is negative",
    ]


def test_high_below_low_is_reported_with_open_and_close_in_between() -> None:
    reported = reasons(bar(high=212.0, low=215.0))

    assert reported == [
        "high is below open or close; low is above open or close; high is below low"
    ]


@pytest.mark.parametrize("name", ["adj_close", "split_factor", "dividend", "source"])
def test_missing_optional_value_is_valid(name: str) -> None:
    assert reasons(bar(**{name: None})) == []


def test_zero_volume_is_valid() -> None:
    assert reasons(bar(volume=0)) == []


def test_high_below_close_by_32_bit_rounding_is_valid() -> None:
    assert reasons(bar(high=214.0 * (1 - 1e-7))) == []
    assert reasons(bar(high=214.0 * (1 - 1e-5))) != []


def test_empty_frame_is_valid() -> None:
    validated = validate(BAR_SCHEMA.to_frame())

    assert validated.bars.schema == BAR_SCHEMA
    assert validated.quarantine.columns == [*BAR_SCHEMA, "reason"]


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    faults=st.lists(
        st.tuples(
            st.integers(0, 59),
            st.sampled_from(["open", "high", "low", "close", "volume", "adj_close"]),
            st.sampled_from([None, -1, 0, 1, 10**9]),
        ),
        max_size=20,
    ),
    repeated=st.lists(st.integers(0, 59), max_size=10),
)
def test_every_row_is_either_valid_or_quarantined(
    faults: list[tuple[int, str, int | None]], repeated: list[int]
) -> None:
    rows = synthetic_bars(("AAA", "BBB"), n_sessions=30).to_dicts()
    for at, name, value in faults:
        rows[at][name] = value
    frame = pl.DataFrame(rows + [rows[at] for at in repeated], schema=BAR_SCHEMA, strict=False)

    validated = validate(frame)

    assert validated.bars.height + validated.quarantine.height == frame.height
    assert not validated.bars.select(KEY).is_duplicated().any()
    assert (validated.quarantine.get_column("reason").str.len_chars() > 0).all()
    assert validate(validated.bars).bars.equals(validated.bars)


def test_missing_optional_columns_are_added_and_other_columns_dropped() -> None:
    frame = bar().drop("adj_close", "split_factor", "dividend", "source")

    conformed = conform_bars(
        frame.with_columns(name=pl.lit("Apple")).select(reversed(frame.columns))
    )

    assert conformed.schema == BAR_SCHEMA
    assert conformed.get_column("adj_close").to_list() == [None]


def test_missing_required_column_raises() -> None:
    with pytest.raises(BarsError, match="missing close, volume, got ticker"):
        validate(bar().drop("close", "volume"))


def test_timestamps_as_sessions_raise() -> None:
    frame = bar().with_columns(session=pl.lit(datetime(2010, 1, 4)))  # noqa: DTZ001

    with pytest.raises(BarsError, match="`session` must be of type Date, got Datetime"):
        validate(frame)


def test_non_numeric_column_raises() -> None:
    frame = bar().with_columns(close=pl.lit("n.a."))

    with pytest.raises(BarsError, match="`close` must be castable to Float64, got String"):
        validate(frame)
