"""Mails that are to be sent, on SQLite and on PostgreSQL."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pipeline.catalogue import Catalogue, mails, outbox
from pipeline.errors import Rejected
from pipeline.mail.message import Mail
from pipeline.model import EffectKind
from tests.contracts.rows import NOW


def due(catalogue: Catalogue) -> list[int]:
    with catalogue.write() as tx:
        claims = outbox.claim(
            tx, EffectKind.MAIL, now=NOW, owner="one", lease=timedelta(minutes=5), limit=100
        )
        return [one.record_id for one in claims]


def test_a_mail_is_wanted_with_what_gives_cause_for_it(catalogue: Catalogue) -> None:
    """It is due once that is committed, and is not where it is not; sent, nothing of it is kept, not even its id."""
    with catalogue.write() as tx:
        mails.want(tx, to="ida@pier.example", subject="Never", text="This is not so.", now=NOW)
        tx.rollback()
    with catalogue.write() as tx:
        mails.want(tx, to=" Ida@Pier.example ", subject="Gauges", text="are\nready", now=NOW)
    [mail_id] = due(catalogue)
    with catalogue.write() as tx:
        assert mails.find(tx, mail_id) == Mail(mail_id, "ida@pier.example", "Gauges", "are\nready", NOW)
        mails.forget(tx, mail_id)
        assert mails.find(tx, mail_id) is None
        mails.want(tx, to="ida@pier.example", subject="Gauges", text="again", now=NOW)
    assert mail_id not in due(catalogue)


def test_whatever_others_wrote_a_mail_can_be_kept_and_sent(catalogue: Catalogue) -> None:
    """No further header, no further mail, nothing that a database does not take, and not too much of it."""
    with catalogue.write() as tx:
        mails.want(
            tx,
            to="ida@pier.example",
            subject="Hi\r\nBcc: all@pier.example\0\ud800 " + "x" * 500,
            text="\0\ud800one\u2028two" + "x" * 100_000,
            now=NOW,
        )
    with catalogue.read() as tx:
        mail = mails.find(tx, due(catalogue)[0])
    assert mail is not None
    assert mail.subject.startswith("Hi Bcc: all@pier.example x")
    assert mail.subject.isprintable()
    assert len(mail.subject) == 200
    assert mail.text.startswith("  one\ntwox")
    assert len(mail.text) < 65_000


@pytest.mark.parametrize("to", ["", "ida", "ida@pier.example\r\nBcc: all@pier.example", "a@b,c@d"])
def test_a_mail_goes_to_one_address(catalogue: Catalogue, to: str) -> None:
    """What is none is refused before anything is written."""
    with catalogue.write() as tx, pytest.raises(Rejected) as refused:
        mails.want(tx, to=to, subject="Gauges", text="", now=NOW)
    assert refused.value.field == "email"
    assert due(catalogue) == []
