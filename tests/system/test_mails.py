"""Mails go out after the commit that gave cause for them, once, and as often as it takes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pipeline import dispatch
from pipeline.catalogue import mails, outbox
from pipeline.model import EffectKind
from pipeline.running.loopback import free_port
from pipeline.services import Services
from tests.archive import Archive, open_archive
from tests.mail_server import BUSY, GONE, HOST, mail_server

IDA = "ida@pier.example"


def want(archive: Archive, *recipients: str) -> None:
    with archive.services.catalogue.write() as tx:
        for number, to in enumerate(recipients):
            mails.want(tx, to=to, subject=f"Gauges {number}", text="ready", now=archive.clock())


def drain(services: Services) -> dispatch.Drained:
    return dispatch.drain(services, [EffectKind.MAIL])


def parked(archive: Archive) -> list[outbox.Parked]:
    with archive.services.catalogue.read() as tx:
        return outbox.parked(tx)


def test_two_dispatchers_send_a_mail_once(tmp_path: Path) -> None:
    """None is sent by both, none is left."""
    with mail_server() as server:
        url = f"smtp://{HOST}:{server.port}"
        with open_archive(tmp_path / "home", mail=url) as archive, ThreadPoolExecutor(2) as both:
            want(archive, *[IDA] * 20)
            list(both.map(drain, [archive.services] * 2))
    assert sorted(one["Subject"] for one in server.received) == sorted(f"Gauges {n}" for n in range(20))


def test_who_is_refused_keeps_nobody_else_waiting(tmp_path: Path) -> None:
    """What is refused for good is parked at once with the server's words, what is refused for now is tried again."""
    with mail_server() as server:
        url = f"smtp://{HOST}:{server.port}"
        with open_archive(tmp_path / "home", mail=url) as archive:
            want(archive, GONE, BUSY, IDA)
            drained = drain(archive.services)
            assert drained.done == drained.parked == drained.put_off == {EffectKind.MAIL: 1}
            [left] = parked(archive)
            assert f"refuses {GONE}: 550" in left.error
            archive.clock.move(seconds=3)
            assert drain(archive.services).put_off == {EffectKind.MAIL: 1}
    assert server.recipients == [IDA]


def test_a_server_that_is_away_is_waited_for_and_given_up_after_days(tmp_path: Path) -> None:
    """With ever longer waits; what comes back in time gets the mail, and what does not parks it with a cause."""
    port = free_port()
    with open_archive(tmp_path / "home", mail=f"smtp://{HOST}:{port}") as archive:
        want(archive, IDA)
        assert drain(archive.services).put_off == {EffectKind.MAIL: 1}
        assert not drain(archive.services).put_off
        archive.clock.move(seconds=3)
        with mail_server(port=port) as server:
            assert drain(archive.services).done == {EffectKind.MAIL: 1}
            assert len(server.received) == 1
        want(archive, IDA)
        assert _hours_until_parked(archive) > 24
        [left] = parked(archive)
        assert "does not answer" in left.error


def _hours_until_parked(archive: Archive) -> int:
    for hours in range(100):
        if drain(archive.services).parked:
            return hours
        archive.clock.move(hours=1)
    return 0


def test_without_a_server_mails_are_files_at_home(tmp_path: Path) -> None:
    """One for each, which mail programs open."""
    with open_archive(tmp_path / "home") as archive:
        want(archive, IDA, GONE)
        assert drain(archive.services).done == {EffectKind.MAIL: 2}
    files = sorted((tmp_path / "home" / "mail").glob("*.eml"))
    assert [b"Subject: Gauges %d\r\n" % n in file.read_bytes() for n, file in enumerate(files)] == [True] * 2


def test_a_mail_that_went_out_is_not_sent_again(tmp_path: Path) -> None:
    """Whoever sent it was killed before the effect could be settled: the next dispatcher finds nothing to send."""
    with open_archive(tmp_path / "home") as archive:
        want(archive, IDA)
        drain(archive.services)
        with archive.services.catalogue.write() as tx:
            outbox.want(tx, [(EffectKind.MAIL, 1)], now=archive.clock())
        [file] = (tmp_path / "home" / "mail").iterdir()
        file.unlink()
        assert drain(archive.services).done == {EffectKind.MAIL: 1}
    assert list((tmp_path / "home" / "mail").iterdir()) == []
