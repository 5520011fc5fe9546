"""DataCite's double does what DataCite's REST API does, and what networks and servers do on a bad day."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.local.datacite import ACCOUNT, Control, datacite
from infra.local.service import running
from tests.doi_accounts import STRICT
from tests.reference import reference

DOI = "10.5072/archive.1"
URL = "https://archive.example.org/records/1"
METADATA: dict[str, Any] = {
    "creators": [{"name": "Marlow, Ida", "affiliation": [{"name": "Pier Institute"}]}],
    "titles": [{"title": "Tides"}],
    "publisher": {"name": "Archive"},
    "publicationYear": 2026,
    "types": {"resourceTypeGeneral": "Dataset", "resourceType": "Dataset"},
}
WHOLE = {"event": "publish", "url": URL, **METADATA}


@pytest.fixture
def web(datacite_url: str) -> Iterator[httpx.Client]:
    auth = (ACCOUNT.id, ACCOUNT.password)
    with httpx.Client(base_url=datacite_url, auth=auth, trust_env=False) as client:
        yield client


def put(web: httpx.Client, doi: str = DOI, **attributes: Any) -> httpx.Response:
    return web.put(f"/dois/{doi}", json={"data": {"type": "dois", "attributes": attributes}})


def state(answer: httpx.Response) -> str:
    return str(answer.json()["data"]["attributes"]["state"])


def errors(answer: httpx.Response) -> list[tuple[str, str]]:
    return [(one.get("source", ""), one["title"]) for one in answer.json()["errors"]]


def test_put_makes_or_changes_and_names_are_in_lower_case(web: httpx.Client) -> None:
    """201, then 200; only what is sent is changed."""
    made = put(web, "10.5072/Archive.1", **WHOLE)
    assert (made.status_code, state(made), made.json()["data"]["id"]) == (201, "findable", DOI)
    changed = put(web, titles=[{"title": "Other tides"}])
    assert (changed.status_code, state(changed)) == (200, "findable")
    attributes = changed.json()["data"]["attributes"]
    assert attributes["titles"] == [{"title": "Other tides"}]
    assert attributes["url"] == URL


@pytest.mark.parametrize(
    ("events", "after"),
    [
        ([None], "draft"),
        (["hide"], "draft"),
        (["nonsense"], "draft"),
        (["register"], "registered"),
        (["publish"], "findable"),
        (["publish", "register"], "findable"),
        (["publish", "hide"], "registered"),
        (["publish", "hide", "show"], "findable"),
        (["register", "hide"], "registered"),
    ],
)
def test_events_that_cannot_happen_are_ignored(
    web: httpx.Client, events: list[str | None], after: str
) -> None:
    """Nobody is told: the answer is 200 with the state as it was."""
    for event in events:
        answer = put(web, url=URL, **METADATA, **({"event": event} if event else {}))
        assert answer.is_success
    assert state(answer) == after


def test_a_draft_may_hold_nearly_anything(web: httpx.Client) -> None:
    """What is wrong is told when it is published, and then nothing of that is kept."""
    assert put(web, titles=[{"title": "Tides"}]).status_code == 201
    refused = put(web, event="publish", language="de")
    assert (refused.status_code, errors(refused)) == (422, [("url", "Can't be blank")])
    assert "language" not in web.get(f"/dois/{DOI}").json()["data"]["attributes"]
    refused = put(web, event="publish", url=URL)
    [(source, title)] = errors(refused)
    assert source == "creators"
    assert title.startswith(f"DOI {DOI}: Missing child element(s).")


@pytest.mark.parametrize(
    ("wrong", "source"),
    [
        ({"url": "nowhere"}, "url"),
        ({"titles": ["Tides"]}, "titles"),
        ({"creators": []}, "creators"),
        ({"publicationYear": "MMXXVI"}, "publicationYear"),
        ({"types": {"resourceTypeGeneral": "Herbarium"}}, "resourceType"),
        ({"contributors": [{"name": "Marlow, Ida"}]}, "contributors"),
        ({"language": "de_DE!"}, "language"),
        ({"rightsList": [{"rights": "x" * 2001}]}, "rights_list"),
        ({"dates": [{"date": "2026", "dateType": "Someday"}]}, "date"),
        ({"relatedIdentifiers": [{"relatedIdentifier": "x", "relationType": "Cites"}]}, "relatedIdentifier"),
    ],
)
def test_what_is_published_is_judged_by_the_schema(
    web: httpx.Client, wrong: dict[str, Any], source: str
) -> None:
    """The element is named as DataCite names it, by a string."""
    refused = put(web, **WHOLE | wrong)
    assert refused.status_code == 422
    assert errors(refused)[0][0] == source
    assert refused.json()["errors"][0]["uid"] == DOI


def test_every_example_of_datacites_is_taken(web: httpx.Client) -> None:
    """Those of its JSON form that are of kernel 4.5."""
    examples = sorted(reference("testdata", "datacite", "json", "examples-4.5").glob("*.json"))
    for number, path in enumerate(examples):
        example = json.loads(path.read_bytes())
        attributes = {key: value for key, value in example.items() if key != "doi"}
        answer = put(web, f"10.5072/example.{number}", **attributes | {"event": "publish", "url": URL})
        assert answer.status_code == 201, (path.name, answer.text)


def test_who_may_do_what(web: httpx.Client, datacite_url: str) -> None:
    """401 for nobody, 403 for others; what is not findable is not there for them."""
    put(web, **METADATA)
    nobody = httpx.Client(base_url=datacite_url, trust_env=False)
    other = httpx.Client(base_url=datacite_url, auth=("OTHER.REPO", "of others"), trust_env=False)
    idle = httpx.Client(base_url=datacite_url, auth=("IDLE.REPO", "of nobody"), trust_env=False)
    wrong = httpx.Client(base_url=datacite_url, auth=(ACCOUNT.id, "wrong"), trust_env=False)
    with nobody, other, idle, wrong:
        assert [put(one, **WHOLE).status_code for one in (nobody, other, idle, wrong)] == [401, 403, 403, 401]
        assert [one.get(f"/dois/{DOI}").status_code for one in (nobody, other, web)] == [404, 404, 200]
        put(web, **WHOLE)
        assert nobody.get(f"/dois/{DOI}").status_code == 200
        assert put(web, "10.9999/archive.1", **WHOLE).status_code == 403


def test_urls_are_of_the_accounts_domains(datacite_url: str) -> None:
    """Where it has any."""
    auth = (STRICT.id, STRICT.password)
    with httpx.Client(base_url=datacite_url, auth=auth, trust_env=False) as strict:
        for url, is_taken in (
            (URL, True),
            ("https://www.pier.example/1", True),
            ("https://elsewhere.example/1", False),
        ):
            assert put(strict, "10.8888/a", **WHOLE | {"url": url}).is_success is is_taken


def test_answers_are_normalised(web: httpx.Client) -> None:
    """Types have more keys, publisher and affiliations are strings unless asked for otherwise."""
    put(web, **WHOLE)
    plain = web.get(f"/dois/{DOI}").json()["data"]["attributes"]
    assert (plain["publisher"], plain["creators"][0]["affiliation"]) == ("Archive", ["Pier Institute"])
    assert plain["types"]["citeproc"] == "dataset"
    whole = web.get(f"/dois/{DOI}?publisher=true&affiliation=true").json()["data"]["attributes"]
    assert whole["publisher"] == {"name": "Archive"}
    assert whole["creators"] == METADATA["creators"]


def test_it_keeps_account_of_each_doi(web: httpx.Client, datacite_control: Control) -> None:
    """Calls, changes, and how often it became findable."""
    for event in ("publish", "hide", "publish", "publish"):
        put(web, **WHOLE | {"event": event})
    counts = datacite_control.counts()
    assert (counts["calls"][DOI], counts["published"][DOI], counts["requests"]) == (4, 2, 4)


def handle(web: httpx.Client) -> str | None:
    """Where the handle server sends whoever follows the DOI."""
    answer = web.get(f"/dois/{DOI}/get-url")
    return str(answer.json()["url"]) if answer.is_success else None


def test_a_handle_is_as_the_last_write_that_reached_its_server(
    web: httpx.Client, datacite_control: Control
) -> None:
    """A draft has none; nobody is told where it is behind."""
    put(web, **METADATA, url=URL)
    assert handle(web) is None
    put(web, event="publish")
    assert handle(web) == URL
    datacite_control.befall(next=["late-handle"])
    assert put(web, url=f"{URL}0").json()["data"]["attributes"]["registered"]
    assert handle(web) == URL
    put(web, url=f"{URL}0")
    assert handle(web) == f"{URL}0"


def test_a_fault_may_be_one_dois_own(web: httpx.Client, datacite_control: Control) -> None:
    """Others, also of names that begin as its own, are well."""
    datacite_control.befall(of={DOI: "503"})
    assert [put(web, doi, **WHOLE).status_code for doi in (DOI, f"{DOI}0", DOI)] == [503, 201, 503]


@pytest.mark.parametrize(
    ("fault", "status", "is_done"),
    [
        ("429", 429, False),
        ("429-retry-after", 429, False),
        ("500", 500, False),
        ("502", 502, False),
        ("503", 503, False),
        ("504", 504, False),
        ("reset-before", None, False),
        ("reset-after", None, True),
        ("truncated", None, True),
        ("latency", 201, True),
        ("late-handle", 201, True),
    ],
)
def test_faults_befall_the_next_call(
    web: httpx.Client, datacite_control: Control, fault: str, status: int | None, is_done: bool
) -> None:
    """Each is met once, and tells in the counts; errors of servers are pages."""
    datacite_control.befall(next=[fault], retry_after=7)
    try:
        answer = put(web, **WHOLE)
    except httpx.TransportError:
        assert status is None
    else:
        assert answer.status_code == status
        if not answer.is_success:
            assert answer.headers["Content-Type"] == "text/html"
        assert answer.headers.get("Retry-After") == ("7" if fault == "429-retry-after" else None)
    assert (DOI in datacite_control.dois()) is is_done
    assert datacite_control.counts()["faults"] == {fault: 1}
    if is_done:
        registered = web.get(f"/dois/{DOI}").json()["data"]["attributes"]["registered"]
        assert (registered is None) is (fault == "late-handle")
        assert put(web, **WHOLE).json()["data"]["attributes"]["registered"]


def test_faults_by_lot_are_the_same_for_the_same_seed(web: httpx.Client, datacite_control: Control) -> None:
    """About the share that was asked for."""
    drawn = []
    for _ in range(2):
        datacite_control.befall(rate=0.3, kinds=["500", "503"], seed=4)
        drawn.append([put(web, **WHOLE).is_success for _ in range(60)])
    assert drawn[0] == drawn[1]
    assert 30 < sum(drawn[0]) < 54


def test_too_many_calls_are_refused_and_the_most_is_known(
    web: httpx.Client, datacite_control: Control
) -> None:
    datacite_control.limit(3, 60)
    assert [put(web, **WHOLE).status_code for _ in range(5)] == [201, 200, 200, 429, 429]
    counts = datacite_control.counts()
    assert (counts["peak"], counts["refused"]) == (5, 2)


def test_dois_are_kept_where_there_is_a_file_for_them(tmp_path: Path) -> None:
    """The next server has them as they were last."""
    service = datacite(kept=tmp_path / "dois.jsonl")
    auth = (ACCOUNT.id, ACCOUNT.password)
    with (
        running(service, tmp_path / "log") as url,
        httpx.Client(base_url=url, auth=auth, trust_env=False) as web,
    ):
        put(web, **WHOLE)
        put(web, titles=[{"title": "Other tides"}])
    with (
        running(service, tmp_path / "log") as url,
        httpx.Client(base_url=url, auth=auth, trust_env=False) as web,
    ):
        kept = web.get(f"/dois/{DOI}")
        assert (state(kept), kept.json()["data"]["attributes"]["titles"]) == (
            "findable",
            [{"title": "Other tides"}],
        )
