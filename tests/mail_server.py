"""A real SMTP server in a thread, and certificates for it."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pipeline.running.loopback import free_port

HOST = "localhost"
USER, PASSWORD = "archive", "a password of the archive's"
GONE, BUSY = "gone@pier.example", "busy@pier.example"
"""Whose mail is refused for good, and for now."""
BAD_WORD = "lottery"
"""In the subject of a mail it has it refused."""


@dataclass
class MailServer:
    """`port` of `HOST`; what came in, and who tried to be let in with which password."""

    port: int
    received: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    credentials: list[tuple[str, str]] = field(default_factory=list)

    async def handle_RCPT(  # noqa: N802
        self, _server: object, _session: object, envelope: Envelope, address: str, _options: object
    ) -> str:
        if address == GONE:
            return "550 5.1.1 no such\tmailbox"
        if address == BUSY:
            return "451 4.7.1 greylisted"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: object, _session: object, envelope: Envelope) -> str:  # noqa: N802
        message = cast(
            "EmailMessage", message_from_bytes(cast("bytes", envelope.content), policy=policy.default)
        )
        if BAD_WORD in message["Subject"]:
            return "554 5.7.1 spam"
        self.received.append(message)
        self.recipients += envelope.rcpt_tos
        return "250 OK"

    def authenticate(
        self, _server: object, _session: object, _envelope: object, _mechanism: str, given: Any
    ) -> AuthResult:
        pair = given.login.decode(), given.password.decode()
        self.credentials.append(pair)
        is_right = pair == (USER, PASSWORD)
        return AuthResult(success=is_right, handled=is_right)


@contextmanager
def mail_server(
    *, certificate: Path | None = None, from_first_byte: bool = False, with_login: bool = False, port: int = 0
) -> Iterator[MailServer]:
    """A server that takes mails: in clear without a `certificate` (PEM, with its key), else after STARTTLS or in TLS
    `from_first_byte`; of nobody but `USER` where it is `with_login`."""
    server = MailServer(port or free_port())
    context = None
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
    options: dict[str, object] = {}
    if with_login:
        options = {"authenticator": server.authenticate, "auth_required": True}
    if context is not None and not from_first_byte:
        options |= {"tls_context": context, "require_starttls": True}
    controller = Controller(
        server,
        hostname=HOST,
        port=server.port,
        ssl_context=context if from_first_byte else None,
        **options,  # type: ignore[arg-type]
    )
    controller.start()
    try:
        yield server
    finally:
        controller.stop()


def make_certificate(folder: Path, name: str = HOST) -> Path:
    """A certificate of a server of that name, signed by itself, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / f"{name}.pem"
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + private)
    return file
