"""Which provider of a chain is asked, and what a chain says when none delivers."""

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


def take_all(_: pl.DataFrame) -> None:
    pass


def test_a_chain_is_a_provider_with_the_name_of_its_first(setup: FailoverSetup) -> None:
    assert isinstance(setup.chain, Provider)
    assert isinstance(setup.chain, ActionsProvider)
    assert isinstance(setup.chain, QuoteProvider)
    assert setup.chain.name == "alpha_vantage"


def test_a_chain_of_nothing_is_refused(setup: FailoverSetup) -> None:
    with pytest.raises(SettingsError, match="`providers` must hold at least one"):
        ProviderChain([], setup.health)


def test_the_tickers_are_those_of_the_first_that_can_list_its_own(setup: FailoverSetup) -> None:
    files = FakeProvider({"IBM": sample_bars("IBM")}, name="files")

    assert ProviderChain([setup.primary, files], setup.health).tickers() == ("IBM",)
    assert setup.chain.tickers() == ()


def test_a_primary_that_answers_is_the_only_one_asked(setup: FailoverSetup) -> None:
    delivery = setup.chain.fetch_accepted("AAPL", None, take_all)

    assert (delivery.provider, delivery.notes) == ("alpha_vantage", ())
    assert delivery.bars.equals(setup.primary.bars["AAPL"])
    assert setup.backup.calls == []


def test_a_span_is_handed_on(setup: FailoverSetup) -> None:
    session_range = SessionRange(date(2012, 5, 25), n_sessions=5)
    setup.primary.fail()

    assert setup.chain.fetch("AAPL", session_range)["session"].min() == date(2012, 5, 25)
    assert setup.primary.calls == setup.backup.calls == [("AAPL", session_range)]


def test_when_the_primary_goes_down_in_the_middle_of_a_run_the_rest_comes_from_the_backup(
    setup: FailoverSetup,
) -> None:
    setup.primary.fail(after=1)

    deliveries = [setup.chain.fetch_accepted(ticker, None, take_all) for ticker in TICKERS]

    assert [delivery.provider for delivery in deliveries] == ["alpha_vantage", "yahoo", "yahoo"]
    assert deliveries[2].notes == ("alpha_vantage: alpha_vantage does not answer.",)
    assert deliveries[2].bars["source"].unique().to_list() == ["yahoo"]


def test_a_primary_that_stays_down_is_no_longer_asked_and_the_note_says_until_when(
    setup: FailoverSetup,
) -> None:
    setup.primary.fail()
    for _ in range(3):
        setup.chain.fetch("AAPL")

    delivery = setup.chain.fetch_accepted("IBM", None, take_all)

    (note,) = delivery.notes
    assert len(setup.primary.calls) == 3
    assert note == (
        "alpha_vantage: not asked before 2012-06-01 21:01:00 UTC: it has been down since "
        "2012-06-01 21:00:00 UTC. alpha_vantage does not answer."
    )


def test_when_all_are_down_there_is_one_error_with_the_reasons_of_all(setup: FailoverSetup) -> None:
    setup.primary.fail()
    setup.backup.fail()
    for _ in range(3):
        with pytest.raises(ProviderDownError) as caught:
            setup.chain.fetch("AAPL")
    assert str(caught.value) == (
        "No provider delivered AAPL. alpha_vantage: alpha_vantage does not answer. "
        "yahoo: yahoo does not answer."
    )

    with pytest.raises(ProviderDownError, match=r"alpha_vantage: not asked.* yahoo: not asked"):
        setup.chain.fetch("AAPL")
    assert len(setup.primary.calls) == len(setup.backup.calls) == 3


def test_a_primary_that_was_down_is_tried_later_and_returns(setup: FailoverSetup) -> None:
    setup.primary.fail()
    for _ in range(3):
        setup.chain.fetch("AAPL")
    setup.primary.recover()

    assert setup.source_of("AAPL") == "yahoo"
    setup.clock.advance(seconds=61)
    assert setup.source_of("AAPL") == "alpha_vantage"
    assert setup.state_of("alpha_vantage") == "closed"


def test_a_try_that_fails_leaves_the_primary_alone_for_longer(setup: FailoverSetup) -> None:
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


def test_while_one_request_tries_the_others_go_to_the_backup_and_say_so(
    setup: FailoverSetup,
) -> None:
    setup.primary.fail()
    for _ in range(3):
        setup.chain.fetch("AAPL")
    setup.clock.advance(seconds=61)
    assert setup.health.allows_request("alpha_vantage")

    delivery = setup.chain.fetch_accepted("IBM", None, take_all)

    assert "another request is just trying it" in delivery.notes[0]
    assert delivery.provider == "yahoo"


@pytest.mark.parametrize(
    "error",
    [
        BarsError("yahoo, bars of AAPL: nonsense."),
        ProviderKeyError("the key is not accepted."),
        QuotaError("spent.", renews_at=LATER),
        TierError("too far back.", reach=100),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_refusal_passes_on_and_opens_no_breaker(
    setup: FailoverSetup, error: StockcastError
) -> None:
    setup.primary.fail(error)

    for _ in range(5):
        assert setup.source_of("AAPL") == "yahoo"

    assert len(setup.primary.calls) == 5
    assert setup.health.allows_request("alpha_vantage")


def test_a_ticker_that_the_primary_does_not_know_comes_from_the_backup(
    setup: FailoverSetup,
) -> None:
    del setup.primary.bars["IBM"]

    assert setup.source_of("IBM") == "yahoo"
    assert setup.source_of("AAPL") == "alpha_vantage"


def test_an_answer_that_says_no_proves_that_a_provider_is_up(setup: FailoverSetup) -> None:
    setup.primary.fail()
    for _ in range(2):
        setup.chain.fetch("AAPL")
    setup.primary.fail(BarsError("nonsense."))
    setup.chain.fetch("AAPL")
    setup.primary.fail()
    setup.chain.fetch("AAPL")

    assert setup.state_of("alpha_vantage") == "closed"


def test_a_refusal_by_our_own_budget_does_not(setup: FailoverSetup) -> None:
    setup.primary.fail()
    for _ in range(3):
        setup.chain.fetch("AAPL")
    setup.clock.advance(seconds=61)
    setup.primary.fail(QuotaError("spent.", renews_at=LATER))
    setup.chain.fetch("AAPL")

    assert setup.state_of("alpha_vantage") == "half_open"


def test_bars_that_are_not_accepted_are_asked_from_the_next(setup: FailoverSetup) -> None:
    def accept(bars: pl.DataFrame) -> None:
        if bars["source"][0] == "alpha_vantage":
            msg = "closes differ by 3 % on 2012-05-31."
            raise ReconciliationError(msg)

    delivery = setup.chain.fetch_accepted("AAPL", None, accept)

    assert delivery.provider == "yahoo"
    assert delivery.notes == ("alpha_vantage: closes differ by 3 % on 2012-05-31.",)
    assert setup.state_of("alpha_vantage") == "closed"


def test_health_is_told_in_the_order_of_the_chain(setup: FailoverSetup) -> None:
    assert setup.chain.breaker_states() == []
    setup.primary.fail()
    setup.chain.fetch("AAPL")

    assert [(s.name, s.failures) for s in setup.chain.breaker_states()] == [
        ("alpha_vantage", 1),
        ("yahoo", 0),
    ]
