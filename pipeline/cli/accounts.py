"""`headrace user` and `headrace token`."""

from __future__ import annotations

import sys

import click

from pipeline import wiring
from pipeline.catalogue import accounts
from pipeline.cli.console import say
from pipeline.settings import load_settings

# Zenodo's scopes, as its REST API names them.
SCOPES = ("deposit:write", "deposit:actions", "user:email")


@click.group()
def user() -> None:
    """People who deposit and administer."""


@user.command("create")
@click.argument("email")
@click.option("--admin", is_flag=True, help="May do everything.")
def create_user(email: str, admin: bool) -> None:  # noqa: FBT001
    """Make an account for EMAIL."""
    with wiring.open_services(load_settings()) as services, services.catalogue.write() as tx:
        made = accounts.create_account(tx, email, admin=admin, now=services.now())
    say(f"account {made.id} for {made.email}")


@click.group()
def token() -> None:
    """Personal access tokens for the API."""


@token.command("create")
@click.option(
    "--user", "email", required=True, metavar="EMAIL", help="Whose token; the account is made if new."
)
@click.option("--scope", "scopes", multiple=True, type=click.Choice(SCOPES), help="Repeatable; default: all.")
def create_token(email: str, scopes: tuple[str, ...]) -> None:
    """Make a token and print it, alone, on stdout. It is shown only this once.

    \b
    Example:
      TOKEN=$(headrace token create --user ida@example.org --scope deposit:write)
    """
    with wiring.open_services(load_settings()) as services, services.catalogue.write() as tx:
        account = accounts.find_account(tx, email) or accounts.create_account(
            tx, email, admin=False, now=services.now()
        )
        text = accounts.create_token(tx, account, scopes or SCOPES, now=services.now())
    sys.stdout.write(text + "\n")
