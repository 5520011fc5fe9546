"""Pages of an account: its tokens, its password. Only who is signed in sees them; a token does nothing here."""

from fastapi import APIRouter, Request, Response

from gateway.html.page_forms import FormHere, form_page
from gateway.html.templating import page, redirect, root_of
from gateway.http.auth import ServicesHere
from gateway.http.lookup import number_of
from gateway.http.methods import READ
from gateway.http.sessions import visit_of
from gateway.site.visitors import MemberHere, again_path, is_recent, require_recent
from pipeline.access import TokenScope
from pipeline.catalogue import accounts, identities
from pipeline.catalogue.accounts import Account
from pipeline.errors import Rejected
from pipeline.people import passwords, signing_in, tokens
from pipeline.services import Services

router = APIRouter()

_TOKENS = "/account/settings/applications/"
_SECURITY = "/account/settings/security/"
_SCOPES = {
    TokenScope.DEPOSIT_WRITE: "create, change and delete drafts and their files",
    TokenScope.DEPOSIT_ACTIONS: "publish, edit, discard, make new versions",
    TokenScope.USER_EMAIL: "tell the address of this account",
    TokenScope.TOKENS_GENERATE: "sign short-lived tokens for single files of drafts",
}


@router.api_route("/account/settings/", methods=READ)
def settings(_member: MemberHere, services: ServicesHere) -> Response:
    return redirect(services, _TOKENS)


# ---------------------------------------------------------------- tokens


@router.api_route(_TOKENS, methods=READ)
def list_tokens(request: Request, member: MemberHere, services: ServicesHere) -> Response:
    return _tokens_page(request, services, member)


@router.post(f"{_TOKENS}tokens/new/")
def create_token(request: Request, member: MemberHere, form: FormHere, services: ServicesHere) -> Response:
    """The token is in this answer, and nowhere else."""
    require_recent(request, services, _TOKENS)
    try:
        made = tokens.create(services, member, form.text("name"), form.chosen("scope"))
    except Rejected as wrong:
        return _tokens_page(request, services, member, problem=wrong.message)
    return _tokens_page(request, services, member, made=made)


@router.post(_TOKENS + "tokens/{token_id}/revoke/")
def revoke_token(token_id: str, member: MemberHere, _form: FormHere, services: ServicesHere) -> Response:
    tokens.revoke(services, number_of(token_id), by=member)
    return redirect(services, _TOKENS)


def _tokens_page(
    request: Request, services: Services, member: Account, *, made: str = "", problem: str = ""
) -> Response:
    return form_page(
        request,
        services,
        "tokens.html",
        400 if problem else 200,
        tokens=tokens.standing(services, member),
        sign_in_again="" if is_recent(request, services) else root_of(services) + again_path(_TOKENS),
        scopes=_SCOPES,
        made=made,
        problem=problem,
        longest_name=tokens.LONGEST_NAME,
    )


# ---------------------------------------------------------------- password and sessions


@router.api_route(_SECURITY, methods=READ)
def security(request: Request, member: MemberHere, services: ServicesHere) -> Response:
    return _security_page(request, services, member)


@router.post(f"{_SECURITY}password/")
def change_password(request: Request, member: MemberHere, form: FormHere, services: ServicesHere) -> Response:
    secret = visit_of(request).secret
    try:
        signing_in.change_password(services, member, form.text("old"), form.text("password"), secret=secret)
    except Rejected as wrong:
        return _security_page(request, services, member, problem=wrong.message, of=wrong.field)
    return page(
        services,
        "notice.html",
        heading="Your password is changed",
        text="Whoever was signed in elsewhere is no more. Tokens go on.",
    )


@router.post(f"{_SECURITY}sessions/")
def sign_out_elsewhere(
    request: Request, member: MemberHere, _form: FormHere, services: ServicesHere
) -> Response:
    require_recent(request, services, _SECURITY)
    signing_in.sign_out_elsewhere(services, member, visit_of(request).secret)
    return page(services, "notice.html", heading="Signed out elsewhere", text="You are signed in here alone.")


@router.post(_SECURITY + "sessions/{handle}/end/")
def sign_out_there(
    request: Request, handle: str, member: MemberHere, _form: FormHere, services: ServicesHere
) -> Response:
    require_recent(request, services, _SECURITY)
    signing_in.sign_out_there(services, member, handle)
    return redirect(services, _SECURITY)


def _security_page(
    request: Request, services: Services, member: Account, *, problem: str = "", of: str = ""
) -> Response:
    provider = services.identities
    with services.catalogue.read() as tx:
        has_password = accounts.find_password(tx, member) is not None
        is_connected = provider is not None and identities.is_connected(tx, member, provider.issuer)
    return form_page(
        request,
        services,
        "security.html",
        400 if problem else 200,
        has_password=has_password,
        sessions=signing_in.list_sessions(services, member),
        sign_in_again="" if is_recent(request, services) else root_of(services) + again_path(_SECURITY),
        provider=provider.name if provider else "",
        is_connected=is_connected,
        shortest=passwords.SHORTEST,
        longest=passwords.LONGEST,
        problem=problem,
        of=of,
    )
