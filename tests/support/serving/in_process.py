"""Requests to all layers of the service in this process, without BentoML."""

from __future__ import annotations

import asyncio

import httpx
from starlette.applications import Starlette
from support.serving.service_setup import ServiceSetup

from serving.app import build_app
from serving.asgi.fast_path import FastPath
from serving.protection.keys import KeyStore


def request(service: ServiceSetup, method: str, path: str, **options: object) -> httpx.Response:
    """Send one request, and return its response."""
    rest = build_app()
    rest.state.service = service.state
    app = FastPath(Starlette(), rest)

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path, **options)  # type: ignore[arg-type]

    return asyncio.run(send())


def key_headers(service: ServiceSetup, scope: str) -> dict[str, str]:
    """Create a key with a scope, and return the headers of its requests."""
    key = KeyStore(service.folder).create(scope, scope, service.clock.now())
    service.state.protection.keys.refresh()
    return {"X-API-Key": key}
