"""Forms on pages: their fields, read within bounds, and proof that they come from a page of ours."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse

from gateway.html.templating import page
from gateway.http.bodies import whole_body
from gateway.http.sessions import new_token, remember_token, require_own_page, visit_of
from pipeline.errors import Rejected
from pipeline.services import Services

_TYPE = "application/x-www-form-urlencoded"
_LARGEST = 64 << 10
_MOST_FIELDS = 100
_TOKEN = "csrf_token"  # noqa: S105 - the name of the field


@dataclass(frozen=True, slots=True)
class PostedForm:
    """The values of fields by their names."""

    fields: Mapping[str, list[str]]

    def text(self, name: str) -> str:
        """The field's value, `""` where it was left out."""
        return self.fields.get(name, [""])[-1]

    def chosen(self, name: str) -> list[str]:
        """All values of a field of which several may be chosen."""
        return self.fields.get(name, [])


async def posted_form(request: Request) -> PostedForm:
    """What a page of ours sent. Raises `Rejected` for what is no such form, or comes from elsewhere."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _TYPE:
        raise Rejected(f"Send a form as {_TYPE}.")
    body = await whole_body(request, _LARGEST, "The form")
    try:
        fields = parse_qs(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS
        )
    except ValueError:
        raise Rejected("The form cannot be understood.") from None
    if any("\0" in value for values in fields.values() for value in values):
        raise Rejected("A form has no NUL characters.")
    form = PostedForm(fields)
    require_own_page(request, form.text(_TOKEN))
    return form


FormHere = Annotated[PostedForm, Depends(posted_form)]


def form_page(
    request: Request, services: Services, template: str, status: int = 200, **context: object
) -> HTMLResponse:
    """A page with a form, `csrf_token` in its context; strangers get the cookie that goes with it."""
    visit = visit_of(request)
    token = visit.token or new_token()
    response = page(services, template, status, csrf_token=token, **context)
    response.headers["Cache-Control"] = "no-store"
    if not visit.token:
        remember_token(response, services, token)
    return response
