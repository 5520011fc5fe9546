"""Handler of the *mail* effect: hand mails to the mailer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.catalogue import mails
from pipeline.errors import HeadraceError
from pipeline.mail.message import compose
from pipeline.services import Services


def send(services: Services, mail_ids: Sequence[int]) -> Mapping[int, HeadraceError]:
    """Send mails, and forget each at once that was taken: whoever is killed in between sends that one again, under the
    same Message-ID, and no other. What failed, by id."""
    failed: dict[int, HeadraceError] = {}
    for mail_id in mail_ids:
        with services.catalogue.read() as tx:
            mail = mails.find(tx, mail_id)
        if mail is None:
            continue
        try:
            services.mailer.send(compose(mail, services.repository))
        except HeadraceError as error:
            failed[mail_id] = error
            continue
        with services.catalogue.write() as tx:
            mails.forget(tx, mail_id)
    return failed
