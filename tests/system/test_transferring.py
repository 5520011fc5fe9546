"""Files that are being sent into drafts: how long they are leased, and what those who send hear."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.catalogue import draft_files as draft_rows
from pipeline.catalogue import drafts, transfers
from pipeline.catalogue.pending_files import AnnouncedFile
from pipeline.catalogue.tables import transfer
from pipeline.errors import Conflict, HeadraceError, OutOfSpace, Unavailable
from pipeline.ingest import arrival, deposit, draft_files, transferring
from pipeline.services import Services
from pipeline.store.local import LocalStore
from pipeline.store.transfer import MIB
from tests.archive import Archive, open_archive
from tests.command import wait_until
from tests.failing_disk import FailingDisk
from tests.system.over_http.contract.depositor import depositor


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transferring, "RENEWAL", timedelta(milliseconds=5))
    monkeypatch.setattr(transferring, "LOOK_FOR_ROOM", 0.0)


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with open_archive(tmp_path / "home") as opened:
        yield opened


@pytest.fixture
def deposit_id(archive: Archive) -> int:
    draft = depositor(archive, "ida@pier.example").create()
    with archive.services.catalogue.read() as tx:
        return drafts.get(tx, draft["id"]).deposit.id


def begun(services: Services, deposit_id: int) -> int:
    with services.catalogue.write() as tx:
        return transferring.begin(services, tx, deposit_id, "slow.csv")


def leased_until(archive: Archive, number: int) -> datetime:
    with archive.services.catalogue.read() as tx:
        return tx.execute(sa.select(transfer.c.lease_until).where(transfer.c.id == number)).scalar_one()


def test_a_lease_lasts_as_long_as_its_transfer(archive: Archive, deposit_id: int) -> None:
    """However slow that is: it is renewed in time, for which no byte has to come; and no longer."""
    number = begun(archive.services, deposit_id)
    with transferring.under_way(archive.services, number) as require:
        for _ in range(4):
            archive.clock.move(seconds=transferring.LEASE.total_seconds() - 1)
            renewed = archive.clock() + transferring.LEASE
            wait_until(lambda until=renewed: leased_until(archive, number) == until, "the lease")
        require()
    archive.clock.move(seconds=transferring.LEASE.total_seconds())
    with archive.services.catalogue.write() as tx:
        assert not transfers.are_under_way(tx, deposit_id, now=archive.clock())


def test_who_sends_hears_that_the_transfer_is_over(archive: Archive, deposit_id: int) -> None:
    """Without having asked the catalogue: the next block is refused."""
    with transferring.under_way(archive.services, begun(archive.services, deposit_id)) as require:
        require()
        with archive.services.catalogue.write() as tx:
            transfers.end_all(tx, deposit_id)

        def is_refused() -> bool:
            try:
                require()
            except Conflict:
                return True
            return False

        wait_until(is_refused, "the transfer is over")


def test_who_sends_hears_that_there_is_no_room(archive: Archive, deposit_id: int) -> None:
    """While the file comes as well: others may have taken the room that there was when it began."""
    everything = archive.services.settings.model_copy(update={"min_free": 1 << 60})
    full = replace(archive.services, settings=everything)
    with (
        transferring.under_way(full, begun(full, deposit_id)) as require,
        pytest.raises(OutOfSpace),
    ):
        require()


@pytest.mark.parametrize(("number", "told"), [(errno.ENOSPC, OutOfSpace), (errno.EIO, Unavailable)])
@pytest.mark.parametrize("size", [12 * MIB, 16 * MIB, None])
def test_who_sends_hears_that_the_disk_fails(
    archive: Archive, size: int | None, number: int, told: type[HeadraceError]
) -> None:
    """Be it in the middle or at the end, while the digests are behind: the transfer is over, and nothing stays."""
    folder = archive.services.settings.home / "store"
    draft = deposit.find(archive.services, depositor(archive, "ida@pier.example").create()["id"])
    blocks = [bytes(MIB)] * ((size or 12 * MIB) // MIB)
    before = {path for path in folder.rglob("*") if path.is_file()}
    with closing(LocalStore(folder, FailingDisk(11 * MIB, number), part_size=5 * MIB)) as store:
        services = replace(archive.services, store=store)
        with pytest.raises(told):
            arrival.receive(services, draft, "a", blocks, size=size, admitted=lambda _: None)
    assert {path for path in folder.rglob("*") if path.is_file()} == before
    with services.catalogue.read() as tx:
        assert not transfers.are_under_way(tx, draft.deposit.id, now=archive.clock())
        assert list(draft_rows.page(tx, draft.deposit.id, limit=10)) == []


def test_files_in_parts_need_room_for_all_of_them(archive: Archive) -> None:
    """Which one request announces: each alone would have it, and none is begun."""
    room = archive.services.store.room()
    assert room is not None
    half = archive.services.settings.model_copy(update={"min_free": room[0] // 2})
    size = room[0] * 3 // 10
    files = [AnnouncedFile(key, size, {}, part_size=size // 1000) for key in ("a", "b")]
    services = replace(archive.services, settings=half)
    deposition = depositor(archive, "ida@pier.example").create()
    with services.catalogue.read() as tx:
        draft = drafts.get(tx, deposition["id"])
    with pytest.raises(OutOfSpace):
        draft_files.announce(services, draft, files)
    assert list(services.store.open_uploads()) == []
