"""HTTP requests to Alpha Vantage with a total timeout and errors without addresses."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

import requests
from pydantic import SecretStr
from requests.utils import get_environ_proxies
from urllib3.exceptions import HTTPError

from core.errors import ProviderDownError
from market.providers.alpha_vantage.keyed_session import KEY_SLOT, keyed_session, mask_key

_CHUNK = 1 << 16
# The quota ledger relies on a request that arrives or fails soon after its call was granted.
_CONNECT_SECONDS = 10.0


class Transport:
    """HTTP transport for one address and one key; any number of threads can use it.

    Parameters
    ----------
    address
        Address without query parameters.
    key
        Sent as the parameter ``apikey``.
    timeout
        Timeout of one whole response in seconds.
    """

    def __init__(self, address: str, key: SecretStr, timeout: float) -> None:
        self._address = address
        self._key = key
        self._timeout = timeout
        self._session = keyed_session("apikey", key)

    def check_connection(self) -> None:
        """Open and close a connection, so that a failing network uses no call of the day.

        Raises
        ------
        ProviderDownError
            If the connection fails.
        """
        if get_environ_proxies(self._address):
            return
        address = urlsplit(self._address)
        port = address.port or (443 if address.scheme == "https" else 80)
        seconds = min(self._timeout, _CONNECT_SECONDS)
        try:
            socket.create_connection((address.hostname or "", port), seconds).close()
        except OSError as error:
            raise self._unreachable(error) from None

    def get(self, parameters: Mapping[str, str]) -> tuple[int, str]:
        """Send a request and return the status and the body, with the key masked.

        Raises
        ------
        ProviderDownError
            If there is no response within the timeout, or the body is incomplete.
        """
        try:
            status, content = self._send(parameters)
        except (requests.Timeout, TimeoutError):
            failure = ProviderDownError(
                f"Alpha Vantage sent no complete response within {self._timeout:g} s; "
                f"STOCKCAST_PROVIDER_TIMEOUT sets this limit."
            )
        except (requests.RequestException, HTTPError, OSError) as error:
            failure = self._unreachable(error)
        else:
            return status, mask_key(content.decode("utf-8", errors="replace"), self._key)
        # Raised outside of `except`: a chained traceback would hold the request line with the key.
        raise failure

    def _send(self, parameters: Mapping[str, str]) -> tuple[int, bytes]:
        """Send a request; the timeout applies to the whole response, not to each chunk."""
        until = time.monotonic() + self._timeout
        chunks = []
        with self._session.get(
            self._address,
            params={**parameters, "apikey": KEY_SLOT},
            timeout=(min(self._timeout, _CONNECT_SECONDS), self._timeout),
            stream=True,
            allow_redirects=False,
        ) as response:
            while chunk := response.raw.read1(_CHUNK, decode_content=True):
                chunks.append(chunk)
                if time.monotonic() > until:
                    raise requests.ReadTimeout
            return response.status_code, b"".join(chunks)

    def _unreachable(self, error: Exception) -> ProviderDownError:
        host = urlsplit(self._address).hostname
        return ProviderDownError(
            f"Alpha Vantage cannot be reached at {host}, or closed the connection "
            f"({type(error).__name__})."
        )
