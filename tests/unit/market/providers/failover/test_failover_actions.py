"""Splits, dividends and quotes of a chain of providers."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.providers.failover_setup import LATER, SPLIT, FailoverSetup, quote
from support.providers.in_memory import FakeProvider

from core.errors import PermanentError, QuotaError
from market.providers.failover.chain import ProviderChain


@pytest.fixture
def setup(tmp_path: Path) -> FailoverSetup:
    return FailoverSetup(tmp_path)


def test_actions_come_from_the_first_provider(setup: FailoverSetup) -> None:
    setup.primary.actions = SPLIT

    assert setup.chain.fetch_actions("AAPL").equals(SPLIT)
    assert setup.backup.calls == []


def test_actions_come_from_the_backup_when_the_primary_fails(setup: FailoverSetup) -> None:
    setup.backup.actions = SPLIT
    setup.primary.fail(QuotaError("spent.", renews_at=LATER))

    assert setup.chain.fetch_actions("AAPL").equals(SPLIT)


@pytest.mark.parametrize("separate", [True, False])
def test_actions_are_separate_if_those_of_the_first_provider_are(
    setup: FailoverSetup, *, separate: bool
) -> None:
    setup.primary.has_separate_actions = separate

    assert setup.chain.has_separate_actions is separate


def test_a_chain_that_starts_with_files_has_no_separate_actions(setup: FailoverSetup) -> None:
    files = FakeProvider({}, name="files")

    assert not ProviderChain([files, setup.backup], setup.breakers).has_separate_actions


def test_a_chain_without_actions_raises_with_the_providers_to_add(setup: FailoverSetup) -> None:
    chain = ProviderChain([FakeProvider({}, name="files")], setup.breakers)

    with pytest.raises(PermanentError, match="No provider among files serves splits and div"):
        chain.fetch_actions("AAPL")


def test_a_quote_comes_from_the_first_provider_that_delivers(setup: FailoverSetup) -> None:
    setup.primary.quotes = {"AAPL": quote("alpha_vantage")}
    setup.backup.quotes = {"AAPL": quote("yahoo")}

    assert setup.chain.fetch_quote("AAPL", reserved_calls=10).source == "alpha_vantage"
    setup.primary.fail()
    assert setup.chain.fetch_quote("AAPL", reserved_calls=10).source == "yahoo"


def test_a_chain_without_quotes_raises_with_the_settings_to_change(
    setup: FailoverSetup,
) -> None:
    chain = ProviderChain([FakeProvider({}, name="files")], setup.breakers)

    with pytest.raises(PermanentError, match="add alpha_vantage or yahoo to STOCKCAST_PROVIDER"):
        chain.fetch_quote("AAPL")
