"""DOIs at DataCite: what records want is what DataCite has, however it behaves, and no publication waits for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.local.datacite import ACCOUNT, Control, registry_url
from pipeline import codec, dispatch, publication, wiring
from pipeline.catalogue import outbox
from pipeline.catalogue.outbox import Parked
from pipeline.errors import Interrupted, Unavailable
from pipeline.ingest.patience import Patience
from pipeline.model import EffectKind, Record
from pipeline.pid.doi import concept_doi, version_doi
from pipeline.pid.reconcile import Difference, Reconciled, reconcile
from pipeline.ports import SearchRequest
from pipeline.settings import Settings
from tests.archive import BASE_URL, Archive, Unsettled, open_archive, rewrite
from tests.doi_accounts import REFUSED, STRICT

RATE = 100_000


@pytest.fixture
def archive(tmp_path: Path, datacite_url: str) -> Iterator[Archive]:
    """One whose DOIs are at the double."""
    with open_at(tmp_path, datacite_url) as opened:
        yield opened


def open_at(home: Path, url: str, rate: int = RATE, **settings: object) -> Any:
    return open_archive(
        home, dois=registry_url(url), dois_password=ACCOUNT.password, doi_rate=rate, **settings
    )


def open_refused(home: Path, url: str) -> Any:
    """One whose DOIs are refused."""
    return open_archive(home, dois=registry_url(url, REFUSED), dois_password=REFUSED.password, doi_rate=0)


def of(archive: Archive, record: Record) -> tuple[str, str]:
    """The DOIs of a record and of its work."""
    repository = archive.services.repository
    return version_doi(repository, record.id), concept_doi(repository, record.concept_id)


def attributes(url: str, doi: str) -> dict[str, Any]:
    auth = (ACCOUNT.id, ACCOUNT.password)
    answer = httpx.get(f"{url}/dois/{doi}?publisher=true&affiliation=true", auth=auth, trust_env=False)
    found: dict[str, Any] = answer.json()["data"]["attributes"]
    return found


def relations(url: str, doi: str) -> set[tuple[str, str]]:
    related = attributes(url, doi)["relatedIdentifiers"] or []
    return {(one["relationType"], one["relatedIdentifier"]) for one in related}


def parked(archive: Archive) -> list[Parked]:
    with archive.services.catalogue.read() as tx:
        return outbox.parked(tx)


def are_waiting(archive: Archive) -> int:
    with archive.services.catalogue.read() as tx:
        return sum(one.due for one in outbox.waiting(tx) if one.kind is EffectKind.REGISTER)


def test_a_record_and_its_work_become_findable(archive: Archive, datacite_control: Control) -> None:
    """Each once, and both lead here."""
    record = archive.publish(files={"a": b"a"})
    own, concept = of(archive, record)
    assert datacite_control.dois() == {
        own: ("findable", f"{BASE_URL}/records/{record.id}"),
        concept: ("findable", f"{BASE_URL}/records/{record.concept_id}"),
    }
    assert datacite_control.counts()["calls"] == {own: 1, concept: 1}


def test_what_is_described_is_what_datacite_has(archive: Archive, datacite_url: str) -> None:
    record = archive.publish(files={"a": b"a"}, title="Tides of a day")
    found = attributes(datacite_url, of(archive, record)[0])
    assert found["titles"] == [{"title": "Tides of a day"}]
    assert found["creators"][0]["affiliation"] == [{"name": "Pier Institute"}]
    assert (found["publisher"]["name"], found["publicationYear"]) == (archive.services.repository.name, 2026)


def test_a_new_version_is_told_of_in_the_older_one_and_the_work(archive: Archive, datacite_url: str) -> None:
    """Both ways: whoever comes to one finds the other."""
    first = archive.publish(files={"a": b"a"})
    second = archive.publish(files={"a": b"b"}, version_of=first)
    (one, concept), (two, _) = of(archive, first), of(archive, second)
    assert relations(datacite_url, one) == {("IsVersionOf", concept), ("IsPreviousVersionOf", two)}
    assert relations(datacite_url, two) == {("IsVersionOf", concept), ("IsNewVersionOf", one)}
    assert relations(datacite_url, concept) == {("HasVersion", one), ("HasVersion", two)}


def test_a_withdrawn_version_is_hidden_and_no_more_spoken_of(
    archive: Archive, datacite_url: str, datacite_control: Control
) -> None:
    """Whichever it was; once it is restored all is as before."""
    first = archive.publish(files={"a": b"a"})
    second = archive.publish(files={"a": b"b"}, version_of=first)
    third = archive.publish(files={"a": b"c"}, version_of=second)
    (one, concept), (two, _), (three, _) = (of(archive, each) for each in (first, second, third))
    before = {doi: relations(datacite_url, doi) for doi in (one, two, three, concept)}
    archive.withdraw(second)
    assert datacite_control.dois()[two][0] == "registered"
    assert {"Withdrawn"} <= {each["dateType"] for each in attributes(datacite_url, two)["dates"]}
    assert relations(datacite_url, one) == {("IsVersionOf", concept), ("IsPreviousVersionOf", three)}
    assert relations(datacite_url, three) == {("IsVersionOf", concept), ("IsNewVersionOf", one)}
    assert relations(datacite_url, concept) == {("HasVersion", one), ("HasVersion", three)}
    publication.restore(archive.services, second.id, by="admin@archive.example")
    dispatch.drain(archive.services)
    assert datacite_control.dois()[two][0] == "findable"
    assert {doi: relations(datacite_url, doi) for doi in before} == before


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_work_without_a_version_is_hidden(
    archive: Archive, datacite_control: Control, order: tuple[int, int]
) -> None:
    """Whichever of its versions went last; and it is found again with the first that comes back."""
    first = archive.publish(files={"a": b"a"})
    second = archive.publish(files={"a": b"b"}, version_of=first)
    versions, concept = (first, second), of(archive, first)[1]
    archive.withdraw(versions[order[0]])
    assert datacite_control.dois()[concept][0] == "findable"
    archive.withdraw(versions[order[1]])
    assert {state for state, _ in datacite_control.dois().values()} == {"registered"}
    publication.restore(archive.services, versions[order[0]].id, by="admin@archive.example")
    dispatch.drain(archive.services)
    assert datacite_control.dois()[concept][0] == "findable"


def test_what_is_as_it_should_be_is_not_put_again(archive: Archive, datacite_control: Control) -> None:
    """Whoever wants it anew costs no request."""
    record = archive.publish(files={"a": b"a"})
    before = datacite_control.counts()["requests"]
    with archive.services.catalogue.write() as tx:
        outbox.want(tx, [(EffectKind.REGISTER, record.id)], now=archive.clock())
    assert dispatch.drain(archive.services).done[EffectKind.REGISTER] == 1
    assert datacite_control.counts()["requests"] == before


def test_nothing_is_published_later_for_datacite(archive: Archive, datacite_control: Control) -> None:
    """While it is away records come out and are found; their DOIs are tried again, ever later, and come once it is
    back."""
    datacite_control.befall(rate=1, kinds=["503", "reset-before", "504"])
    records = [archive.publish(files={"a": b"a"}) for _ in range(12)]
    assert {one.id for one in records} == set(archive.services.index.search(SearchRequest()).ids)
    assert are_waiting(archive) == 12
    for _ in range(24):
        archive.clock.move(hours=1)
        dispatch.drain(archive.services)
    calls = datacite_control.counts()["requests"]
    assert 24 <= calls < 24 * 12
    datacite_control.befall()
    archive.clock.move(hours=1)
    for _ in range(5):
        dispatch.drain(archive.services)
        archive.clock.move(minutes=5)
    assert are_waiting(archive) == 0
    assert datacite_control.counts()["published"] == dict.fromkeys(
        (doi for one in records for doi in of(archive, one)), 1
    )


def test_what_datacite_never_takes_is_parked_with_cause_and_remedy(
    tmp_path: Path, datacite_url: str, datacite_control: Control
) -> None:
    """And keeps nobody else from theirs."""
    with open_refused(tmp_path, datacite_url) as archive:
        assert archive.services.repository.doi_prefix == REFUSED.prefixes[0]
        record = archive.publish(files={"a": b"a"})
        [one] = parked(archive)
    assert (one.kind, one.record_id) == (EffectKind.REGISTER, record.id)
    assert "domain settings" in one.error
    assert "headrace dois retry" in one.remedy
    assert datacite_control.dois() == {}


def test_wrong_credentials_are_nobodys_fault_but_the_operators(tmp_path: Path, datacite_url: str) -> None:
    """The effects wait, and name the setting."""
    with open_archive(
        tmp_path, dois=registry_url(datacite_url), dois_password="wrong", doi_rate=0
    ) as archive:
        archive.publish(files={"a": b"a"})
        assert (parked(archive), are_waiting(archive)) == ([], 1)


def test_an_account_that_is_not_active_parks_nothing(tmp_path: Path, datacite_url: str) -> None:
    """Once it is active all of it comes about; until then one request at a time tells."""
    idle = registry_url(datacite_url).replace(ACCOUNT.id, "IDLE.REPO")
    with open_archive(tmp_path, dois=idle, dois_password="of nobody", doi_rate=0) as archive:
        for _ in range(9):
            archive.publish(files={"a": b"a"})
            archive.clock.move(minutes=5)
        assert (parked(archive), are_waiting(archive)) == ([], 9)


def test_what_is_withdrawn_is_hidden_though_it_cannot_be_described(
    archive: Archive, datacite_control: Control
) -> None:
    """By our own rules; its effect is parked all the same, and nothing is asked in vain."""
    record = archive.publish(files={"a": b"a"})
    spoil(archive, record)
    asked = datacite_control.counts()["requests"]
    archive.withdraw(record)
    assert [one.record_id for one in parked(archive)] == [record.id]
    assert {state for state, _ in datacite_control.dois().values()} == {"registered"}
    assert datacite_control.counts()["requests"] == asked + 2
    assert reconciled(archive) == []


@pytest.mark.parametrize("rate", [10, RATE])
def test_what_is_withdrawn_is_hidden_though_its_description_is_refused(
    tmp_path: Path, datacite_url: str, datacite_control: Control, rate: int
) -> None:
    """By DataCite; also where nothing more may be asked in between."""
    strict = {"dois": registry_url(datacite_url, STRICT), "dois_password": STRICT.password, "doi_rate": rate}
    with open_archive(tmp_path, **strict) as archive:
        record = archive.publish(files={"a": b"a"})
        settle(archive)
    moved = Settings(home=tmp_path, base_url="https://new.example.org", **strict)  # type: ignore[arg-type]
    with wiring.open_services(moved, now=archive.clock) as services:
        later = Archive(services, archive.clock)
        later.withdraw(record)
        settle(later)
        assert [one.record_id for one in parked(later)] == [record.id]
    assert {state for state, _ in datacite_control.dois().values()} == {"registered"}


def settle(archive: Archive) -> None:
    """Put what there was no room for."""
    for _ in range(10):
        archive.clock.move(minutes=1)
        dispatch.drain(archive.services)


def test_what_is_withdrawn_is_hidden_before_all_that_waits(
    tmp_path: Path, datacite_url: str, datacite_control: Control
) -> None:
    """However little may be asked."""
    with open_at(tmp_path, datacite_url, rate=10) as archive:
        record = archive.publish(files={"a": b"a"})
        settle(archive)
        unsettled = Unsettled(archive.services, archive.clock)
        for _ in range(20):
            unsettled.publish(files={"a": b"a"})
        unsettled.withdraw(record)
        archive.clock.move(minutes=1)
        for _ in range(3):
            dispatch.drain(archive.services)
            archive.clock.move(minutes=1)
        states = datacite_control.dois()
        assert [states[doi][0] for doi in of(archive, record)] == ["registered", "registered"]
        assert are_waiting(archive) >= 20


def test_no_more_is_asked_than_the_rate_allows(
    tmp_path: Path, datacite_url: str, datacite_control: Control
) -> None:
    """In any five minutes; and all of it comes about."""
    with open_at(tmp_path, datacite_url, rate=10) as archive:
        for _ in range(12):
            archive.publish(files={"a": b"a"})
        asked = []
        while are_waiting(archive):
            before = datacite_control.counts()["requests"]
            dispatch.drain(archive.services)
            asked += [archive.clock()] * (datacite_control.counts()["requests"] - before)
            archive.clock.move(seconds=20)
    assert len(datacite_control.dois()) == 24
    most = max(sum(0 <= (one - first).total_seconds() < 300 for one in asked) for first in asked)
    assert most <= 10


def test_retry_after_is_obeyed_by_everybody(archive: Archive, datacite_control: Control) -> None:
    """Nothing is asked for before its time, by whichever process."""
    datacite_control.befall(next=["429-retry-after"], retry_after=600)
    archive.publish(files={"a": b"a"})
    archive.publish(files={"a": b"a"})
    asked = datacite_control.counts()["requests"]
    archive.clock.move(minutes=9)
    dispatch.drain(archive.services)
    assert datacite_control.counts()["requests"] == asked
    archive.clock.move(minutes=2)
    dispatch.drain(archive.services)
    assert {state for state, _ in datacite_control.dois().values()} == {"findable"}
    assert len(datacite_control.dois()) == 4


def test_nothing_else_waits_for_a_slow_registry(
    archive: Archive, datacite_control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dispatcher has a thread for it: records are preserved, found and announced while their DOIs are still put."""
    from pipeline.flows import deliver

    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    datacite_control.befall(rate=1, kinds=["latency"], latency=6)
    services, left = archive.services, list[set[EffectKind]]()
    Unsettled(services, archive.clock).publish(files={"a": b"a"})

    def is_over() -> bool:
        with services.catalogue.read() as tx:
            left.append({one.kind for one in outbox.waiting(tx)})
        return not left[-1]

    deliver.dispatch_forever(services, is_over)
    assert {EffectKind.REGISTER} in left
    assert {state for state, _ in datacite_control.dois().values()} == {"findable"}


def compared(archive: Archive, limit: int = 1000) -> Reconciled:
    # What was compared in this second was compared before the next.
    archive.clock.move(seconds=1)

    def wait(seconds: float) -> None:
        archive.clock.move(seconds=seconds)

    found = reconcile(archive.services, limit, patience=Patience(60, wait), wait=wait)
    archive.clock.move(seconds=1)
    return found


def reconciled(archive: Archive, limit: int = 1000) -> list[tuple[str, Difference]]:
    """What differed; then all that is wanted is put."""
    found = compared(archive, limit)
    dispatch.drain(archive.services)
    return sorted((one.doi, one.what) for one in found.differences)


def put(url: str, doi: str, /, **attributes: Any) -> None:
    """Somebody changes a DOI at DataCite."""
    auth = (ACCOUNT.id, ACCOUNT.password)
    document = {"data": {"type": "dois", "attributes": attributes}}
    assert httpx.put(f"{url}/dois/{doi}", json=document, auth=auth, trust_env=False).is_success


def test_a_registry_that_has_all_differs_in_nothing(archive: Archive, datacite_control: Control) -> None:
    """And is written nothing; each DOI is asked for once, and once where it leads."""
    first = archive.publish(files={"a": b"a"}, title="Tides & ebbs – “a” <b>")
    archive.publish(files={"a": b"b"}, version_of=first)
    archive.withdraw(archive.publish(files={"a": b"a"}))
    before = datacite_control.counts()
    assert reconciled(archive) == []
    after = datacite_control.counts()
    assert {doi: after["calls"][doi] - before["calls"][doi] for doi in before["calls"]} == dict.fromkeys(
        before["calls"], 2
    )


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"event": "hide"}, Difference.STATE),
        ({"url": "https://elsewhere.example.org/"}, Difference.TARGET),
        ({"titles": [{"title": "Something else"}]}, Difference.DESCRIPTION),
        ({"relatedIdentifiers": []}, Difference.DESCRIPTION),
    ],
)
def test_what_somebody_changed_there_is_put_right(
    archive: Archive, datacite_url: str, change: dict[str, Any], what: Difference
) -> None:
    """And is right from then on."""
    own, _ = of(archive, archive.publish(files={"a": b"a"}))
    put(datacite_url, own, **change)
    assert reconciled(archive) == [(own, what)]
    assert reconciled(archive) == []


def test_what_a_registry_lost_is_put_again(archive: Archive, datacite_control: Control) -> None:
    own, concept = of(archive, archive.publish(files={"a": b"a"}))
    datacite_control.forget()
    assert reconciled(archive) == sorted([(own, Difference.MISSING), (concept, Difference.MISSING)])
    assert {state for state, _ in datacite_control.dois().values()} == {"findable"}


def test_a_handle_that_was_not_made_is_made(archive: Archive, datacite_control: Control) -> None:
    """DataCite says findable, and the DOI does not resolve."""
    datacite_control.befall(next=["late-handle"])
    archive.publish(files={"a": b"a"})
    assert [what for _, what in reconciled(archive)] == [Difference.UNRESOLVED]
    assert reconciled(archive) == []


def test_a_new_base_url_is_told(tmp_path: Path, datacite_url: str, datacite_control: Control) -> None:
    """Without asking for anything."""
    with open_at(tmp_path, datacite_url) as archive:
        dois = of(archive, archive.publish(files={"a": b"a"}))
    with open_at(tmp_path, datacite_url, base_url="https://new.example.org") as moved:
        found = reconciled(moved, limit=0)
    assert found == sorted((doi, Difference.BEHIND) for doi in dois)
    assert all(url.startswith("https://new.example.org/") for _, url in datacite_control.dois().values())
    assert set(datacite_control.counts()["calls"].values()) == {2}


def test_a_handle_that_stayed_behind_is_noticed(
    tmp_path: Path, datacite_url: str, datacite_control: Control
) -> None:
    """DataCite has the new target, and who follows the DOI still comes to the old one."""
    with open_at(tmp_path, datacite_url) as archive:
        own, _ = of(archive, record := archive.publish(files={"a": b"a"}))
    with open_at(tmp_path, datacite_url, base_url="https://new.example.org") as moved:
        datacite_control.befall(of={own: "late-handle"})
        reconciled(moved, limit=0)
        datacite_control.befall()
        [one] = compared(moved).differences
        assert (one.doi, one.what) == (own, Difference.UNRESOLVED)
        assert (one.wanted, one.seen) == tuple(
            f"{base}/records/{record.id}" for base in ("https://new.example.org", BASE_URL)
        )
        dispatch.drain(moved.services)
        assert reconciled(moved) == []


@pytest.mark.parametrize("fault", ["503", "truncated", "endless"])
def test_a_doi_without_an_answer_keeps_no_other_waiting(
    archive: Archive, datacite_control: Control, fault: str
) -> None:
    """It is told of, and those come first that were not compared yet."""
    own, *_ = [of(archive, archive.publish(files={"a": b"a"}))[0] for _ in range(3)]
    datacite_control.befall(of={own: fault})
    found = compared(archive, limit=3)
    assert [(one.doi, bool(one.error)) for one in found.uncompared] == [(own, True)]
    assert (found.compared, found.differences) == (3, [])
    again = compared(archive, limit=2)
    assert (again.compared, again.uncompared) == (2, [])


def test_a_registry_that_answers_for_no_doi_ends_the_comparing(
    archive: Archive, datacite_control: Control
) -> None:
    """After some of them: the rest is for another night."""
    named = [doi for _ in range(4) for doi in of(archive, archive.publish(files={"a": b"a"}))]
    datacite_control.befall(of=dict.fromkeys(named, "500"))
    with pytest.raises(Unavailable, match="500"):
        compared(archive)
    assert datacite_control.counts()["faults"] == {"500": 15}


@pytest.mark.parametrize("state", ["tombstoned", "flagged", "broken"])
def test_a_state_that_nothing_of_ours_leads_to_is_told_of(
    archive: Archive, datacite_control: Control, state: str
) -> None:
    """By name; and its DOI is parked, for somebody to ask DataCite."""
    own, _ = of(archive, archive.publish(files={"a": b"a"}))
    datacite_control.move({own: state})
    [one] = compared(archive).differences
    assert (one.doi, one.what, one.wanted, one.seen) == (own, Difference.STATE, "findable", state)
    dispatch.drain(archive.services)
    assert f"from {state} to findable" in parked(archive)[0].error


def test_a_record_that_cannot_be_described_keeps_no_other_waiting(
    archive: Archive, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told of once, and its trace is logged once."""
    _, broken, _ = (archive.publish(files={"a": b"a"}) for _ in range(3))
    rewrite(archive, broken.id, description={"metadata": {"creators": [{}]}})
    found = compared(archive)
    own, _ = of(archive, broken)
    assert [(one.doi, one.record_id) for one in found.uncompared] == [(own, broken.id)]
    assert "KeyError" in found.uncompared[0].error
    assert (found.compared, found.differences) == (4, [])
    assert [str(broken.id) in one.getMessage() for one in caplog.records if one.exc_info] == [True]


def test_a_new_registry_is_told_of_all(tmp_path: Path, datacite_url: str, datacite_control: Control) -> None:
    """What one has says nothing of another, of the same prefix."""
    with open_archive(tmp_path, doi_prefix=ACCOUNT.prefixes[0]) as archive:
        own = of(archive, archive.publish(files={"a": b"a"}))
    with open_at(tmp_path, datacite_url) as archive:
        assert reconciled(archive, limit=0) == sorted((doi, Difference.BEHIND) for doi in own)
        assert reconciled(archive, limit=0) == []
    assert {doi: state for doi, (state, _) in datacite_control.dois().items()} == dict.fromkeys(
        own, "findable"
    )


def test_the_longest_unseen_are_compared_first(archive: Archive, datacite_control: Control) -> None:
    """So that a few a night are all of them some day."""
    records = [archive.publish(files={"a": b"a"}) for _ in range(4)]
    before = datacite_control.counts()["requests"]
    for _ in range(4):
        assert reconciled(archive, limit=2) == []
    calls = datacite_control.counts()["calls"]
    assert {calls[of(archive, one)[0]] for one in records} == {3}
    assert datacite_control.counts()["requests"] == before + 16


def test_what_is_parked_stays_so_until_somebody_releases_it(
    tmp_path: Path, datacite_url: str, datacite_control: Control
) -> None:
    """Comparing does not try again what nobody has mended."""
    with open_refused(tmp_path, datacite_url) as archive:
        archive.publish(files={"a": b"a"})
        asked = datacite_control.counts()["requests"]
        assert reconciled(archive) == []
        assert datacite_control.counts()["requests"] == asked
        assert len(parked(archive)) == 1


def test_a_refused_edit_stays_parked(archive: Archive, datacite_control: Control) -> None:
    """Night after night, also where its DOI was registered before; other DOIs are compared all the same."""
    record = archive.publish(files={"a": b"a"})
    other, _ = of(archive, archive.publish(files={"a": b"a"}))
    refuse_edit(archive, record)
    [before] = parked(archive)
    for _ in range(2):
        asked = datacite_control.counts()["calls"]
        assert reconciled(archive) == []
        assert parked(archive) == [before]
        assert datacite_control.counts()["calls"] != asked
    assert datacite_control.counts()["calls"][other] == 5


def spoil(archive: Archive, record: Record) -> None:
    """Describe it as DataCite does not take it."""
    described = archive.record(record.id).description
    untitled = replace(described, metadata={**described.metadata, "title": ""})
    rewrite(archive, record.id, description=codec.description_to_json(untitled))


def refuse_edit(archive: Archive, record: Record) -> None:
    """Edit a record to what DataCite does not take."""
    spoil(archive, record)
    with archive.services.catalogue.write() as tx:
        outbox.want(tx, [(EffectKind.REGISTER, record.id)], now=archive.clock())
    dispatch.drain(archive.services)


def test_comparing_obeys_what_the_registry_asks_for(archive: Archive, datacite_control: Control) -> None:
    """As putting does: nothing is asked for before its time, by whomever."""
    archive.publish(files={"a": b"a"})
    datacite_control.befall(next=["429-retry-after"], retry_after=600)
    asked, began = datacite_control.counts()["requests"], archive.clock()
    patience = Patience(60, wait=lambda _: None)
    archive.clock.move(seconds=1)

    def wait(seconds: float) -> None:
        archive.clock.move(seconds=seconds)
        if archive.clock() < began + timedelta(seconds=600):
            assert datacite_control.counts()["requests"] == asked + 1

    assert reconcile(archive.services, 10, patience=patience, wait=wait).compared == 2
    assert archive.clock() >= began + timedelta(seconds=600)


def test_comparing_does_not_wait_for_a_registry_for_ever(archive: Archive, datacite_control: Control) -> None:
    archive.publish(files={"a": b"a"})
    archive.clock.move(seconds=1)
    datacite_control.befall(rate=1, kinds=["503"])
    for _ in range(2):
        with pytest.raises(Unavailable):
            reconcile(archive.services, 10)


def test_comparing_ends_when_it_is_asked_to(archive: Archive) -> None:
    """Also where nothing differs."""
    archive.publish(files={"a": b"a"})
    archive.clock.move(seconds=1)
    seen: list[int] = []

    def stop(so_far: Reconciled) -> None:
        seen.append(so_far.compared)
        if so_far.compared:
            raise Interrupted("that is enough")

    with pytest.raises(Interrupted):
        reconcile(archive.services, 10, checkpoint=stop)
    assert seen == [0, 1]


def test_deliver_that_is_begun_by_hand_leaves_no_kind_out(
    archive: Archive, datacite_control: Control
) -> None:
    """Nobody else may be there to register what is due."""
    from pipeline.flows import deliver

    Unsettled(archive.services, archive.clock).publish(files={"a": b"a"})
    deliver._drain_all(archive.services, lambda: False)
    with archive.services.catalogue.read() as tx:
        assert outbox.waiting(tx) == []
    assert {state for state, _ in datacite_control.dois().values()} == {"findable"}


def test_what_is_found_in_its_files_later_is_told(archive: Archive, datacite_url: str) -> None:
    """A record's formats, where nobody had looked into its files when it was published."""
    record = archive.publish(files={"a.csv": b"1,2\n"})
    own, _ = of(archive, record)
    assert attributes(datacite_url, own)["formats"] == []
    with archive.services.catalogue.write() as tx:
        outbox.want(tx, [(EffectKind.EXAMINE, record.id)], now=archive.clock())
    dispatch.drain(archive.services)
    archive.clock.move(seconds=1)
    dispatch.drain(archive.services)
    assert attributes(datacite_url, own)["formats"] == ["text/csv"]
