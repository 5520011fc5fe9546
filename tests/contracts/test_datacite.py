"""The DataCite registry on bad days, and with accounts that are not let in."""

from __future__ import annotations

import pickle
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from infra.local.datacite import ACCOUNT, Control, registry_url
from pipeline.errors import AskedToWait, Misconfigured, Unavailable
from pipeline.model import DoiState, JsonObject
from pipeline.pid.datacite import DataCiteAccount, DataCiteRegistry, parse_account
from pipeline.ports import DoiFault, DoiOutcome, DoiRequest
from pipeline.running.loopback import free_port
from tests.mail_server import make_certificate

METADATA: JsonObject = {
    "doi": "10.5072/archive.1",
    "creators": [{"name": "Marlow, Ida"}],
    "titles": [{"title": "Tides"}],
    "publisher": {"name": "Archive"},
    "publicationYear": 2026,
    "types": {"resourceTypeGeneral": "Dataset", "resourceType": "Dataset"},
}
WANTED = DoiRequest("10.5072/archive.1", DoiState.FINDABLE, "https://archive.example.org/records/1", METADATA)


NOBODY = DataCiteAccount("", "A.B", "secret", "10.5072")


@contextmanager
def serving(request: type[BaseHTTPRequestHandler], context: ssl.SSLContext | None = None) -> Iterator[str]:
    """A server that answers so; its URL."""
    with HTTPServer(("127.0.0.1", 0), request) as server:
        if context is not None:
            server.socket = context.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http{'' if context is None else 's'}://localhost:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def account(datacite_url: str) -> DataCiteAccount:
    return parse_account(registry_url(datacite_url), ACCOUNT.password, ACCOUNT.prefixes[0])


@pytest.fixture
def registry(account: DataCiteAccount) -> Iterator[DataCiteRegistry]:
    with closing(DataCiteRegistry(account)) as opened:
        yield opened


def put(registry: DataCiteRegistry, request: DoiRequest = WANTED) -> DoiOutcome:
    [outcome] = registry.put_many([request])
    return outcome


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ("429", DoiFault.BUSY),
        ("429-retry-after", DoiFault.BUSY),
        ("500", DoiFault.AWAY),
        ("502", DoiFault.AWAY),
        ("503", DoiFault.AWAY),
        ("504", DoiFault.AWAY),
        ("reset-before", DoiFault.AWAY),
        ("reset-after", DoiFault.AWAY),
        ("truncated", DoiFault.AWAY),
        ("endless", DoiFault.AWAY),
        ("redirect", DoiFault.LOCKED_OUT),
        ("latency", None),
        ("late-handle", None),
    ],
)
def test_every_fault_is_told_as_what_it_is(
    registry: DataCiteRegistry, datacite_control: Control, fault: str, outcome: DoiFault | None
) -> None:
    """In words, and without a page of HTML; the next try succeeds, and the DOI became findable once."""
    datacite_control.befall(next=[fault], retry_after=7)
    found = put(registry)
    assert found.fault is outcome
    assert bool(found.reason and found.remedy) is (outcome is not None)
    assert "<" not in found.reason
    assert found.wait == (timedelta(seconds=7) if fault == "429-retry-after" else None)
    assert put(registry).seen is DoiState.FINDABLE
    assert datacite_control.counts()["published"] == {WANTED.doi: 1}


@pytest.mark.parametrize("text", ["Wed, 21 Oct 2099 07:28:00 GMT", "100000000"])
def test_nobody_is_left_alone_for_ever(
    registry: DataCiteRegistry, datacite_control: Control, text: str
) -> None:
    """A day is the longest that a registry has us wait, as seconds or as a date."""
    datacite_control.befall(next=["429-retry-after"], retry_after=text)
    assert put(registry).wait == timedelta(days=1)


def test_what_is_described_at_length_is_answered_at_length(registry: DataCiteRegistry) -> None:
    """An answer has all that was sent."""
    long = [{"description": "x" * (5 << 20), "descriptionType": "Abstract"}]
    assert put(registry, replace(WANTED, metadata={**METADATA, "descriptions": long})).seen


def test_an_answer_of_any_depth_is_none() -> None:
    """Nobody's stack ends at it."""

    class Request(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"[" * 100_000)

    with (
        serving(Request) as url,
        closing(DataCiteRegistry(replace(NOBODY, url=url))) as registry,
        pytest.raises(Unavailable, match="what is no answer"),
    ):
        registry.get(WANTED.doi)


def test_a_look_tells_for_how_long_the_registry_wants_to_be_left_alone(
    registry: DataCiteRegistry, datacite_control: Control
) -> None:
    datacite_control.befall(next=["429-retry-after", "429"], retry_after=7)
    with pytest.raises(AskedToWait) as away:
        registry.get(WANTED.doi)
    assert pickle.loads(pickle.dumps(away.value)).wait == timedelta(seconds=7)
    with pytest.raises(Unavailable):
        registry.get(WANTED.doi)


def test_one_failure_among_many_stops_nobody(registry: DataCiteRegistry, datacite_control: Control) -> None:
    datacite_control.befall(rate=0.3, kinds=["503", "reset-before", "reset-after"])
    many = [replace(WANTED, doi=f"10.5072/archive.{at}") for at in range(60)]
    outcomes = registry.put_many(many)
    assert [one.doi for one in outcomes] == [one.doi for one in many]
    assert 20 < sum(one.seen is not None for one in outcomes) < 60


def test_what_is_no_longer_said_is_gone(registry: DataCiteRegistry) -> None:
    """An update changes only what it sends: what is empty now is sent as well."""
    put(registry, replace(WANTED, metadata={**METADATA, "subjects": [{"subject": "sea"}], "language": "de"}))
    put(registry)
    seen = registry.get(WANTED.doi)
    assert seen is not None
    assert (seen.metadata["subjects"], seen.metadata["language"]) == ([], None)


def test_what_is_refused_says_which_field(registry: DataCiteRegistry) -> None:
    outcome = put(registry, replace(WANTED, metadata={**METADATA, "publicationYear": "MMXXVI"}))
    assert outcome.fault is DoiFault.REFUSED
    assert "publicationYear" in outcome.reason
    assert "headrace dois retry" in outcome.remedy


def test_others_dois_are_refused(registry: DataCiteRegistry) -> None:
    """Which says nothing of our own."""
    refused, taken = registry.put_many([replace(WANTED, doi="10.9999/a"), WANTED])
    assert (refused.fault, "prefix" in refused.remedy) == (DoiFault.REFUSED, True)
    assert taken.seen is DoiState.FINDABLE


def test_an_account_that_may_write_nothing_is_no_dois_fault(account: DataCiteAccount) -> None:
    """DataCite answers as for others' DOIs: all of them, or the only one."""
    idle = replace(account, repository="IDLE.REPO", password="of nobody")
    many = [replace(WANTED, doi=f"10.5072/archive.{at}") for at in range(8)]
    with closing(DataCiteRegistry(idle)) as registry:
        outcomes = [*registry.put_many(many), *registry.put_many(many[:1])]
    assert {one.fault for one in outcomes} == {DoiFault.LOCKED_OUT}
    assert all("active" in one.remedy for one in outcomes)


@pytest.mark.parametrize("status", [400, 403, 404, 422])
def test_what_stands_before_datacite_refuses_nothing(status: int) -> None:
    """A page is no answer of DataCite's, whatever its status; nor does it tell that there is no such DOI."""

    class Page(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def do_GET(self) -> None:
            body = b"<html>Access denied</html>"
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        account = DataCiteAccount(f"http://127.0.0.1:{server.server_port}", "A.B", "secret", "10.5072")
        with closing(DataCiteRegistry(account)) as registry:
            outcome = put(registry)
            with pytest.raises(Unavailable):
                registry.describe()
        server.shutdown()
        thread.join()
    assert (outcome.fault, "<" in outcome.reason) == (DoiFault.AWAY, False)


def test_who_is_hidden_alone_stays_as_described(registry: DataCiteRegistry) -> None:
    """Whatever is wrong with what it would be described by now; what is not there is no more than a draft."""
    bare = replace(WANTED, state=DoiState.REGISTERED, metadata={}, url="", is_bare=True)
    put(registry)
    assert put(registry, bare).seen is DoiState.REGISTERED
    seen = registry.get(WANTED.doi)
    assert seen is not None
    assert (seen.url, seen.metadata["titles"]) == (WANTED.url, METADATA["titles"])
    assert put(registry, replace(bare, doi="10.5072/archive.2")).seen is DoiState.REGISTERED
    unknown = registry.get("10.5072/archive.2")
    assert unknown is not None
    assert unknown.state is DoiState.DRAFT


def test_who_is_not_let_in_is_told_so(account: DataCiteAccount, datacite_control: Control) -> None:
    """It is the operator's to mend, and no DOI's fault; the password is told nobody."""
    with closing(DataCiteRegistry(replace(account, password="wrong password"))) as registry:
        outcome = put(registry)
        with pytest.raises(Misconfigured, match=account.repository):
            registry.describe()
    assert outcome.fault is DoiFault.LOCKED_OUT
    assert "HEADRACE_DOIS_PASSWORD" in outcome.remedy
    assert "wrong password" not in f"{outcome} {registry.__dict__} {account!r}"
    assert datacite_control.dois() == {}


def test_a_registry_says_where_and_as_whom(registry: DataCiteRegistry) -> None:
    assert ACCOUNT.id in registry.describe()
    assert ACCOUNT.password not in registry.describe()


def test_a_registry_that_is_not_there_is_away() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with closing(DataCiteRegistry(replace(NOBODY, url=url))) as registry:
        assert put(registry).fault is DoiFault.AWAY
        with pytest.raises(Unavailable, match="does not answer"):
            registry.get(WANTED.doi)


def test_a_server_that_does_not_prove_its_name_is_told_nothing(tmp_path: Path) -> None:
    """Its certificate is of nobody that is trusted: no request reaches it."""
    asked: list[str] = []

    class Request(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            asked.append(self.path)

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(make_certificate(tmp_path))
    with (
        serving(Request, context) as url,
        closing(DataCiteRegistry(replace(NOBODY, url=url))) as registry,
    ):
        outcome = put(registry)
    assert (outcome.fault, "certificate" in outcome.reason) == (DoiFault.AWAY, True)
    assert asked == []


@pytest.mark.parametrize(
    ("url", "field"),
    [
        ("datacite://api.datacite.org/10.5072", "HEADRACE_DOIS"),
        ("datacite://A.B@api.datacite.org", "HEADRACE_DOIS"),
        ("datacite://A.B:pw@api.datacite.org/10.5072", "HEADRACE_DOIS"),
        ("datacite://A.B@api.datacite.org:x/10.5072", "HEADRACE_DOIS"),
        ("datacite://A.B@api.datacite.org/10.5072?x", "HEADRACE_DOIS"),
        ("datacite://A.B@api.datacite.org/10.9999", "HEADRACE_DOI_PREFIX"),
    ],
)
def test_an_account_that_cannot_be_meant_names_its_setting(url: str, field: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        parse_account(url, "secret", "10.5072")
    assert refused.value.field == field
    assert refused.value.remedy
    assert "pw" not in refused.value.message


def test_nothing_is_asked_without_a_password(account: DataCiteAccount, datacite_control: Control) -> None:
    """Whoever only opens the registry, a gateway say, needs none."""
    with closing(DataCiteRegistry(replace(account, password=""))) as registry:
        outcome = put(registry)
        with pytest.raises(Misconfigured) as refused:
            registry.describe()
    assert outcome.fault is DoiFault.LOCKED_OUT
    assert refused.value.field == "HEADRACE_DOIS_PASSWORD"
    assert datacite_control.counts()["requests"] == 0


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("api.datacite.org", "https://api.datacite.org"),
        ("api.test.datacite.org:8443", "https://api.test.datacite.org:8443"),
        ("127.0.0.1:8099", "http://127.0.0.1:8099"),
        ("[::1]:8099", "http://[::1]:8099"),
    ],
)
def test_only_this_machine_is_spoken_to_without_tls(host: str, url: str) -> None:
    assert parse_account(f"datacite://A.B@{host}/10.5072", "secret", "10.5072").url == url
