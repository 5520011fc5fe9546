"""What a mail may say and to whom, and the message that is sent (pure)."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.headerregistry import Address
from email.message import EmailMessage

from pipeline.dissemination import Repository
from pipeline.errors import Misconfigured, Rejected

# Not every server takes more than ASCII (RFC 6152).
_POLICY = policy.SMTP.clone(cte_type="7bit")
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"({_ATOM}(?:\.{_ATOM})*)@{_LABEL}(?:\.{_LABEL})*")
# RFC 5321, section 4.5.3.1.
_LONGEST_LOCAL, _LONGEST_ADDRESS = 64, 254
_LONGEST_SUBJECT, _LONGEST_TEXT = 200, 64_000


@dataclass(frozen=True, slots=True)
class Mail:
    """Plain text to one address. `id` is never given twice."""

    id: int
    to: str
    subject: str
    text: str
    created: datetime


def address(text: str, *, field: str = "email") -> str:
    """The one form of an e-mail address: in lower case, without space around it. Raises `Rejected` for what is none, by
    RFC 5321's dot-strings in ASCII, the only ones that every server takes."""
    stripped = text.strip()
    parts = _ADDRESS.fullmatch(stripped)
    if parts is None or len(parts[1]) > _LONGEST_LOCAL or len(stripped) > _LONGEST_ADDRESS:
        raise Rejected("Not a valid email address.", field=field)
    return stripped.lower()


def one_line(text: str) -> str:
    """One line of bounded length, whatever the text is: no further header can be in it."""
    line = " ".join(_printable(text).split())
    return line if len(line) <= _LONGEST_SUBJECT else line[: _LONGEST_SUBJECT - 1] + "…"


def body(text: str) -> str:
    """Lines of bounded length together, of what can be written in UTF-8."""
    lines = "\n".join(map(_printable, text.splitlines()))
    return lines if len(lines) <= _LONGEST_TEXT else lines[:_LONGEST_TEXT] + "\n[…]"


def _printable(text: str) -> str:
    return "".join(" " if unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp") else one for one in text)


def sender(repository: Repository) -> Address:
    """Whom mails come from. Raises `Misconfigured`."""
    try:
        return Address(one_line(repository.name), addr_spec=address(repository.admin_email))
    except Rejected:
        raise Misconfigured(
            f"mails cannot come from {repository.admin_email!r}, which is no e-mail address",
            field="HEADRACE_ADMIN_EMAIL",
            remedy="set HEADRACE_ADMIN_EMAIL to an address that your mail server lets you send from",
        ) from None


def compose(mail: Mail, repository: Repository) -> EmailMessage:
    """The message of a mail, the same each time, so that whoever gets it twice can tell. Raises `Misconfigured`."""
    message = EmailMessage(policy=_POLICY)
    message["From"] = sender(repository)
    message["To"] = Address(addr_spec=mail.to)
    message["Subject"] = mail.subject
    message["Date"] = mail.created
    message["Message-ID"] = f"<{mail.created:%Y%m%dT%H%M%S%f}.{mail.id}@{repository.id}>"
    # Nobody's holiday answers it (RFC 3834).
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    return message
