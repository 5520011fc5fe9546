"""A real clamd between the source and the world: what it says decides what becomes of files and records."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import pytest

from infra.local.clamd import clamd
from infra.local.service import launched
from pipeline.access import Withheld, withheld
from pipeline.catalogue import record_files
from pipeline.errors import Unavailable
from pipeline.ingest.intake import RING_BYTES
from pipeline.model import FileState, Outcome, ScanStatus
from pipeline.running.loopback import free_port
from pipeline.store.disk import Disk
from pipeline.store.local import LocalStore
from tests.contracts.scanners import MIB, NOISE, WINDOW, clamd_at
from tests.eicar import EICAR
from tests.instance import Instance, codes, open_instance, write_record
from tests.unit.ingest.desk import Desk
from tests.zipped import TOO_DEEP, zipped

PART = 2 * MIB
KILLED_AT = 16 * MIB
LARGE = NOISE * 5
LARGE = LARGE[: KILLED_AT + 2 * RING_BYTES]


class Clamd:
    """One that is stopped and started at will, at the same place."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._port = free_port()
        self._life = ExitStack()
        self.url = f"clamd://127.0.0.1:{self._port}"
        self.start()

    def start(self) -> None:
        self._process = self._life.enter_context(
            launched(clamd(self._folder, port=self._port), self._folder / "log")
        )

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        self._life.close()


class Noticing(Disk):
    """Does something, once, when so many bytes were written."""

    def __init__(self, place: int, act: Callable[[], None]) -> None:
        self._left = place
        self._act = act
        self._lock = threading.Lock()

    def write(self, descriptor: int, block: bytes | memoryview) -> None:
        with self._lock:
            was, self._left = self._left, self._left - len(block)
            if was > 0 >= self._left:
                self._act()
        super().write(descriptor, block)


class Pauses(list[float]):
    """What is done in the pauses between tries."""

    def __init__(self, act: Callable[[], None]) -> None:
        super().__init__()
        self._act = act

    def append(self, seconds: float) -> None:
        if not self:
            self._act()
        super().append(seconds)


@pytest.mark.parametrize("infected", [False, True])
def test_clamd_may_be_stopped_and_started_while_a_file_is_under_way(tmp_path: Path, infected: bool) -> None:
    """The worker goes on from what is durable; what was scanned is not scanned again, the rest is, with the windows
    that had no answer: the verdict is that of an undisturbed scan."""
    content = LARGE[: -len(EICAR)] + EICAR if infected else LARGE
    with closing(Clamd(tmp_path / "clamd")) as daemon:
        (tmp_path / "source").mkdir()
        disk = Noticing(KILLED_AT, daemon.kill)
        with closing(LocalStore(tmp_path / "store", disk, part_size=PART)) as store:
            desk = Desk(tmp_path / "source", store, pauses=Pauses(daemon.start))
            desk.plan("a.dat", content)
            [report] = desk.take(clamd_at(daemon.url))
        assert len(desk.pauses) == 1
        assert report.outcome.scan is not None
        assert report.outcome.scan["method"] == "windows"
        status = ScanStatus.INFECTED if infected else ScanStatus.CLEAN
        assert report.outcome.scan["status"] == status
        assert report.outcome.state is (FileState.QUARANTINED if infected else FileState.IN_CUSTODY)
        [last] = [note for note in desk.notes if note.checkpoint][-1:]
        assert last.checkpoint["scan"]["scanned"][0][0] == 0


@pytest.mark.parametrize("content", [b"small", LARGE[: 10 * MIB]], ids=["small", "large"])
def test_while_clamd_is_away_files_wait_or_are_unscanned(tmp_path: Path, content: bytes) -> None:
    """As the operator chose: the work stops until it is back and nobody is blamed, or goes on, and the report says
    what was not scanned."""
    (tmp_path / "source").mkdir()
    nowhere = f"clamd://127.0.0.1:{free_port()}"
    with closing(LocalStore(tmp_path / "store", part_size=PART)) as store:
        desk = Desk(tmp_path / "source", store)
        desk.plan("a.dat", content)
        with pytest.raises(Unavailable):
            desk.take(clamd_at(nowhere))
        assert desk.staged() == {}
        [report] = desk.take(clamd_at(nowhere, away="go-on"))
        assert desk.staged() == {"a.dat": content}
    assert report.outcome.state is FileState.IN_CUSTODY
    assert report.outcome.scan is not None
    assert report.outcome.scan["status"] == ScanStatus.UNSCANNED
    assert report.problem is not None
    assert (report.problem.outcome, report.problem.code) == (Outcome.WARNED, "not-scanned")


def test_a_collection_is_scanned_while_it_is_taken_in(tmp_path: Path, clamd_urls: tuple[str, str]) -> None:
    """Clean records are published, with the verdicts; infected ones are held; what limits kept clamd from looking into
    waits for a verdict, for that is the gate with such a scanner."""
    source = tmp_path / "survey"
    write_record(source / "clean", {"a.csv": b"1,2\n", "large.dat": LARGE[: 2 * WINDOW]})
    write_record(source / "infected", {"large.dat": LARGE[: 2 * WINDOW - 70] + EICAR})
    write_record(source / "packed", {"hidden.zip": zipped(EICAR)})
    write_record(source / "nested", {"deep.zip": TOO_DEEP})
    with open_instance(tmp_path / "home", scanner=clamd_urls[1], scan_window=WINDOW) as instance:
        document = instance.ingest(source)
        assert set(codes(document)) == {
            ("infected", "infected/large.dat", "infected"),
            ("packed", "packed/hidden.zip", "infected"),
            ("nested", "nested/deep.zip", "not-scanned"),
        }
        assert (document["held"], document["state"]) == (2, "stopped")
        assert document["reason"] == "1 records wait for a virus verdict"
        [published] = document["records"]
        with instance.services.catalogue.read() as tx:
            found = {one.key: one.scan for one in record_files.files(tx, published["id"])}
        assert {one.status for one in found.values()} == {ScanStatus.CLEAN}
        assert {key: one.method for key, one in found.items()} == {"a.csv": "stream", "large.dat": "windows"}
        assert all(one.at is not None and one.engine.startswith("ClamAV ") for one in found.values())
        # Now records wait no longer, but downloads do.
        settings = instance.services.settings.model_copy(update={"scan_gate": "serve"})
        served = Instance(replace(instance.services, settings=settings), instance.clock).ingest(source)
        [nested] = [one for one in served["records"] if one["id"] != published["id"]]
        with instance.services.catalogue.read() as tx:
            [waiting] = [one.scan for one in record_files.files(tx, nested["id"])]
        assert withheld(waiting, "serve") is Withheld.BEING_SCANNED
        assert waiting.status is ScanStatus.UNSCANNED
