"""The feed of changes: order, bounds, wake-ups from threads, and event ids across restarts."""

from __future__ import annotations

import asyncio
import threading

import pytest

from serving.live.change_feed import ChangeFeed


def test_only_the_newest_change_of_a_topic_is_kept_in_the_order_of_the_changes() -> None:
    feed = ChangeFeed()
    feed.publish("quote", {"price": 1}, "AAPL")
    feed.publish("quote", {"price": 2}, "MSFT")
    feed.publish("quote", {"price": 3}, "AAPL")
    changes = feed.after(0)
    assert [(c.ticker, c.data["price"], c.number) for c in changes] == [
        ("MSFT", 2, 2),
        ("AAPL", 3, 3),
    ]
    assert feed.after(2) == changes[1:]
    assert feed.after(3) == []


def test_the_memory_of_the_feed_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.live.change_feed._MAX_TOPICS", 3)
    feed = ChangeFeed()
    for number in range(10):
        feed.publish("quote", {}, f"T{number}")
    assert [change.ticker for change in feed.after(0)] == ["T7", "T8", "T9"]


def test_a_change_in_a_thread_wakes_every_reader() -> None:
    feed = ChangeFeed()

    async def read() -> None:
        readers = [asyncio.create_task(feed.wait_after(0)) for _ in range(3)]
        await asyncio.sleep(0)
        assert not any(reader.done() for reader in readers)
        thread = threading.Thread(target=feed.publish, args=("version", {}))
        thread.start()
        await asyncio.wait_for(asyncio.gather(*readers), 10)
        thread.join()

    asyncio.run(read())


def test_no_change_of_a_busy_thread_is_missed() -> None:
    feed = ChangeFeed()

    def publish() -> None:
        for _ in range(2_000):
            feed.publish("version", {})

    async def read() -> None:
        thread = threading.Thread(target=publish)
        thread.start()
        number = 0
        while number < 2_000:
            await asyncio.wait_for(feed.wait_after(number), 10)
            number = feed.after(number)[-1].number
        thread.join()

    asyncio.run(read())


def test_changes_after_the_loop_has_closed_are_kept() -> None:
    feed = ChangeFeed()
    feed.publish("version", {})
    asyncio.run(feed.wait_after(0))
    feed.publish("forecasts", {})
    assert [change.kind for change in feed.after(0)] == ["version", "forecasts"]


def test_an_event_id_resumes_in_the_same_start_only() -> None:
    feed, restarted = ChangeFeed(), ChangeFeed()
    for changed in (feed, restarted):
        changed.publish("version", {})
    assert feed.resume_after(feed.event_id(1)) == 1
    assert feed.resume_after(feed.event_id(2)) == 0
    assert restarted.resume_after(feed.event_id(1)) == 0


@pytest.mark.parametrize("event_id", [None, "", "7", "-7", "x-y-z", "\u0667", "1" * 5_000])
def test_an_invalid_event_id_starts_with_the_present_state(event_id: str | None) -> None:
    assert ChangeFeed().resume_after(event_id) == 0


@pytest.mark.parametrize("number", ["", "-1", "1.5", "\u0667\u00b2", "9" * 5_000])
def test_an_invalid_number_in_an_event_id_starts_with_the_present_state(number: str) -> None:
    feed = ChangeFeed()
    epoch = feed.event_id(0).partition("-")[0]
    assert feed.resume_after(f"{epoch}-{number}") == 0


def test_a_reader_is_counted_while_it_reads() -> None:
    feed = ChangeFeed()
    with feed.reader(), feed.reader():
        assert feed.readers == 2
    assert feed.readers == 0
