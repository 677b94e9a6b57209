"""Splits, dividends and quotes of a chain: who is asked, and what is said when none tells."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.providers import FakeProvider
from support.streets import LATER, SPLIT, Street, quote

from core.errors import PermanentError, QuotaError
from market.providers.failover.chain import ProviderChain


@pytest.fixture
def street(tmp_path: Path) -> Street:
    return Street(tmp_path)


def test_actions_come_from_the_first_that_tells_them(street: Street) -> None:
    street.primary.actions = SPLIT

    assert street.chain.fetch_actions("AAPL").equals(SPLIT)
    assert street.backup.calls == []


def test_actions_come_from_the_backup_when_the_primary_fails(street: Street) -> None:
    street.backup.actions = SPLIT
    street.primary.fail(QuotaError("spent.", renews_at=LATER))

    assert street.chain.fetch_actions("AAPL").equals(SPLIT)


@pytest.mark.parametrize("apart", [True, False])
def test_actions_are_apart_when_those_of_the_first_are(street: Street, *, apart: bool) -> None:
    street.primary.actions_apart = apart

    assert street.chain.actions_apart is apart


def test_a_chain_that_starts_with_files_has_no_actions_apart(street: Street) -> None:
    files = FakeProvider({}, name="files")

    assert not ProviderChain([files, street.backup], street.health).actions_apart


def test_actions_that_nobody_can_tell_are_refused_with_the_way_out(street: Street) -> None:
    chain = ProviderChain([FakeProvider({}, name="files")], street.health)

    with pytest.raises(PermanentError, match="No provider among files can tell splits and div"):
        chain.fetch_actions("AAPL")


def test_a_quote_comes_from_the_first_that_tells_it(street: Street) -> None:
    street.primary.quotes = {"AAPL": quote("alpha_vantage")}
    street.backup.quotes = {"AAPL": quote("yahoo")}

    assert street.chain.fetch_quote("AAPL", keep=10).source == "alpha_vantage"
    street.primary.fail()
    assert street.chain.fetch_quote("AAPL", keep=10).source == "yahoo"


def test_a_quote_that_nobody_can_tell_is_refused_with_the_settings_that_help(
    street: Street,
) -> None:
    chain = ProviderChain([FakeProvider({}, name="files")], street.health)

    with pytest.raises(PermanentError, match="name alpha_vantage or yahoo in STOCKCAST_PROVIDER"):
        chain.fetch_quote("AAPL")
