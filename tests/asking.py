"""Asking an application over HTTP without a socket, one request at a time."""

import asyncio
from collections.abc import AsyncIterable

import httpx
from fastapi import FastAPI

# Answers must not depend on the name that a client calls the server by.
OTHER_NAME = "http://elsewhere.invalid"


class Client:
    """A client of `app`. `token` is sent with each request."""

    def __init__(self, app: FastAPI, token: str = "") -> None:
        self._app = app
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.ask("GET", path, **headers)

    def ask(
        self, method: str, path: str, *, content: bytes | AsyncIterable[bytes] = b"", **headers: str
    ) -> httpx.Response:
        """`headers` are named with `_` for `-`. Of content that is no `bytes` the length is not told."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return asyncio.run(self._send(method, path, content, {**self._headers, **named}))

    async def _send(
        self, method: str, path: str, content: bytes | AsyncIterable[bytes], headers: dict[str, str]
    ) -> httpx.Response:
        transport = httpx.ASGITransport(self._app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=OTHER_NAME) as client:
            return await client.request(method, path, content=content, headers=headers)
