"""What is an address, and what a mail is made of."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import Misconfigured, Rejected
from pipeline.mail import message
from pipeline.mail.message import Mail
from tests.strategies import REPOSITORY

MAIL = Mail(1, "ida@pier.example", "Gauges", "ready", datetime(2026, 3, 9, tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ida@pier.example", "ida@pier.example"),
        (" Ida.Marlow+Tides@Pier.EXAMPLE\n", "ida.marlow+tides@pier.example"),
        ("o'neill@xn--rksmrgs-5wao1o.example", "o'neill@xn--rksmrgs-5wao1o.example"),
        ("root@localhost", "root@localhost"),
        ("a" * 64 + "@pier.example", "a" * 64 + "@pier.example"),
    ],
)
def test_an_address_has_one_form(text: str, found: str) -> None:
    """In lower case, without space around it."""
    assert message.address(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "", "@", "ida", "ida@", "@pier.example", "ida@@pier.example", "ida@pier..example", "ida@-pier.example",
        ".ida@pier.example", "ida.@pier.example", "ida marlow@pier.example", '"ida"@pier.example',
        "Ida <ida@pier.example>", "ida@pier.example,jo@pier.example", "ida@pier.example;", "ida@[127.0.0.1]",
        "ida@pier.example\nBcc: jo@pier.example", "ida\0@pier.example", "ıda@pier.example", "ida@räk.example",
        "a" * 65 + "@pier.example", "ida@" + "a" * 64 + ".example", "ida@" + "a." * 130 + "example",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(text: str) -> None:
    """By the name of the field that it came in."""
    with pytest.raises(Rejected) as refused:
        message.address(text, field="who")
    assert refused.value.field == "who"


@given(subject=st.text(), text=st.text(), name=st.text())
def test_nothing_that_is_written_becomes_a_header(subject: str, text: str, name: str) -> None:
    """Whatever others wrote, a message has the headers that we gave it, and can be sent."""
    mail = replace(MAIL, subject=message.one_line(subject), text=message.body(text))
    sent = message.compose(mail, replace(REPOSITORY, name=name)).as_bytes()
    head = sent.partition(b"\r\n\r\n")[0]
    names = [line.partition(b":")[0] for line in head.split(b"\r\n") if not line.startswith((b" ", b"\t"))]
    assert names == [
        b"From", b"To", b"Subject", b"Date", b"Message-ID", b"Auto-Submitted", b"Content-Type",
        b"Content-Transfer-Encoding", b"MIME-Version",
    ]  # fmt: skip
    assert sent.isascii()


def test_mails_come_from_an_address() -> None:
    """What is none is the operator's to mend."""
    with pytest.raises(Misconfigured) as refused:
        message.compose(MAIL, replace(REPOSITORY, admin_email="the keeper"))
    assert refused.value.field == "HEADRACE_ADMIN_EMAIL"
