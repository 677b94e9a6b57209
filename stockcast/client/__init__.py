"""Client of the HTTP API: synchronous and asynchronous, typed, with retries and a cache of tags.

It needs `httpx` and `pydantic` only, and imports no other package of Stockcast. Methods and models
are generated from the OpenAPI document by `make api-docs`.
"""

from stockcast.client.errors import ApiError, ClientError, ConnectionFailedError
from stockcast.client.http_clients import AsyncClient, Client
from stockcast.client.retries import RetryPolicy

__all__ = [
    "ApiError",
    "AsyncClient",
    "Client",
    "ClientError",
    "ConnectionFailedError",
    "RetryPolicy",
]
