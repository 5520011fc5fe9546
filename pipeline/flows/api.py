"""Whether Prefect's API answers: asked before every call that is not worth waiting for, since Prefect's own client
tries for more than a minute."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import copy_context
from functools import partial

from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

_TIMEOUT = 2.0


def answers() -> bool:
    """Whether Prefect can be told something now."""
    return failure() is None


def failure() -> Exception | None:
    """Why Prefect does not answer, None where it does. Asked as Prefect itself asks: with its settings of certificates,
    headers and keys."""
    with asking() as ask:
        return ask()


@contextmanager
def asking() -> Iterator[Callable[[], Exception | None]]:
    """`failure`, for one thread that asks again and again: to make settings and client anew takes a tenth of a second
    of a core each time."""
    with ExitStack() as stack:
        question: Callable[[], Exception | None] | None = None

        def ask() -> Exception | None:
            nonlocal question
            try:
                question = question or _question(stack)
                return question()
            except Exception as error:  # certificates that cannot be read, an address that is none
                return error

        yield ask


def _question(stack: ExitStack) -> Callable[[], Exception | None]:
    if not PREFECT_API_URL.value():
        raise ValueError("PREFECT_API_URL names no server")
    with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):
        client = get_client(sync_client=True, httpx_settings={"timeout": _TIMEOUT})
        stack.enter_context(client)
        # The number of tries is looked up at each request.
        return partial(copy_context().run, client.api_healthcheck)
