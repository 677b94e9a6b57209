"""Follow the price providers: report their circuit breakers, budgets and outages."""

from __future__ import annotations

from collections.abc import Sequence

from core.errors import StockcastError
from market.providers.status import ProviderState, ProviderStatus, all_down_since, in_utc
from serving.forecasts.responses import plural
from serving.live.live_state import PROVIDERS, LiveState


class ProviderFollower:
    """Keeps `LiveState.providers` up to date. An outage does not stop the forecasts."""

    def __init__(self, live: LiveState, status: ProviderStatus) -> None:
        self._live = live
        self._status = status

    def refresh(self) -> None:
        """Read the records of all processes. Before the first record there is no file to read."""
        live = self._live
        try:
            states = self._status.read() if self._status.has_records else []
        except StockcastError as error:
            live.report_issue(PROVIDERS, str(error))
            return
        live.providers = states
        live.metrics.set_providers(states)
        age = live.forecasts.table.age_sessions if live.forecasts else None
        if outage := describe_outage(states, age):
            live.report_issue(PROVIDERS, outage)
        else:
            live.clear_issue(PROVIDERS)


def describe_outage(states: Sequence[ProviderState], age_sessions: int | None) -> str | None:
    """Return the outage of all providers with the age of the bars, or None if one is up."""
    since = all_down_since(states)
    if since is None:
        return None
    names = ", ".join(state.name for state in states)
    outage = f"All price providers are down since {in_utc(since)} ({names})."
    if age_sessions is None:
        return outage
    return f"{outage} The forecasts use bars that are {plural(age_sessions, 'session')} old."
