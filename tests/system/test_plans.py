"""Plans that are written down before anything is done, and their application."""

from __future__ import annotations

import hashlib
import json
import os
import random
import tempfile
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.catalogue import accessions, records
from pipeline.errors import Conflict, Interrupted, Misconfigured
from pipeline.ingest import accession
from pipeline.ingest.decisions import Plan
from pipeline.ingest.planfile import open_plan
from pipeline.model import JsonObject
from tests.instance import Attempt, Instance, codes, open_instance, write_record
from tests.random_collection import make_collection
from tests.web_server import WebServer

EMBARGOED = {"access_right": "embargoed", "embargo_date": "2026-03-20"}


def write(path: Path, content: bytes) -> None:
    """Give a file other bytes, and another time."""
    before = path.stat().st_mtime_ns if path.exists() else 0
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, ns=(0, max(before, path.stat().st_mtime_ns) + 1_000_000_000))


def key(instance: Instance, record_id: int) -> str:
    """By which a record is known in its collection."""
    concept_id = instance.record(record_id).concept_id
    with instance.services.catalogue.read() as tx:
        return records.concepts(tx, [concept_id])[concept_id].key


def declare(folder: Path, **digests: str) -> None:
    """Put a checksum file beside a record's data."""
    lines = (f"{digest}  {name}\n" for name, digest in digests.items())
    (folder / "SHA512SUMS").write_text("".join(lines), encoding="utf-8")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Three sound records and one whose only file is not what is declared of it."""
    top = tmp_path / "tides"
    write_record(top / "harbour", {"readings.csv": b"time,level\n0,1.2\n", "raw/gauge.bin": bytes(5000)})
    write_record(top / "lighthouse", {"notes.txt": b"calm\n"})
    write_record(top / "pier", {"more.txt": b"windy\n", "none.txt": b""})
    bad = write_record(top / "wreck", {"hull.txt": b"rust\n"})
    (bad / "SHA256SUMS").write_text(f"{'0' * 64}  hull.txt\n")
    return top


@pytest.fixture(scope="module")
def a_plan(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a plan."""
    place = tmp_path_factory.mktemp("plan")
    write_record(place / "tides" / "pier", {"a.txt": b"a"})
    with open_instance(place / "home") as instance:
        return instance.plan(place / "tides").path.read_bytes()


# ---------------------------------------------------------------- what a plan says


def test_change_17_files_of_a_few_hundred_and_the_plan_shows_17(instance: Instance, tmp_path: Path) -> None:
    """By number, by bytes and by name, with the records that become versions; and nothing is written by it."""
    collection = make_collection(tmp_path / "soundings", 5, large=[], small=310)
    first = instance.plan(collection.folder)
    assert (first.document["new"], first.document["files_to_ingest"]) == (collection.records, 310)
    assert first.document["bytes_to_ingest"] == collection.size
    instance.ingest(collection.folder)
    assert instance.plan(collection.folder).document["files_to_ingest"] == 0
    changed = random.Random(5).sample(sorted(collection.folder.rglob("*.bin")), 17)
    for path in changed:
        write(path, b"changed")
    before = instance.state()
    planned = instance.plan(collection.folder)
    assert instance.state() == before
    wanted = {(path.parent.name, path.name) for path in changed}
    versions = {record for record, _ in wanted}
    assert planned.files("read") == wanted
    assert (planned.document["files_to_ingest"], planned.document["bytes_to_ingest"]) == (17, 17 * 7)
    assert (planned.document["versions"], planned.document["unchanged"]) == (
        len(versions),
        collection.records - len(versions),
    )
    assert len(planned.files("kept")) + len(planned.files("not-needed")) == 310 - 17
    assert {row["record"] for row in planned.rows("record") if row["decision"] == "version"} == versions


def test_what_signs_a_url_is_kept_to_read_it_alone(tmp_path: Path, web_server: WebServer) -> None:
    """A plan names files without it and is applied all the same; neither reports nor the storage root have it, and a
    list that was signed anew brings nothing new."""
    web_server.put("/tides/pier.csv", b"time,level\n")
    url, source = f"{web_server.url}/tides/pier.csv", tmp_path / "list.jsonl"
    metadata = json.loads((write_record(tmp_path / "pier", {}) / "record.json").read_text())

    def sign(signature: str) -> None:
        row = {"path": f"{url}?X-Amz-Signature={signature}", "metadata": metadata}
        source.write_text(json.dumps(row) + "\n")

    with open_instance(tmp_path / "home", private_addresses=True) as instance:
        sign("secret-1")
        planned = instance.plan(source)
        [file] = planned.rows("file")
        assert (file["source_path"], file["record"]) == (url.encode(), url)
        document = instance.apply(planned.path)
        assert document["records_total"] == 1
        [record] = document["records"]
        assert instance.files(record["id"]) == {"pier.csv": b"time,level\n"}
        told = [json.dumps(document).encode()]
        told += [path.read_bytes() for path in instance.root.rglob("*") if path.is_file()]
        assert any(b"original_path" in each for each in told)
        assert not any(b"secret" in each for each in told)
        sign("secret-2")
        assert instance.ingest(source)["unchanged"] == 1


def test_duplicates_are_told_without_reading(instance: Instance, tmp_path: Path) -> None:
    """Within the collection by declared digests, else likely by size and name; against what is in custody by declared
    digests of the storage root's algorithm, and how many files could be compared so is said, too."""
    digest = hashlib.new(instance.services.root_digest, b"calm\n").hexdigest()
    sums = f"{instance.services.root_digest.upper()}SUMS"
    for name in ("east", "west"):
        folder = write_record(tmp_path / "towers" / name, {"a.txt": b"calm\n"})
        (folder / sums).write_text(f"{digest}  a.txt\n")
        write_record(tmp_path / "piers" / name, {"log/b.txt": b"windy\n", "empty": b""})
    declared = instance.plan(tmp_path / "towers").document["duplicates"]
    assert declared["declared"] == {"files": 1, "bytes": 5}
    assert (declared["compared_with_custody"]["files"], declared["in_custody"]["files"]) == (2, 0)
    likely = instance.plan(tmp_path / "piers").document["duplicates"]
    assert likely["likely"] == {"files": 1, "bytes": 6}
    assert likely["declared"]["files"] == likely["compared_with_custody"]["files"] == 0
    instance.ingest(tmp_path / "towers")
    again = instance.plan(tmp_path / "towers", collection="others").document["duplicates"]
    assert again["in_custody"] == {"files": 2, "bytes": 10}


def test_time_is_unknown_until_an_accession_tells(instance: Instance, source: Path, tmp_path: Path) -> None:
    """Then so many files take as long as they did, from its beginning to its end."""
    assert instance.plan(source).document["estimated_seconds"] is None
    attempt = instance.attempt(source)
    attempt.take_in()
    attempt.publish()
    instance.clock.move(seconds=99)
    attempt.finish()
    with instance.services.catalogue.read() as tx:
        [pace] = accessions.paces(tx, 10)
    assert pace.seconds >= 99
    write_record(tmp_path / "twice" / "one", {f"{number}": b"x" for number in range(2 * pace.files)})
    planned = instance.plan(tmp_path / "twice").document
    assert planned["estimated_seconds"] == pytest.approx(2 * pace.seconds, abs=0.1)


def test_a_plan_is_a_table_of_what_will_happen(instance: Instance, source: Path) -> None:
    """Each record and file with its decision, each problem with its reason and remedy."""
    write_record(source / "fog", {"a.txt": b"a"}, upload_type="nonsense")
    planned = instance.plan(source)
    decisions = {row["record"]: row["decision"] for row in planned.rows("record")}
    assert decisions == {"fog": "held", "harbour": "new", "lighthouse": "new", "pier": "new", "wreck": "new"}
    assert planned.files("not-needed") == {("fog", "a.txt")}
    assert len(planned.files("read")) == planned.document["files_to_ingest"] == 7
    [problem] = [row for row in planned.rows("problem") if row["outcome"] == "rejected"]
    assert (problem["record"], problem["field"]) == ("fog", "metadata.upload_type")
    assert problem["reason"]


# ---------------------------------------------------------------- one code path

CONTENTS = st.binary(max_size=3)
EDITS = st.lists(
    st.tuples(
        st.sampled_from(["write", "touch", "remove", "describe", "spoil", "mend", "declare", "drop"]),
        st.integers(0, 3),
        st.integers(0, 3),
        CONTENTS,
    ),
    max_size=6,
)
ROUNDS = st.lists(
    st.tuples(
        EDITS,
        st.booleans(),
        st.booleans(),
        st.sampled_from(["complete", "complete", "stop", "stop in the midst"]),
    ),
    min_size=1,
    max_size=4,
)


def edit(top: Path, kind: str, record: int, file: int, content: bytes) -> None:
    """Change a random collection."""
    folder = top / f"record-{record}"
    path = folder / f"file-{file}"
    if kind == "drop":
        for each in sorted(folder.rglob("*"), reverse=True):
            each.unlink()
        return
    if not (folder / "record.json").exists():
        write_record(folder, {"file-0": b"x"})
    match kind:
        case "write":
            write(path, content)
        case "touch" if path.exists():
            write(path, path.read_bytes())
        case "remove":
            path.unlink(missing_ok=True)
        case "describe":
            write_record(folder, {}, title=f"Called {content.hex()} by now")
        case "spoil":
            write_record(folder, {}, upload_type="nonsense")
        case "mend":
            write_record(folder, {})
            (folder / "SHA512SUMS").unlink(missing_ok=True)
        case "declare":
            declare(folder, **{path.name: hashlib.sha512(content).hexdigest()})


def numbers(plan: Plan) -> Plan:
    """What planning counted, without what an accession has in its report."""
    return replace(plan, accession_id=None, gone=[], gone_total=0)


def gone(document: JsonObject) -> set[str]:
    """Published records of which a report says that the source has them no more."""
    return {record for record, _, code in codes(document) if code == "gone"}


def go_on(instance: Instance, attempt: Attempt, end: str) -> None:
    """End an attempt in one of several ways."""
    if attempt.plan.accession_id is None:
        return
    if end == "complete":
        attempt.take_in()
        attempt.publish()
        attempt.finish()
        return
    if end == "stop in the midst":
        [attempt.take_in([unit]) for unit in attempt.units()[:1]]
        while accession.seal(instance.services, attempt.run, attempt.accession_id):
            pass
    accession.stop(instance.services, attempt.run, attempt.accession_id, Interrupted("enough"))


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(ROUNDS)
def test_a_dry_run_a_plan_and_an_ingest_tell_the_same_numbers(rounds: list[tuple]) -> None:  # type: ignore[type-arg]
    """Whatever was published, held, stopped or changed before; and files by name, too."""
    with tempfile.TemporaryDirectory() as place, open_instance(Path(place) / "home") as instance:
        top = Path(place) / "collection"
        write_record(top / "record-0", {"file-0": b"x"})
        for edits, checksum, allow_partial, end in rounds:
            for one in edits:
                edit(top, *one)
            if not any(top.glob("*/record.json")):
                continue
            options = {"checksum": checksum, "allow_partial": allow_partial}
            planned = instance.plan(top, **options)
            attempt = instance.attempt(top, **options)
            assert numbers(planned.plan) == numbers(attempt.plan)
            assert gone(planned.document) == gone(attempt.report())
            to_be_read = set()
            if attempt.plan.accession_id is not None:
                to_be_read = {(file.record, file.key) for unit in attempt.units() for file in unit.files}
            assert planned.files("read") == to_be_read
            go_on(instance, attempt, end)


# ---------------------------------------------------------------- application


def test_an_application_does_what_the_plan_says(instance: Instance, source: Path) -> None:
    """Record by record and file by file; a second one writes nothing, and says so."""
    write_record(source / "fog", {"a.txt": b"a"}, upload_type="nonsense")
    instance.ingest(source)
    write(source / "harbour" / "readings.csv", b"changed")
    write_record(source / "lighthouse", {}, title="Lighthouse, corrected")
    write_record(source / "buoy", {"new.txt": b"new"})
    planned = instance.plan(source)
    decisions = {row["record"]: row["decision"] for row in planned.rows("record")}
    assert decisions == {
        "buoy": "new", "fog": "held", "harbour": "version", "lighthouse": "revision", "pier": "unchanged",
        "wreck": "held",
    }  # fmt: skip
    attempt = instance.begin_to_apply(planned.path)
    assert {(file.record, file.key) for unit in attempt.units() for file in unit.files} == planned.files(
        "read"
    )
    attempt.take_in()
    attempt.publish()
    attempt.finish()
    document = attempt.report()
    assert document["bytes_read"] == planned.document["bytes_to_ingest"] == 10
    done = sorted((key(instance, one["id"]), one["version"]) for one in document["records"])
    assert done == [("buoy", 1), ("harbour", 2), ("lighthouse", 1)]
    assert (document["unchanged"], document["held"]) == (1, 2)
    before = instance.state()
    again = instance.apply(planned.path)
    assert instance.state() == before
    assert (again["accession"], again["records"], again["held"]) == (None, [], 2)


def test_a_second_application_with_checksum_writes_nothing(instance: Instance, source: Path) -> None:
    """Though an ingest with --checksum would read everything once more."""
    instance.ingest(source)
    planned = instance.plan(source, checksum=True)
    assert planned.document["files_to_ingest"] == 5
    first = instance.apply(planned.path)
    assert (first["bytes_read"], first["records"]) == (planned.document["bytes_to_ingest"], [])
    before = instance.state()
    assert instance.apply(planned.path)["accession"] is None
    assert instance.state() == before


def test_what_changed_since_the_plan_is_rejected_as_changed(instance: Instance, source: Path) -> None:
    """Its record is held; what came since is not taken in, for nothing is surveyed anew."""
    planned = instance.plan(source)
    write(source / "harbour" / "readings.csv", b"changed")
    write_record(source / "buoy", {"new.txt": b"new"})
    document = instance.apply(planned.path)
    assert ("harbour", "harbour/readings.csv", "changed") in codes(document)
    assert document["held"] == 2  # with the wreck
    assert {key(instance, one["id"]) for one in document["records"]} == {"lighthouse", "pier"}


def test_a_record_that_was_published_otherwise_since_is_left_out(instance: Instance, source: Path) -> None:
    """With the remedy to plan again; the others go on. One that was published just as planned is unchanged."""
    instance.ingest(source)
    for name in ("harbour/readings.csv", "lighthouse/notes.txt", "pier/more.txt"):
        write(source / name, b"as planned")
    planned = instance.plan(source)
    others = source.parent / "others" / "tides"
    write_record(others / "pier", {"more.txt": b"another's"})
    write_record(others / "buoy", {"new.txt": b"new"})
    instance.ingest(others)
    document = instance.apply(planned.path)
    assert {key(instance, one["id"]) for one in document["records"]} == {"harbour", "lighthouse"}
    [outdated] = [one for one in document["problems"] if one["code"] == "plan-outdated"]
    assert (outdated["record"], outdated["outcome"]) == ("pier", "rejected")
    assert "Plan the source again" in outdated["remedy"]
    assert not any(one["code"] == "gone" for one in document["problems"])
    before = instance.state()
    again = instance.apply(planned.path)
    assert instance.state() == before
    assert [one["code"] for one in again["problems"]].count("plan-outdated") == 1
    assert again["unchanged"] == 2


def test_an_embargo_that_ended_since_the_plan_is_not_published(instance: Instance, source: Path) -> None:
    """It would be refused by now."""
    write_record(source / "wreck", {}, **EMBARGOED)
    planned = instance.plan(source)
    instance.clock.move(days=30)
    document = instance.apply(planned.path)
    assert [one["record"] for one in document["problems"] if one["code"] == "plan-outdated"] == ["wreck"]


def test_a_date_of_publication_is_that_of_the_plan(instance: Instance, tmp_path: Path) -> None:
    """However many days lie between the two: what is published is what was shown."""
    write_record(tmp_path / "tides" / "pier", {"a.txt": b"a"}, publication_date=None)
    planned = instance.plan(tmp_path / "tides")
    instance.clock.move(days=3)
    [done] = instance.apply(planned.path)["records"]
    assert instance.record(done["id"]).description.metadata["publication_date"] == "2026-03-09"


def test_an_application_that_was_cut_off_goes_on(instance: Instance, source: Path) -> None:
    """By the same command; what was done is not done again, and nothing of it is outdated."""
    planned = instance.plan(source, checksum=True)
    attempt = instance.begin_to_apply(planned.path)
    [unit] = attempt.units()
    attempt.take_in([replace(unit, files=tuple(one for one in unit.files if one.record == "harbour"))])
    attempt.publish()
    accession.stop(instance.services, attempt.run, attempt.accession_id, Interrupted("enough"))
    document = instance.apply(planned.path)
    assert document["accession"] == attempt.accession_id
    assert (document["records_total"], document["held"]) == (3, 1)
    assert document["bytes_read"] == planned.document["bytes_to_ingest"]
    assert {one["code"] for one in document["problems"]} == {"digest-mismatch"}


def test_an_unfinished_accession_of_another_kind_is_not_taken_over(instance: Instance, source: Path) -> None:
    """What it has under way is not what the plan says."""
    planned = instance.plan(source)
    attempt = instance.attempt(source)
    accession.stop(instance.services, attempt.run, attempt.accession_id, Interrupted("enough"))
    before = instance.state()
    with pytest.raises(Conflict, match="not of this plan") as refused:
        instance.apply(planned.path)
    assert attempt.accession_id in refused.value.remedy
    assert instance.state() == before


# ---------------------------------------------------------------- files that are no plans, or not ours


def test_a_plan_of_another_instance_is_refused(instance: Instance, source: Path, tmp_path: Path) -> None:
    """Its decisions are about another catalogue."""
    planned = instance.plan(source)
    with (
        open_instance(tmp_path / "elsewhere", repository_id="elsewhere.example") as other,
        pytest.raises(Misconfigured, match=r"elsewhere\.example"),
    ):
        other.apply(planned.path)


def test_what_is_no_plan_is_refused(instance: Instance, tmp_path: Path) -> None:
    """Whether missing, of another kind, or a Parquet file of somebody else's."""
    foreign = tmp_path / "foreign.parquet"
    pq.write_table(pa.table({"path": ["a"]}), foreign)
    text = tmp_path / "text.parquet"
    text.write_text("path\na\n")
    for path in (foreign, text, tmp_path / "missing.parquet", tmp_path):
        with pytest.raises(Misconfigured) as refused:
            instance.apply(path)
        assert refused.value.remedy


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_damaged_plan_is_refused(a_plan: bytes, data: st.DataObject) -> None:
    """Whichever byte is another, and wherever it is cut short."""
    at = data.draw(st.integers(0, len(a_plan) - 1))
    damaged = bytearray(a_plan)
    if data.draw(st.booleans()):
        damaged[at] ^= data.draw(st.integers(1, 255))
    else:
        del damaged[at:]
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "plan.parquet"
        path.write_bytes(damaged)
        with pytest.raises(Misconfigured):
            open_plan(path)
