"""Whether Prefect's API answers: asked before every call that is not worth waiting for, since Prefect's own client
tries for more than a minute."""

from __future__ import annotations

import httpx
from prefect.settings import get_current_settings

_TIMEOUT = 2.0


def answers() -> bool:
    url = get_current_settings().api.url
    try:
        return url is not None and httpx.get(f"{url}/health", timeout=_TIMEOUT).status_code == 200
    except httpx.HTTPError:
        return False
