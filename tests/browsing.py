"""A browser without scripts: it keeps cookies, and sends the forms that pages have."""

from __future__ import annotations

from http.cookies import SimpleCookie
from urllib.parse import urlencode, urlsplit

import httpx
import lxml.html
from fastapi import FastAPI

from gateway.http import sessions
from pipeline.catalogue import accounts
from pipeline.people import signing_in
from tests.archive import Archive
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

    def submit(
        self, path: str, action: str = "", *, action_of: str = "", **values: str | list[str]
    ) -> httpx.Response:
        """Fill in a form of the page at `path`, the one that is sent to `action`, and send it: to there, also where
        the form has a button for that and is another's, `action_of`."""
        page = lxml.html.fromstring(self.get(path).text)
        target = action or urlsplit(path).path
        wanted = action_of or target
        [form] = [
            one
            for one in page.forms
            if one.method == "POST" and (one.get("action") or urlsplit(path).path) == wanted
        ]
        assert wanted == target or form.xpath(".//button[@formaction=$target]", target=target)
        names = {one.get("name") for one in form.inputs}
        assert set(values) <= names, f"the form has {sorted(filter(None, names))}"
        fields: dict[str, str | list[str]] = {}
        for name, value in form.form_values():
            before = fields.setdefault(name, [])
            assert isinstance(before, list)
            before.append(value)
        return self.post(target, {**fields, **values})

    def upload(self, path: str, action: str, *files: tuple[str, bytes]) -> httpx.Response:
        """Send files, each (name, content), by the form of the page at `path` that is sent to `action`."""
        page = lxml.html.fromstring(self.get(path).text)
        [form] = [one for one in page.forms if one.get("action") == action]
        assert form.get("enctype") == "multipart/form-data"
        fields = {name: value for name, value in form.form_values() if name != "file"}
        [chosen] = form.xpath(".//input[@type='file']")
        assert len(files) == 1 or "multiple" in chosen.attrib
        sent = httpx.Request("POST", "http://x", data=fields, files=[("file", one) for one in files])
        return self.ask("POST", action, content=sent.read(), content_type=sent.headers["content-type"])

    def goes_on_to(self, answer: httpx.Response) -> str:
        """The path that an answer redirects to, on whichever host."""
        assert answer.status_code in (302, 303), answer.text
        parts = urlsplit(answer.headers["location"])
        return parts.path + (f"?{parts.query}" if parts.query else "")


def visitor(archive: Archive, app: FastAPI, email: str) -> Browser:
    """The browser of somebody who is signed in, whose account is made if there is none."""
    with archive.services.catalogue.write() as tx:
        account = accounts.find_account(tx, email) or accounts.create_account(
            tx, email, admin=False, now=archive.clock()
        )
        secret = signing_in.begin_session(archive.services, tx, account, proved=archive.clock())
    browser = Browser(app)
    browser.cookies = {
        sessions.cookie_name(archive.services): secret,
        sessions.CSRF_COOKIE: sessions.csrf_token(secret),
    }
    return browser


def texts(page: str, xpath: str) -> list[str]:
    """What people read in elements of a page."""
    return [" ".join(one.text_content().split()) for one in lxml.html.fromstring(page).xpath(xpath)]
