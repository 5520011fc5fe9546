"""Whether Prefect's API answers: asked before every call that is not worth waiting for, since Prefect's own client
tries for more than a minute."""

from __future__ import annotations

from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

_TIMEOUT = 2.0


def answers() -> bool:
    """Whether Prefect can be told something now."""
    return failure() is None


def failure() -> Exception | None:
    """Why Prefect does not answer, None where it does. Asked as Prefect itself asks: with its settings of certificates,
    headers and keys."""
    if not PREFECT_API_URL.value():
        return ValueError("PREFECT_API_URL names no server")
    try:
        with (
            temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}),
            get_client(sync_client=True, httpx_settings={"timeout": _TIMEOUT}) as client,
        ):
            return client.api_healthcheck()
    except Exception as error:  # certificates that cannot be read, an address that is none
        return error
