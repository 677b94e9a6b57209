"""Order of requests in a chain of providers, and its errors."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest
from support.market.bars import sample_bars
from support.providers.failover_setup import LATER, TICKERS, FailoverSetup
from support.providers.in_memory import FakeProvider

from core.errors import (
    BarsError,
    ProviderDownError,
    ProviderKeyError,
    QuotaError,
    ReconciliationError,
    SettingsError,
    StockcastError,
    TierError,
)
from market.providers.failover.chain import ProviderChain
from market.providers.protocol import ActionsProvider, Provider, QuoteProvider, SessionRange


@pytest.fixture
def setup(tmp_path: Path) -> FailoverSetup:
    return FailoverSetup(tmp_path)


def accept_all(_: pl.DataFrame) -> None:
    pass


def test_a_chain_has_the_name_of_its_first_provider(setup: FailoverSetup) -> None:
    assert isinstance(setup.chain, Provider)
    assert isinstance(setup.chain, ActionsProvider)
    assert isinstance(setup.chain, QuoteProvider)
    assert setup.chain.name == "alpha_vantage"


def test_an_empty_chain_is_rejected(setup: FailoverSetup) -> None:
    with pytest.raises(SettingsError, match="`providers` must hold at least one"):
        ProviderChain([], setup.breakers)


def test_tickers_come_from_the_first_provider_that_lists_them(setup: FailoverSetup) -> None:
    files = FakeProvider({"IBM": sample_bars("IBM")}, name="files")

    assert ProviderChain([setup.primary, files], setup.breakers).tickers() == ("IBM",)
    assert setup.chain.tickers() == ()


def test_no_request_goes_to_the_backup_of_a_working_primary(setup: FailoverSetup) -> None:
    accepted = setup.chain.fetch_accepted("AAPL", None, accept_all)

    assert (accepted.provider, accepted.notes) == ("alpha_vantage", ())
    assert accepted.bars.equals(setup.primary.bars["AAPL"])
    assert setup.backup.calls == []


def test_the_session_range_is_passed_to_each_provider(setup: FailoverSetup) -> None:
    session_range = SessionRange(date(2012, 5, 25), n_sessions=5)
    setup.primary.fail()

    assert setup.chain.fetch("AAPL", session_range)["session"].min() == date(2012, 5, 25)
    assert setup.primary.calls == setup.backup.calls == [("AAPL", session_range)]


def test_the_backup_takes_over_in_the_middle_of_a_run(
    setup: FailoverSetup,
) -> None:
    setup.primary.fail(after=1)

    results = [setup.chain.fetch_accepted(ticker, None, accept_all) for ticker in TICKERS]

    assert [accepted.provider for accepted in results] == ["alpha_vantage", "yahoo", "yahoo"]
    assert results[2].notes == ("alpha_vantage: alpha_vantage does not respond.",)
    assert results[2].bars["source"].unique().to_list() == ["yahoo"]


def test_a_primary_that_stays_down_is_skipped_with_a_note(
    setup: FailoverSetup,
) -> None:
    setup.primary.fail()
    for _ in range(3):
        setup.chain.fetch("AAPL")

    accepted = setup.chain.fetch_accepted("IBM", None, accept_all)

    (note,) = accepted.notes
    assert len(setup.primary.calls) == 3
    assert note == (
        "alpha_vantage: skipped until 2012-06-01 21:01:00 UTC: down since "
        "2012-06-01 21:00:00 UTC. alpha_vantage does not respond."
    )


def test_with_all_providers_down_one_error_has_all_reasons(setup: FailoverSetup) -> None:
    setup.primary.fail()
    setup.backup.fail()
    for _ in range(3):
        with pytest.raises(ProviderDownError) as caught:
            setup.chain.fetch("AAPL")
    assert str(caught.value) == (
        "No provider delivered AAPL. alpha_vantage: alpha_vantage does not respond. "
        "yahoo: yahoo does not respond."
    )

    with pytest.raises(ProviderDownError, match=r"alpha_vantage: skipped.* yahoo: skipped"):
        setup.chain.fetch("AAPL")
    assert len(setup.primary.calls) == len(setup.backup.calls) == 3


def test_a_primary_that_recovers_is_used_again(setup: FailoverSetup) -> None:
    setup.primary.fail()
    for _ in range(3):
        setup.chain.fetch("AAPL")
    setup.primary.recover()

    assert setup.source_of("AAPL") == "yahoo"
    setup.clock.advance(seconds=61)
    assert setup.source_of("AAPL") == "alpha_vantage"
    assert setup.state_of("alpha_vantage") == "closed"


def test_a_failed_trial_request_doubles_the_pause(setup: FailoverSetup) -> None:
    setup.primary.fail()
    for _ in range(3):
        setup.chain.fetch("AAPL")
    setup.clock.advance(seconds=61)
    setup.chain.fetch("AAPL")
    setup.clock.advance(seconds=61)
    setup.primary.recover()

    assert setup.source_of("AAPL") == "yahoo"
    setup.clock.advance(seconds=60)
    assert setup.source_of("AAPL") == "alpha_vantage"


def test_during_a_trial_request_other_requests_use_the_backup(
    setup: FailoverSetup,
) -> None:
    setup.primary.fail()
    for _ in range(3):
        setup.chain.fetch("AAPL")
    setup.clock.advance(seconds=61)
    assert setup.breakers.allows_request("alpha_vantage")

    accepted = setup.chain.fetch_accepted("IBM", None, accept_all)

    assert "a trial request is in progress" in accepted.notes[0]
    assert accepted.provider == "yahoo"


@pytest.mark.parametrize(
    "error",
    [
        BarsError("yahoo, bars of AAPL: nonsense."),
        ProviderKeyError("the key was rejected."),
        QuotaError("spent.", renews_at=LATER),
        TierError("too far back.", reach=100),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_refusal_goes_to_the_backup_and_opens_no_breaker(
    setup: FailoverSetup, error: StockcastError
) -> None:
    setup.primary.fail(error)

    for _ in range(5):
        assert setup.source_of("AAPL") == "yahoo"

    assert len(setup.primary.calls) == 5
    assert setup.breakers.allows_request("alpha_vantage")


def test_a_ticker_that_the_primary_lacks_comes_from_the_backup(
    setup: FailoverSetup,
) -> None:
    del setup.primary.bars["IBM"]

    assert setup.source_of("IBM") == "yahoo"
    assert setup.source_of("AAPL") == "alpha_vantage"


def test_a_response_with_an_error_closes_the_breaker(setup: FailoverSetup) -> None:
    setup.primary.fail()
    for _ in range(2):
        setup.chain.fetch("AAPL")
    setup.primary.fail(BarsError("nonsense."))
    setup.chain.fetch("AAPL")
    setup.primary.fail()
    setup.chain.fetch("AAPL")

    assert setup.state_of("alpha_vantage") == "closed"


def test_a_refusal_by_the_ledger_does_not_close_the_breaker(setup: FailoverSetup) -> None:
    setup.primary.fail()
    for _ in range(3):
        setup.chain.fetch("AAPL")
    setup.clock.advance(seconds=61)
    setup.primary.fail(QuotaError("spent.", renews_at=LATER))
    setup.chain.fetch("AAPL")

    assert setup.state_of("alpha_vantage") == "half_open"


def test_rejected_bars_are_fetched_from_the_next_provider(setup: FailoverSetup) -> None:
    def accept(bars: pl.DataFrame) -> None:
        if bars["source"][0] == "alpha_vantage":
            msg = "closes differ by 3 % on 2012-05-31."
            raise ReconciliationError(msg)

    accepted = setup.chain.fetch_accepted("AAPL", None, accept)

    assert accepted.provider == "yahoo"
    assert accepted.notes == ("alpha_vantage: closes differ by 3 % on 2012-05-31.",)
    assert setup.state_of("alpha_vantage") == "closed"


def test_breaker_states_have_the_order_of_the_chain(setup: FailoverSetup) -> None:
    assert setup.chain.breaker_states() == []
    setup.primary.fail()
    setup.chain.fetch("AAPL")

    assert [(s.name, s.failures) for s in setup.chain.breaker_states()] == [
        ("alpha_vantage", 1),
        ("yahoo", 0),
    ]
