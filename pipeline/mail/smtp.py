"""Mailer that hands mails to a server, over SMTP (RFC 5321) in TLS."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from enum import StrEnum

from pipeline.errors import HeadraceError, Misconfigured, Rejected, Unavailable
from pipeline.mail.message import one_line
from pipeline.running.loopback import is_loopback_host
from pipeline.server_url import parse_server_url

_SECONDS = 30.0
_SUBMISSION, _SUBMISSION_IN_TLS = 587, 465  # RFC 8314, section 3


class Security(StrEnum):
    """How a server is spoken to: in TLS from the first byte, or after STARTTLS, its certificate verified either way; or
    in clear, on this machine alone."""

    TLS = "TLS"
    STARTTLS = "STARTTLS"
    NONE = "no TLS"


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mails are handed in, and as whom; nobody where `user` is empty."""

    host: str
    port: int
    security: Security
    user: str = ""
    password: str = field(default="", repr=False)


def parse_server(url: str, password: str) -> SmtpServer:
    """The server of `smtp://user@host:587` or `smtps://user@host:465`. Raises `Misconfigured`."""
    named = parse_server_url(url)
    if named is None or named.path:
        raise Misconfigured(
            "HEADRACE_MAIL is not of the form smtp://user@host:587 or smtps://user@host:465",
            field="HEADRACE_MAIL",
            remedy="put the password into HEADRACE_MAIL_PASSWORD, and @ in a user's name as %40",
        )
    if named.scheme == "smtps":
        security, usual = Security.TLS, _SUBMISSION_IN_TLS
    else:
        security, usual = Security.NONE if is_loopback_host(named.host) else Security.STARTTLS, _SUBMISSION
    return SmtpServer(named.host, named.port or usual, security, named.user, password)


class SmtpMailer:
    def __init__(self, server: SmtpServer) -> None:
        self._server = server

    def send(self, message: EmailMessage) -> None:
        with self._session() as session:
            session.send_message(message)

    def describe(self) -> str:
        with self._session() as session:
            session.noop()
        server = self._server
        return f"{server.host}:{server.port}, {server.security}" + (f", as {server.user}" * bool(server.user))

    @contextmanager
    def _session(self) -> Iterator[smtplib.SMTP]:
        """A connection of its own, ready to take mails; what goes wrong on it is told in our errors."""
        server = self._server
        try:
            with self._connected() as session:
                if server.security is Security.STARTTLS:
                    session.starttls(context=ssl.create_default_context())
                if server.user:
                    session.login(server.user, server.password)
                yield session
        except (OSError, smtplib.SMTPException) as error:
            raise _told(server, error) from error

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        server = self._server
        session = (
            smtplib.SMTP_SSL(server.host, server.port, timeout=_SECONDS, context=ssl.create_default_context())
            if server.security is Security.TLS
            else smtplib.SMTP(server.host, server.port, timeout=_SECONDS)
        )
        try:
            yield session
            # The mail is the server's since it said so: whatever the farewell meets, it is not sent again.
            with suppress(OSError, smtplib.SMTPException):
                session.quit()
        finally:
            session.close()


def _told(server: SmtpServer, error: Exception) -> HeadraceError:
    """Whether trying again may help is the server's word: 5xx is for good, 4xx for now (RFC 5321, section 4.2.1)."""
    where = f"the mail server {server.host}:{server.port}"
    match error:
        case smtplib.SMTPRecipientsRefused():
            [(to, (code, reason)), *_] = error.recipients.items()
            return _answered(f"{where} refuses {to}", code, reason, Rejected)
        case smtplib.SMTPAuthenticationError():
            return _answered(
                f"{where} does not let {server.user} in", error.smtp_code, error.smtp_error, Misconfigured
            )
        case smtplib.SMTPSenderRefused():
            return _answered(
                f"{where} refuses the sender {error.sender}", error.smtp_code, error.smtp_error, Misconfigured
            )
        case smtplib.SMTPDataError():
            return _answered(f"{where} refuses a mail", error.smtp_code, error.smtp_error, Rejected)
        case smtplib.SMTPNotSupportedError() | ssl.SSLCertVerificationError():
            return Misconfigured(
                f"{where} cannot be trusted with mails: {error}",
                field="HEADRACE_MAIL",
                remedy="name it as its certificate does; SSL_CERT_FILE names the certificates of an authority of your "
                "own",
            )
    return Unavailable(
        f"{where} does not answer: {error}", remedy="start the mail server, or correct HEADRACE_MAIL"
    )


def _answered(what: str, code: int, reason: bytes | str, for_good: type[HeadraceError]) -> HeadraceError:
    words = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else reason
    kind = for_good if code >= 500 else Unavailable
    return kind(
        f"{what}: {code} {one_line(words)}",
        remedy="correct HEADRACE_MAIL, HEADRACE_MAIL_PASSWORD or HEADRACE_ADMIN_EMAIL"
        if kind is Misconfigured
        else "",
    )
