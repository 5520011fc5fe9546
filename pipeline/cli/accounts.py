"""`headrace user` and `headrace token`."""

from __future__ import annotations

import sys
from datetime import datetime

import click
from rich.markup import escape

from pipeline import codec, wiring
from pipeline.access import TokenScope
from pipeline.catalogue import accounts
from pipeline.catalogue.accounts import Account, Token
from pipeline.cli.console import json_option, out, print_json, say, table
from pipeline.errors import Missing
from pipeline.model import JsonObject
from pipeline.people import signing_in, tokens
from pipeline.running import logs
from pipeline.security_events import coming_from
from pipeline.services import Services
from pipeline.settings import load_settings

_USUAL = (TokenScope.DEPOSIT_WRITE, TokenScope.DEPOSIT_ACTIONS, TokenScope.USER_EMAIL)


@click.group()
@click.pass_context
def user(context: click.Context) -> None:
    """People who deposit and administer."""
    _keep_events(context)


def _keep_events(context: click.Context) -> None:
    """What the command does about accounts is a security event."""
    logs.keep_security_events(load_settings().home / "logs")
    context.with_resource(coming_from("command line"))


@user.command("create")
@click.argument("email")
@click.option("--admin", is_flag=True, help="May do everything.")
@click.option("--invite", is_flag=True, help="Mail a link to choose a password by, which lasts for a week.")
def create_user(email: str, admin: bool, invite: bool) -> None:  # noqa: FBT001
    """Make an account for EMAIL."""
    with wiring.open_services(load_settings()) as services:
        made = signing_in.make_account(services, email, admin=admin)
        if invite:
            signing_in.invite(services, made)
    say(f"account {made.id} for {made.email}" + (", who is mailed a link" if invite else ""))


@user.command("password")
@click.argument("email")
@click.option("--mail", "by_mail", is_flag=True, help="Mail a link to choose one by, which lasts for a week.")
def set_password(email: str, by_mail: bool) -> None:  # noqa: FBT001
    """Give EMAIL a password to sign in with, asked for twice, or read from stdin where that is no terminal.

    \b
    Example:
      headrace user password ida@example.org
    """
    with wiring.open_services(load_settings()) as services:
        account = _known(services, email)
        if by_mail:
            signing_in.invite(services, account)
            say(f"a link is on its way to {account.email}")
        else:
            signing_in.give_password(services, account, _ask_password())
            say(f"{account.email} has a new password; who was signed in with the old one is no more")


def _known(services: Services, email: str) -> Account:
    with services.catalogue.read() as tx:
        account = accounts.find_account(tx, email)
    if account is None:
        raise Missing(f"{email} has no account", remedy="`headrace user create` makes one")
    return account


@user.command("disable")
@click.argument("email")
def disable_user(email: str) -> None:
    """Let nobody in for EMAIL any more, at once: sessions and mailed links are over, tokens speak for nobody. Published
    records and what was shared stay as they are."""
    with wiring.open_services(load_settings()) as services:
        account = _known(services, email)
        signing_in.disable(services, account)
    say(f"{account.email} is let in no more; `headrace user enable` takes that back")


@user.command("enable")
@click.argument("email")
def enable_user(email: str) -> None:
    """Let EMAIL in again; tokens that were not revoked speak for them as before."""
    with wiring.open_services(load_settings()) as services:
        account = _known(services, email)
        signing_in.enable(services, account)
    say(f"{account.email} is let in again")


@user.command("signout")
@click.argument("email", required=False, default="")
@click.option("--all", "everybody", is_flag=True, help="Of all accounts.")
def sign_out_user(email: str, everybody: bool) -> None:  # noqa: FBT001
    """End all sessions of EMAIL: whoever is signed in has to sign in again. Tokens go on."""
    if bool(email) == everybody:
        raise click.UsageError("name an account, or give --all")
    with wiring.open_services(load_settings()) as services:
        if everybody:
            with services.catalogue.read() as tx:
                chosen = [one for one, _ in accounts.list_accounts(tx)]
        else:
            chosen = [_known(services, email)]
        for account in chosen:
            signing_in.sign_out_everywhere(services, account)
    say("all are signed out" if everybody else f"{email} is signed out")


def _ask_password() -> str:
    if sys.stdin.isatty():
        asked: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        return asked
    return sys.stdin.readline().rstrip("\r\n")


@user.command("list")
@json_option
def list_users(as_json: bool) -> None:  # noqa: FBT001
    """Show all accounts. The number is what the deposit API calls `owner`."""
    with wiring.open_services(load_settings()) as services, services.catalogue.read() as tx:
        found = accounts.list_accounts(tx)
    if as_json:
        print_json({"items": [_account_json(one, created) for one, created in found]})
        return
    rows = table("email", "id", "admin", "since", "disabled")
    for one, created in found:
        rows.add_row(
            one.email,
            str(one.id),
            "yes" if one.admin else "",
            f"{created:%Y-%m-%d}",
            "yes" if one.disabled else "",
        )
    out.print(rows)


@click.group()
@click.pass_context
def token(context: click.Context) -> None:
    """Personal access tokens for the API."""
    _keep_events(context)


@token.command("create")
@click.option(
    "--user", "email", required=True, metavar="EMAIL", help="Whose token; the account is made if new."
)
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice([scope.value for scope in TokenScope]),
    help=f"Repeatable; default: all but {TokenScope.TOKENS_GENERATE}.",
)
def create_token(email: str, scopes: tuple[str, ...]) -> None:
    """Make a token and print it, alone, on stdout. It is shown only this once.

    A token does what its scopes say: deposit:write creates, changes and deletes drafts and their files,
    deposit:actions publishes, edits, discards and makes new versions, user:email tells the address, tokens:generate
    signs short-lived tokens for single files of drafts. Reading needs no scope.

    \b
    Example:
      TOKEN=$(headrace token create --user ida@example.org --scope deposit:write)
    """
    with wiring.open_services(load_settings()) as services:
        text = tokens.issue(services, email, scopes or _USUAL)
    sys.stdout.write(text + "\n")


@token.command("list")
@click.option("--user", "email", default="", metavar="EMAIL", help="Only those of this account.")
@json_option
def list_tokens(email: str, as_json: bool) -> None:  # noqa: FBT001
    """Show tokens, without their secrets: what they were made for, when they were used last, which are revoked."""
    with wiring.open_services(load_settings()) as services, services.catalogue.read() as tx:
        account = accounts.find_account(tx, email) if email else None
        if email and account is None:
            raise Missing(f"{email} has no account", remedy="`headrace user list` shows all")
        found = accounts.list_tokens(tx, account)
    if as_json:
        print_json({"items": [_token_json(one) for one in found]})
        return
    rows = table("id", "user", "name", "scopes", "created", "last used", "revoked")
    for one in found:
        rows.add_row(
            str(one.id),
            one.account.email,
            escape(one.name),
            " ".join(one.scopes),
            _minute(one.created),
            _minute(one.last_used) or "never",
            _minute(one.revoked),
        )
    out.print(rows)


@token.command("revoke")
@click.argument("token_id", metavar="ID", type=int)
@json_option
def revoke_token(token_id: int, as_json: bool) -> None:  # noqa: FBT001
    """Revoke the token that `headrace token list` shows as ID, for good and at once."""
    with wiring.open_services(load_settings()) as services:
        revoked = tokens.revoke(services, token_id, by=None)
    if as_json:
        print_json(_token_json(revoked))
    else:
        say(f"token {revoked.id} of {revoked.account.email} is revoked")


def _account_json(one: Account, created: datetime) -> JsonObject:
    return {
        "id": one.id,
        "email": one.email,
        "admin": one.admin,
        "disabled": one.disabled,
        "created": codec.time_to_json(created),
    }


def _token_json(one: Token) -> JsonObject:
    return {
        "id": one.id,
        "user": one.account.email,
        "name": one.name,
        "scopes": list(one.scopes),
        "created": codec.time_to_json(one.created),
        "last_used": codec.time_to_json(one.last_used) if one.last_used else None,
        "revoked": codec.time_to_json(one.revoked) if one.revoked else None,
    }


def _minute(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at else ""
