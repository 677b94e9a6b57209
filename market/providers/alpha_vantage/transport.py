"""One HTTP request to Alpha Vantage: a time-out for the whole of it, and errors without addresses.

What a status or a body means is `alpha_vantage_client`.
"""

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
# The ledger counts on a request to arrive or fail soon after it was granted.
_CONNECT_SECONDS = 10.0


class Transport:
    """Requests to one address with one key, from any number of threads.

    Parameters
    ----------
    address
        Address without parameters.
    key
        What is sent as ``apikey``.
    timeout
        Seconds for one whole answer.
    """

    def __init__(self, address: str, key: SecretStr, timeout: float) -> None:
        self._address = address
        self._key = key
        self._timeout = timeout
        self._session = keyed_session("apikey", key)

    def check_connection(self) -> None:
        """Open a connection and close it: without a network, no call of the day is spent.

        Raises
        ------
        ProviderDownError
            When nobody listens.
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
        """Return status and body, in which the key is mask_key if it is repeated there.

        Raises
        ------
        ProviderDownError
            When nobody answers, too late, or with half a body.
        """
        try:
            status, content = self._send(parameters)
        except (requests.Timeout, TimeoutError):
            failure = ProviderDownError(
                f"Alpha Vantage did not answer within {self._timeout:g} s; "
                f"STOCKCAST_PROVIDER_TIMEOUT is how long it may take."
            )
        except (requests.RequestException, HTTPError, OSError) as error:
            failure = self._unreachable(error)
        else:
            return status, mask_key(content.decode("utf-8", errors="replace"), self._key)
        # Outside of `except`, so that no frame of http.client with the request line hangs on it.
        raise failure

    def _send(self, parameters: Mapping[str, str]) -> tuple[int, bytes]:
        """Send a request; the time-out holds for the whole answer, not for each piece of it."""
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
            f"Alpha Vantage cannot be reached at {host}, or hung up ({type(error).__name__})."
        )
