"""Where mails are handed in, by the setting."""

from __future__ import annotations

import pytest

from pipeline.errors import Misconfigured
from pipeline.mail.smtp import Security, SmtpServer, parse_server


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example", SmtpServer("mail.example", 587, Security.STARTTLS, "", "pw")),
        ("smtp://mail.example:25/", SmtpServer("mail.example", 25, Security.STARTTLS, "", "pw")),
        ("smtps://ida%40x@mail.example", SmtpServer("mail.example", 465, Security.TLS, "ida@x", "pw")),
        ("smtp://127.0.0.1:25", SmtpServer("127.0.0.1", 25, Security.NONE, "", "pw")),
        ("smtp://[::1]:25", SmtpServer("::1", 25, Security.NONE, "", "pw")),
        ("smtp://localhost.example", SmtpServer("localhost.example", 587, Security.STARTTLS, "", "pw")),
        ("smtps://localhost", SmtpServer("localhost", 465, Security.TLS, "", "pw")),
    ],
)
def test_beyond_this_machine_a_server_is_spoken_to_in_tls(url: str, server: SmtpServer) -> None:
    """Whatever its port; on this machine it may go without."""
    assert parse_server(url, "pw") == server


@pytest.mark.parametrize(
    "url",
    ["smtp:", "smtp://", "smtp://me:secret@mail.example", "smtp://mail.example:port", "smtp://mail.example/x",
     "smtp://mail.example?tls=no"],
)  # fmt: skip
def test_what_is_no_server_is_refused(url: str) -> None:
    """A password has a setting of its own, and is not told."""
    with pytest.raises(Misconfigured) as refused:
        parse_server(url, "pw")
    assert refused.value.field == "HEADRACE_MAIL"
    assert "secret" not in str(refused.value) + refused.value.remedy
