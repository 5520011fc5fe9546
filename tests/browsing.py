"""A browser without scripts: it keeps cookies, and sends the forms that pages have."""

from __future__ import annotations

from http.cookies import SimpleCookie
from urllib.parse import urlencode, urlsplit

import httpx
import lxml.html
from fastapi import FastAPI

from tests.asking import Client


class Browser:
    def __init__(self, app: FastAPI) -> None:
        self._client = Client(app)
        self.cookies: dict[str, str] = {}
        self.set_cookies: list[str] = []

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.ask("GET", path, **headers)

    def ask(self, method: str, path: str, *, content: bytes = b"", **headers: str) -> httpx.Response:
        """As `Client.ask`, with the cookies that were set, whatever they say of TLS."""
        if self.cookies:
            headers["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = self._client.ask(method, path, content=content, **headers)
        for line in answer.headers.get_list("set-cookie"):
            self.set_cookies.append(line)
            for name, one in SimpleCookie(line).items():
                if one["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = one.value
        return answer

    def post(self, path: str, fields: dict[str, str | list[str]], **headers: str) -> httpx.Response:
        """Send a form that nobody showed us."""
        content = urlencode(fields, doseq=True).encode()
        return self.ask(
            "POST", path, content=content, content_type="application/x-www-form-urlencoded", **headers
        )

    def submit(self, path: str, action: str = "", **values: str | list[str]) -> httpx.Response:
        """Fill in a form of the page at `path`, the one that is sent to `action`, and send it."""
        page = lxml.html.fromstring(self.get(path).text)
        target = action or urlsplit(path).path
        [form] = [
            one
            for one in page.forms
            if one.method == "POST" and (one.get("action") or urlsplit(path).path) == target
        ]
        names = {one.get("name") for one in form.inputs}
        assert set(values) <= names, f"the form has {sorted(filter(None, names))}"
        fields: dict[str, str | list[str]] = dict(form.form_values())
        return self.post(target, {**fields, **values})

    def goes_on_to(self, answer: httpx.Response) -> str:
        """The path that an answer redirects to, on whichever host."""
        assert answer.status_code in (302, 303), answer.text
        parts = urlsplit(answer.headers["location"])
        return parts.path + (f"?{parts.query}" if parts.query else "")
