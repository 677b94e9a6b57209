"""Splits, dividends and quotes of a chain: who is asked, and what is said when none tells."""

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


def test_actions_come_from_the_first_that_tells_them(setup: FailoverSetup) -> None:
    setup.primary.actions = SPLIT

    assert setup.chain.fetch_actions("AAPL").equals(SPLIT)
    assert setup.backup.calls == []


def test_actions_come_from_the_backup_when_the_primary_fails(setup: FailoverSetup) -> None:
    setup.backup.actions = SPLIT
    setup.primary.fail(QuotaError("spent.", renews_at=LATER))

    assert setup.chain.fetch_actions("AAPL").equals(SPLIT)


@pytest.mark.parametrize("apart", [True, False])
def test_actions_are_apart_when_those_of_the_first_are(
    setup: FailoverSetup, *, apart: bool
) -> None:
    setup.primary.has_separate_actions = apart

    assert setup.chain.has_separate_actions is apart


def test_a_chain_that_starts_with_files_has_no_actions_apart(setup: FailoverSetup) -> None:
    files = FakeProvider({}, name="files")

    assert not ProviderChain([files, setup.backup], setup.health).has_separate_actions


def test_actions_that_nobody_can_tell_are_refused_with_the_way_out(setup: FailoverSetup) -> None:
    chain = ProviderChain([FakeProvider({}, name="files")], setup.health)

    with pytest.raises(PermanentError, match="No provider among files can tell splits and div"):
        chain.fetch_actions("AAPL")


def test_a_quote_comes_from_the_first_that_tells_it(setup: FailoverSetup) -> None:
    setup.primary.quotes = {"AAPL": quote("alpha_vantage")}
    setup.backup.quotes = {"AAPL": quote("yahoo")}

    assert setup.chain.fetch_quote("AAPL", reserved_calls=10).source == "alpha_vantage"
    setup.primary.fail()
    assert setup.chain.fetch_quote("AAPL", reserved_calls=10).source == "yahoo"


def test_a_quote_that_nobody_can_tell_is_refused_with_the_settings_that_help(
    setup: FailoverSetup,
) -> None:
    chain = ProviderChain([FakeProvider({}, name="files")], setup.health)

    with pytest.raises(PermanentError, match="name alpha_vantage or yahoo in STOCKCAST_PROVIDER"):
        chain.fetch_quote("AAPL")
