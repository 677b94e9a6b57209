"""Messages for one client that follows the changes.

A message is rendered when the client is ready for it, so a slow client receives the newest
forecasts and no older ones.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

import orjson

from core.errors import StockcastError
from forecasting.horizons import LABELS
from serving.http.problems import Problem, problem_of
from serving.live.live_state import LiveState

HEARTBEAT_SECONDS = 15.0
# The messages of one client take about half of this time.
_SPREAD_SECONDS = 0.001


@dataclass(frozen=True)
class StreamMessage:
    """One message of a stream. A client can resume after a message with an id."""

    event: str
    data: bytes
    id: str | None = None

    def as_json(self) -> str:
        """Return the message with event, id and data as one JSON object."""
        event_id = orjson.dumps(self.id)
        message = b'{"event":"%b","id":%b,"data":%b}' % (self.event.encode(), event_id, self.data)
        return message.decode()


async def follow(
    live: LiveState, tickers: Sequence[str], number: int
) -> AsyncGenerator[StreamMessage]:
    """Yield a message for each change after `number`, and heartbeats.

    Parameters
    ----------
    tickers
        Tickers with a message for each new forecast and quote. If empty, the stream has every quote
        and no `forecast` messages.
    """
    feed = live.changes
    with feed.reader():
        while True:
            for change in feed.after(number):
                if change.kind == "forecasts":
                    for ticker in tickers:
                        yield StreamMessage("forecast", _render_forecasts(live, ticker))
                number = change.number
                if change.ticker is None or not tickers or change.ticker in tickers:
                    event_id = feed.event_id(number)
                    yield StreamMessage(change.kind, orjson.dumps(change.data), event_id)
            try:
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    await feed.wait_after(number)
            except TimeoutError:
                yield StreamMessage("heartbeat", b"{}")
            else:
                # All clients wake at once, and other requests are served between them.
                await asyncio.sleep(random.random() * feed.readers * _SPREAD_SECONDS)  # noqa: S311


def _render_forecasts(live: LiveState, ticker: str) -> bytes:
    """Return the newest forecasts of a ticker, or the problem that a request for them has."""
    try:
        forecasts = live.require()
        by_horizon = b",".join(
            b'"%b":%b' % (label.encode(), forecasts.response(ticker, horizon).content)
            for label, horizon in LABELS.items()
        )
    except (Problem, StockcastError) as error:
        return b'{"ticker":"%b","problem":%b}' % (ticker.encode(), problem_of(error).body())
    return b'{"ticker":"%b","forecasts":{%b}}' % (ticker.encode(), by_horizon)
