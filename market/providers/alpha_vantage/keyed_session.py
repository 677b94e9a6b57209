"""HTTP session that inserts the key into the address just before it is sent.

`requests` and `urllib3` repeat addresses in logs and errors. They only see `KEY_SLOT`.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import requests
from pydantic import SecretStr
from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.poolmanager import PoolManager

# Placeholder for the key in an address.
KEY_SLOT = "hidden"

# A shorter key, such as "demo", is not secret and may be a word of a response.
_SHORTEST_SECRET = 8


def mask_key(text: str, key: SecretStr) -> str:
    """Return a text of the provider with every occurrence of the key replaced."""
    secret = key.get_secret_value()
    return text if len(secret) < _SHORTEST_SECRET else text.replace(secret, "***")


def keyed_session(parameter: str, key: SecretStr) -> requests.Session:
    """Return a session that replaces ``parameter=hidden`` in an address by ``parameter=key``."""
    session = requests.Session()
    adapter = _KeyedAdapter(parameter, key)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


class _KeyedAdapter(HTTPAdapter):
    def __init__(self, parameter: str, key: SecretStr) -> None:
        self._parameter = parameter
        self._key = key
        super().__init__()

    # The signature is that of `requests`.
    def init_poolmanager(
        self,
        connections: int,
        maxsize: int,
        block: bool = False,  # noqa: FBT001, FBT002
        **pool_kwargs: object,
    ) -> None:
        super().init_poolmanager(connections, maxsize, block, **pool_kwargs)
        self._insert_key(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: object) -> PoolManager:
        is_new = proxy not in self.proxy_manager
        manager: PoolManager = super().proxy_manager_for(proxy, **proxy_kwargs)
        if is_new:
            self._insert_key(manager)
        return manager

    def _insert_key(self, manager: PoolManager) -> None:
        manager.pool_classes_by_scheme = {
            scheme: _keyed_pool(pool, self._parameter, self._key)
            for scheme, pool in manager.pool_classes_by_scheme.items()
        }


def _keyed_pool(
    pool: type[HTTPConnectionPool], parameter: str, key: SecretStr
) -> type[HTTPConnectionPool]:
    # Plain, TLS and proxied connections have different connection classes.
    connection: Any = pool.ConnectionCls

    class KeyedConnection(connection):  # type: ignore[misc]
        def putrequest(self, method: str, url: str, *args: bool, **kwargs: bool) -> None:
            slot = f"{parameter}={KEY_SLOT}"
            # Quoted, because the errors of http.client repeat an address with invalid characters.
            full = url.replace(slot, f"{parameter}={quote(key.get_secret_value(), safe='')}")
            super().putrequest(method, full, *args, **kwargs)

    return type(f"Keyed{pool.__name__}", (pool,), {"ConnectionCls": KeyedConnection})
