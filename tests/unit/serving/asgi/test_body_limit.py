"""The limit on the size of a body."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from serving.asgi.body_limit import MAX_BODY_BYTES, BodyLimit
from serving.http.problems import Problem


async def echo_size(_: Scope, receive: Receive, send: Send) -> None:
    message = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(len(message["body"])).encode()})


def post(content: bytes | AsyncIterator[bytes]) -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(BodyLimit(echo_size))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.post("/", content=content)

    return asyncio.run(send())


def test_a_body_passes_through_up_to_the_limit() -> None:
    assert post(b"x" * MAX_BODY_BYTES).text == str(MAX_BODY_BYTES)


def test_a_larger_body_is_refused_even_without_content_length() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 65536

    for content in (b"x" * (MAX_BODY_BYTES + 1), chunks()):
        with pytest.raises(Problem) as caught:
            post(content)
        assert caught.value.status == 413
        assert caught.value.extra == {"limit_bytes": MAX_BODY_BYTES}


def test_a_disconnected_client_gets_no_response() -> None:
    async def inner(*_: object) -> None:
        pytest.fail("the client has disconnected")

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    scope = {"type": "http", "method": "POST", "path": "/predict"}
    asyncio.run(BodyLimit(inner)(scope, receive, receive))  # type: ignore[arg-type]
