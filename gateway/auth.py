"""Who asks: the token of a request (Zenodo's REST API, authentication)."""

from typing import Annotated

from fastapi import Depends, Request

from gateway.problems import BadToken
from pipeline.access import STRANGER, Viewer
from pipeline.catalogue import accounts
from pipeline.services import Services


def services_of(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


ServicesHere = Annotated[Services, Depends(services_of)]


def viewer_of(request: Request, services: ServicesHere) -> Viewer:
    """Whom the request's token speaks for: that of the Authorization header before that of the query.
    Raises `BadToken` for a token that is not valid: who sends one means to use it."""
    token = _token(request)
    if token is None:
        return STRANGER
    with services.catalogue.read() as tx:
        bearer = accounts.verify_token(tx, token)
    if bearer is None:
        raise BadToken
    return Viewer(bearer.account.email, admin=bearer.account.admin, scopes=frozenset(bearer.scopes))


def _token(request: Request) -> str | None:
    scheme, _, credential = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return credential.strip()
    return request.query_params.get("access_token")


ViewerHere = Annotated[Viewer, Depends(viewer_of)]
