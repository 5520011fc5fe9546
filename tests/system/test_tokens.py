"""`headrace user` and `headrace token`, as operators use them."""

import json
from datetime import UTC, datetime
from pathlib import Path

from pipeline import dispatch
from pipeline.catalogue import accounts
from pipeline.model import EffectKind
from pipeline.people import signing_in
from tests.archive import open_archive
from tests.command import Instance


def test_tokens_are_made_listed_and_revoked(tmp_path: Path) -> None:
    """A token is printed alone and only once, lists show what it was made for and never its text, a revoked one speaks
    for nobody; a scope that does not exist is refused, with those that do."""
    instance = Instance(tmp_path / "home")
    assert instance.run("user", "create", "admin@pier.example", "--admin").code == 0
    usual = instance.run("token", "create", "--user", "ida@pier.example").out.strip()
    signing = instance.run(
        "token", "create", "--user", "ida@pier.example", "--scope", "tokens:generate"
    ).out.strip()
    refused = instance.run("token", "create", "--user", "bo@pier.example", "--scope", "deposit:read")
    assert (refused.code, refused.out) == (2, "")
    assert "tokens:generate" in refused.err
    people = instance.run("user", "list", "--json").report["items"]
    assert [(one["id"], one["email"], one["admin"]) for one in people] == [
        (1, "admin@pier.example", True),
        (2, "ida@pier.example", False),
    ]
    listed = instance.run("token", "list", "--user", "ida@pier.example", "--json")
    assert [one["scopes"] for one in listed.report["items"]] == [
        ["deposit:actions", "deposit:write", "user:email"],
        ["tokens:generate"],
    ]
    assert not any(text.split("_", 2)[2] in listed.out for text in (usual, signing))
    first, second = (one["id"] for one in listed.report["items"])
    assert instance.run("token", "revoke", str(first), "--json").report["revoked"] is not None
    assert instance.run("token", "revoke", "77").code == 2
    assert instance.run("token", "list", "--user", "bo@pier.example").code == 2
    with open_archive(tmp_path / "home") as archive, archive.services.catalogue.read() as tx:
        found = accounts.verify_token(tx, signing)
        assert found is not None
        assert found.id == second
        assert accounts.verify_token(tx, usual) is None
    assert _noted(tmp_path / "home") == [
        ("account-made", 1), ("account-made", 2), ("token-made", 2), ("token-made", 2), ("token-revoked", 2),
    ]  # fmt: skip


def _noted(home: Path) -> list[tuple[str, int]]:
    """The security events, and whose account it was done to; all by an operator, on the command line."""
    lines = (home / "logs" / "security.log").read_text(encoding="ascii").splitlines()
    events = [json.loads(line) for line in lines]
    assert {(one["from"], one["account"]) for one in events} == {("command line", None)}
    return [(one["event"], one["of"]) for one in events]


def test_operators_give_passwords(tmp_path: Path) -> None:
    """From stdin where nobody sits at a terminal, or by a link that is mailed; to who has an account."""
    instance = Instance(tmp_path / "home")
    assert instance.run("user", "create", "ida@pier.example", "--invite").code == 0
    assert instance.run("user", "create", "no address").code == 2
    set_ = instance.run("user", "password", "ida@pier.example", stdin="moored at the northern pier\n")
    assert (set_.code, set_.out) == (0, "")
    assert instance.run("user", "password", "ida@pier.example", stdin="short\n").code == 2
    assert instance.run("user", "password", "jo@pier.example", stdin="moored at the pier\n").code == 2
    assert instance.run("user", "password", "ida@pier.example", "--mail").code == 0
    with open_archive(tmp_path / "home") as archive:
        archive.clock.now = datetime.now(UTC)
        services = archive.services
        assert signing_in.sign_in(services, "ida@pier.example", "moored at the northern pier")
        dispatch.drain(services, [EffectKind.MAIL])
    mailed = [one.read_text(encoding="ascii") for one in (tmp_path / "home" / "mail").iterdir()]
    assert sum("/lost-password/" in one and "works once" in one for one in mailed) == 2


def test_v7_operators_disable_accounts(tmp_path: Path) -> None:
    """And enable them again, and end sessions; each is in the log of security events."""
    instance = Instance(tmp_path / "home")
    assert instance.run("user", "create", "ida@pier.example").code == 0
    text = instance.run("token", "create", "--user", "ida@pier.example").out.strip()
    assert instance.run("user", "disable", "ida@pier.example").code == 0
    assert instance.run("user", "disable", "jo@pier.example").code == 2
    [shown] = instance.run("user", "list", "--json").report["items"]
    assert shown["disabled"] is True
    with open_archive(tmp_path / "home") as archive, archive.services.catalogue.read() as tx:
        assert accounts.verify_token(tx, text) is None
    assert instance.run("user", "enable", "ida@pier.example").code == 0
    assert instance.run("user", "signout", "ida@pier.example").code == 0
    assert instance.run("user", "signout", "--all").code == 0
    assert instance.run("user", "signout").code == 2
    with open_archive(tmp_path / "home") as archive, archive.services.catalogue.read() as tx:
        assert accounts.verify_token(tx, text) is not None
    log = tmp_path / "home" / "logs" / "security.log"
    assert _noted(tmp_path / "home") == [
        ("account-made", 1), ("token-made", 1), ("account-disabled", 1), ("account-enabled", 1),
        ("sessions-ended", 1), ("sessions-ended", 1),
    ]  # fmt: skip
    assert log.stat().st_mode & 0o077 == 0
