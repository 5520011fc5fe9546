"""One suite for every `Mailer`: what is sent arrives, whole. And of SMTP besides: nobody else reads it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import cast

import pytest

from pipeline.dissemination import Repository
from pipeline.errors import HeadraceError, Misconfigured, Rejected, Unavailable
from pipeline.mail.folder import FolderMailer
from pipeline.mail.message import Mail, compose
from pipeline.mail.smtp import Security, SmtpMailer, SmtpServer
from pipeline.ports import Mailer
from pipeline.running.loopback import free_port
from tests.mail_server import BAD_WORD, BUSY, GONE, HOST, PASSWORD, USER, mail_server, make_certificate

REPOSITORY = Repository(
    name='Tide "Gauges", räksmörgås',
    id="tides.example.org",
    base_url="https://tides.example.org",
    admin_email="keeper@tides.example.org",
    doi_prefix="10.5072",
    doi_name="tides",
)
MAIL = Mail(
    7,
    "ida@pier.example",
    "Gauges — ready",
    ".\nGrüße\n" + "x" * 2000,
    datetime(2026, 3, 9, 14, 10, tzinfo=UTC),
)


@dataclass(frozen=True)
class Post:
    """A mailer, and what came out where its mails go."""

    mailer: Mailer
    arrived: Callable[[], list[EmailMessage]]


def _in_folder(folder: Path) -> list[EmailMessage]:
    return [
        cast("EmailMessage", message_from_bytes(path.read_bytes(), policy=policy.default))
        for path in sorted(folder.glob("*"))
    ]


@contextmanager
def _folder(tmp_path: Path) -> Iterator[Post]:
    folder = tmp_path / "new" / "mail"
    yield Post(FolderMailer(folder), lambda: _in_folder(folder))


@contextmanager
def _clear(_tmp_path: Path) -> Iterator[Post]:
    with mail_server() as server:
        yield Post(SmtpMailer(SmtpServer(HOST, server.port, Security.NONE)), lambda: list(server.received))


@contextmanager
def _starttls(tmp_path: Path) -> Iterator[Post]:
    with mail_server(certificate=make_certificate(tmp_path), with_login=True) as server:
        given = SmtpServer(HOST, server.port, Security.STARTTLS, USER, PASSWORD)
        yield Post(SmtpMailer(given), lambda: list(server.received))


@contextmanager
def _smtps(tmp_path: Path) -> Iterator[Post]:
    with mail_server(certificate=make_certificate(tmp_path), from_first_byte=True) as server:
        given = SmtpServer(HOST, server.port, Security.TLS)
        yield Post(SmtpMailer(given), lambda: list(server.received))


MAILERS = {"folder": _folder, "SMTP": _clear, "SMTP, STARTTLS": _starttls, "SMTP in TLS": _smtps}


@pytest.fixture(params=MAILERS)
def post(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Post]:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / f"{HOST}.pem"))
    with MAILERS[request.param](tmp_path) as opened:
        yield opened


def test_what_is_sent_arrives(post: Post) -> None:
    """In any script, with lines of any length, from the archive, to one address; nobody's holiday answers it."""
    post.mailer.send(compose(MAIL, REPOSITORY))
    [arrived] = post.arrived()
    assert arrived["To"] == MAIL.to
    assert arrived["From"].addresses[0].addr_spec == REPOSITORY.admin_email
    assert arrived["From"].addresses[0].display_name == REPOSITORY.name
    assert arrived["Subject"] == MAIL.subject
    assert arrived["Date"].datetime == MAIL.created
    assert arrived["Auto-Submitted"] == "auto-generated"
    assert arrived.get_content().replace("\r\n", "\n").rstrip("\n") == MAIL.text


def test_a_mail_has_one_name(post: Post) -> None:
    """However often it is sent, and no other has it."""
    for mail in (MAIL, MAIL, replace(MAIL, id=8)):
        post.mailer.send(compose(mail, REPOSITORY))
    names = [arrived["Message-ID"] for arrived in post.arrived()]
    assert len(set(names)) == 2


def test_a_mailer_says_where_mails_go(post: Post) -> None:
    """And keeps its password to itself."""
    assert post.mailer.describe()
    assert PASSWORD not in post.mailer.describe() + repr(vars(post.mailer))


def test_a_file_is_for_nobody_else(tmp_path: Path) -> None:
    """What is in a mail may let its reader in."""
    FolderMailer(tmp_path / "mail").send(compose(MAIL, REPOSITORY))
    [file] = (tmp_path / "mail").iterdir()
    assert [stat.S_IMODE(one.stat().st_mode) for one in (file, file.parent)] == [0o600, 0o700]


def test_the_name_of_a_file_outlives_the_power(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sent the mail forgets it then."""
    folder, flushed = tmp_path / "mail", []

    def note(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            flushed.extend(folder.iterdir())

    monkeypatch.setattr(os, "fsync", note)
    FolderMailer(folder).send(compose(MAIL, REPOSITORY))
    assert flushed == list(folder.iterdir())


def test_a_folder_that_cannot_be_written_to_is_away(tmp_path: Path) -> None:
    """The mail is tried again."""
    (tmp_path / "mail").write_text("in the way")
    with pytest.raises(Unavailable, match="mail"):
        FolderMailer(tmp_path / "mail").send(compose(MAIL, REPOSITORY))


@pytest.mark.parametrize(
    ("change", "kind", "told"),
    [
        ({"to": GONE}, Rejected, "gone@pier.example: 550 5.1.1 no such mailbox"),
        ({"to": BUSY}, Unavailable, "451 4.7.1 greylisted"),
        ({"subject": f"a {BAD_WORD}"}, Rejected, "554 5.7.1 spam"),
    ],
)
def test_what_a_server_refuses_is_told_in_its_words(
    change: dict[str, str], kind: type[HeadraceError], told: str
) -> None:
    """For good or for now, as it says."""
    message = compose(replace(MAIL, **change), REPOSITORY)  # type: ignore[arg-type]
    with mail_server() as server, pytest.raises(kind) as refused:
        SmtpMailer(SmtpServer(HOST, server.port, Security.NONE)).send(message)
    assert type(refused.value) is kind
    assert told in refused.value.message
    assert server.received == []


@pytest.mark.parametrize("certificate_of", [HOST, "elsewhere.example"])
@pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])
def test_a_server_that_cannot_prove_its_name_gets_nothing(
    certificate_of: str, security: Security, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a mail nor a password: one whose certificate nobody trusts, or that is another's."""
    certificate = make_certificate(tmp_path, certificate_of)
    if certificate_of != HOST:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    in_tls = security is Security.TLS
    with mail_server(certificate=certificate, from_first_byte=in_tls) as server:
        mailer = SmtpMailer(SmtpServer(HOST, server.port, security, USER, PASSWORD))
        with pytest.raises(Misconfigured, match="certificate"):
            mailer.send(compose(MAIL, REPOSITORY))
        with pytest.raises(Misconfigured):
            mailer.describe()
    assert (server.received, server.credentials) == ([], [])


def test_a_server_without_tls_gets_nothing() -> None:
    """STARTTLS that somebody in between took away is not done without."""
    with mail_server() as server:
        mailer = SmtpMailer(SmtpServer(HOST, server.port, Security.STARTTLS, USER, PASSWORD))
        with pytest.raises(Misconfigured, match="STARTTLS"):
            mailer.send(compose(MAIL, REPOSITORY))
    assert (server.received, server.credentials) == ([], [])


def test_a_wrong_password_is_the_operators_to_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told without itself."""
    certificate = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with mail_server(certificate=certificate, with_login=True) as server:
        mailer = SmtpMailer(SmtpServer(HOST, server.port, Security.STARTTLS, USER, "wrong-guess"))
        with pytest.raises(Misconfigured, match="535") as refused:
            mailer.send(compose(MAIL, REPOSITORY))
    assert "wrong-guess" not in refused.value.message + refused.value.remedy
    assert server.received == []


def test_a_server_that_is_down_is_away() -> None:
    """The mail is tried again."""
    mailer = SmtpMailer(SmtpServer(HOST, free_port(), Security.NONE))
    with pytest.raises(Unavailable, match=r"does not answer"):
        mailer.send(compose(MAIL, REPOSITORY))
