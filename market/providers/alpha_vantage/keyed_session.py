"""A session whose key joins the address on its way into the socket, and is nowhere else.

Requests, urllib3 and their errors log and repeat addresses: they only ever see `KEY_SLOT`.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import requests
from pydantic import SecretStr
from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.poolmanager import PoolManager

# What stands for the key in the parameter of an address.
KEY_SLOT = "hidden"


# Shorter ones, such as "demo", are no secret and may be a word of an answer.
_SHORTEST_SECRET = 8


def mask_key(text: str, key: SecretStr) -> str:
    """Return a text from the other side without the key."""
    secret = key.get_secret_value()
    return text if len(secret) < _SHORTEST_SECRET else text.replace(secret, "***")


def keyed_session(parameter: str, key: SecretStr) -> requests.Session:
    """Return a session that sends ``parameter=key`` where an address has ``parameter=hidden``."""
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

    # The parameters are those of requests.
    def init_poolmanager(
        self,
        connections: int,
        maxsize: int,
        block: bool = False,  # noqa: FBT001, FBT002
        **pool_kwargs: object,
    ) -> None:
        super().init_poolmanager(connections, maxsize, block, **pool_kwargs)
        self._give_key(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: object) -> PoolManager:
        is_new = proxy not in self.proxy_manager
        manager: PoolManager = super().proxy_manager_for(proxy, **proxy_kwargs)
        if is_new:
            self._give_key(manager)
        return manager

    def _give_key(self, manager: PoolManager) -> None:
        manager.pool_classes_by_scheme = {
            scheme: _keyed_pool(pool, self._parameter, self._key)
            for scheme, pool in manager.pool_classes_by_scheme.items()
        }


def _keyed_pool(
    pool: type[HTTPConnectionPool], parameter: str, key: SecretStr
) -> type[HTTPConnectionPool]:
    # Plain, TLS or through a proxy: each scheme and manager has its own.
    connection: Any = pool.ConnectionCls

    class KeyedConnection(connection):  # type: ignore[misc]
        def putrequest(self, method: str, url: str, *args: bool, **kwargs: bool) -> None:
            slot = f"{parameter}={KEY_SLOT}"
            # Quoted, because http.client repeats an address with forbidden letters in its error.
            full = url.replace(slot, f"{parameter}={quote(key.get_secret_value(), safe='')}")
            super().putrequest(method, full, *args, **kwargs)

    return type(f"Keyed{pool.__name__}", (pool,), {"ConnectionCls": KeyedConnection})
