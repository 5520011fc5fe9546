"""People and their tokens, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa

from pipeline.catalogue import Catalogue, accounts, identities, quotas, tables
from pipeline.errors import Conflict, Missing, Unavailable
from pipeline.ports import Identity
from tests.contracts.rows import NOW


def test_a_token_speaks_for_its_account(catalogue: Catalogue) -> None:
    """With its scopes; addresses are compared without regard to case. What is no scope is refused."""
    with catalogue.write() as tx:
        account = accounts.create_account(tx, " Ida@Pier.example ", admin=True, now=NOW)
        text = accounts.create_token(tx, account, ["deposit:write"], now=NOW)
    with catalogue.read() as tx:
        bearer = accounts.verify_token(tx, text)
        assert bearer is not None
        assert bearer.account == accounts.find_account(tx, "ida@pier.EXAMPLE") == account
        assert (account.email, account.admin, bearer.scopes) == ("ida@pier.example", True, ("deposit:write",))
    with catalogue.write() as tx, pytest.raises(ValueError, match="deposit:read"):
        accounts.create_token(tx, account, ["deposit:read"], now=NOW)


def test_who_holds_an_allowance_holds_up_nothing_else_of_its_account(
    catalogue: Catalogue, database_url: str
) -> None:
    """But whoever takes something out of it. SQLite has one writer anyway."""
    with catalogue.write() as tx:
        account = accounts.create_account(tx, "ida@pier.example", admin=False, now=NOW)
    if database_url.startswith("sqlite"):
        return
    soon = sa.text("SET LOCAL lock_timeout = '200ms'")

    def take() -> None:
        with catalogue.write() as another:
            another.execute(soon)
            quotas.lock_account(another, account.id)

    with catalogue.write() as tx:
        quotas.lock_account(tx, account.id)
        with catalogue.write() as another:
            another.execute(soon)
            accounts.create_token(another, account, [], now=NOW)
        with pytest.raises(Unavailable, match="lock timeout"):
            take()


def test_only_a_hash_of_a_token_is_kept(catalogue: Catalogue) -> None:
    """Whoever reads the database cannot speak for anybody."""
    with catalogue.write() as tx:
        account = accounts.create_account(tx, "ida@pier.example", admin=False, now=NOW)
        text = accounts.create_token(tx, account, [], now=NOW)
        secret = text.split("_", 2)[2]
        assert secret not in str(tx.execute(sa.select(tables.token)).all())


@pytest.mark.parametrize(
    "spoil",
    [
        str.upper,
        lambda text: text[:-1],
        lambda text: text + "x",
        lambda text: text + "\n",
        lambda text: text.replace("hr_", "hr_\0"),
        lambda _: "",
    ],
)
def test_a_wrong_token_speaks_for_nobody(catalogue: Catalogue, spoil: Callable[[str], str]) -> None:
    """Nor does a revoked one."""
    with catalogue.write() as tx:
        account = accounts.create_account(tx, "ida@pier.example", admin=False, now=NOW)
        text = accounts.create_token(tx, account, [], now=NOW)
        assert accounts.verify_token(tx, spoil(text)) is None
        assert accounts.verify_token(tx, text) is not None
        accounts.revoke_token(tx, accounts.list_tokens(tx)[0].id, now=NOW)
        assert accounts.verify_token(tx, text) is None


def test_what_is_known_of_a_token_at_a_glance_is_what_is_so_now(
    catalogue: Catalogue, database_url: str
) -> None:
    """Its owner may have been disabled just before, or the token revoked. Over a network nothing is known so."""
    with catalogue.write() as tx:
        account = accounts.create_account(tx, "ida@pier.example", admin=True, now=NOW)
        text = accounts.create_token(tx, account, ["deposit:write"], now=NOW, name="Ida's")
        accounts.note_use(tx, accounts.list_tokens(tx)[0].id, now=NOW)
    with catalogue.read() as tx:
        known = accounts.verify_token(tx, text)
    assert known is not None
    assert accounts.verify_at_a_glance(catalogue, text + "x") is None
    assert accounts.verify_at_a_glance(catalogue, "hr_") is None
    if not database_url.startswith("sqlite"):
        assert accounts.verify_at_a_glance(catalogue, text) is None
        return
    assert accounts.verify_at_a_glance(catalogue, text) == known
    with catalogue.write() as tx:
        accounts.disable(tx, account, now=NOW)
    assert accounts.verify_at_a_glance(catalogue, text) is None
    with catalogue.write() as tx:
        accounts.enable(tx, account)
    with catalogue.write() as tx:
        accounts.revoke_token(tx, known.id, now=NOW)
        assert accounts.verify_at_a_glance(catalogue, text) == known, "it is not committed yet"
    assert accounts.verify_at_a_glance(catalogue, text) is None


def test_a_token_is_revoked_once(catalogue: Catalogue) -> None:
    """Revoking it again changes nothing; the account's other tokens stay, and one that does not exist is told."""
    with catalogue.write() as tx:
        account = accounts.create_account(tx, "ida@pier.example", admin=False, now=NOW)
        for _ in range(2):
            accounts.create_token(tx, account, [], now=NOW)
        first, second = accounts.list_tokens(tx, account)
        accounts.revoke_token(tx, first.id, now=NOW)
        accounts.revoke_token(tx, first.id, now=NOW + timedelta(days=1))
        assert [one.revoked for one in accounts.list_tokens(tx)] == [NOW, None]
        with pytest.raises(Missing):
            accounts.revoke_token(tx, second.id + 1, now=NOW)


def test_the_use_of_a_token_is_noted_once_a_minute(catalogue: Catalogue) -> None:
    """The first use is due to be noted, and then the next one that is a minute later."""
    with catalogue.write() as tx:
        account = accounts.create_account(tx, "ida@pier.example", admin=False, now=NOW)
        accounts.create_token(tx, account, [], now=NOW)
        [fresh] = accounts.list_tokens(tx)
        accounts.note_use(tx, fresh.id, now=NOW)
        [used] = accounts.list_tokens(tx)
    assert used.last_used == NOW
    assert accounts.use_is_due(fresh.last_used, now=NOW)
    later = [timedelta(seconds=seconds) for seconds in (0, 59, 60)]
    assert [accounts.use_is_due(used.last_used, now=NOW + span) for span in later] == [False, False, True]


def test_the_key_of_a_token_that_signs_is_found_again(catalogue: Catalogue) -> None:
    """It is the token's text, in tokens that were made to sign and are not revoked, though no row has it."""
    with catalogue.write() as tx:
        account = accounts.create_account(tx, "ida@pier.example", admin=False, now=NOW)
        texts = [accounts.create_token(tx, account, ["tokens:generate"], now=NOW) for _ in range(2)]
        accounts.create_token(tx, account, ["deposit:write"], now=NOW)
        ids = [one.id for one in accounts.list_tokens(tx)]
        signers = [accounts.find_signer(tx, one) for one in ids]
        assert [one and one.key for one in signers] == [*texts, None]
        for text in texts:
            assert text.split("_", 2)[2] not in str(tx.execute(sa.select(tables.token)).all())
        accounts.revoke_token(tx, ids[0], now=NOW)
        assert accounts.find_signer(tx, ids[0]) is None
        assert accounts.find_signer(tx, max(ids) + 1) is None


def test_an_address_has_one_account(catalogue: Catalogue) -> None:
    """A second one is refused."""
    with catalogue.write() as tx:
        accounts.create_account(tx, "ida@pier.example", admin=False, now=NOW)
        with pytest.raises(Conflict):
            accounts.create_account(tx, "IDA@pier.example", admin=False, now=NOW)


def test_two_at_once_make_one_account(catalogue: Catalogue) -> None:
    """Whoever comes second is told of the first."""

    def make(_: int) -> bool:
        try:
            with catalogue.write() as tx:
                accounts.create_account(tx, "ida@pier.example", admin=False, now=NOW)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(2) as both:
        assert sorted(both.map(make, range(2))) == [False, True]


def test_an_identity_is_connected_once(catalogue: Catalogue) -> None:
    """With one account, which has no other of the same provider; until it was disconnected."""
    who, other = (Identity("https://id.example", subject) for subject in ("0000-0001", "0000-0002"))
    with catalogue.write() as tx:
        ida, jo = (
            accounts.create_account(tx, f"{name}@pier.example", admin=False, now=NOW)
            for name in ("ida", "jo")
        )
        identities.connect(tx, ida, who, now=NOW)
        with pytest.raises(Conflict):
            identities.connect(tx, jo, who, now=NOW)
        with pytest.raises(Conflict):
            identities.connect(tx, ida, other, now=NOW)
        assert identities.find_account(tx, who) == ida
        identities.disconnect(tx, ida, who.issuer)
        assert identities.find_account(tx, who) is None
        identities.connect(tx, ida, other, now=NOW)
        assert identities.find_account(tx, other) == ida
