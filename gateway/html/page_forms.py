"""Forms on pages: their fields, read within bounds, and proof that they come from a page of ours."""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse

from gateway.html.templating import page
from gateway.http.bodies import whole_body
from gateway.http.sessions import new_token, remember_token, require_own_page, visit_of
from pipeline.errors import FieldFault, Rejected
from pipeline.services import Services

_TYPE = "application/x-www-form-urlencoded"
_LARGEST, _LARGEST_LONG = 64 << 10, 2 << 20
_MOST_FIELDS, _MOST_FIELDS_LONG = 100, 2_000
TAG = re.compile(r"</?[a-z]", re.IGNORECASE)
_GAP = re.compile(r"\n[ \t]*\n\s*")
CSRF_FIELD = "csrf_token"


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

    def markup(self, name: str) -> str:
        """What was written in a field as HTML, as `as_markup`."""
        return as_markup(self.text(name))


def as_markup(written: str) -> str:
    """Text as paragraphs, which empty lines set apart; what has tags is HTML already. Nothing is sanitised yet."""
    lines = written.replace("\r\n", "\n").strip()
    if not lines or TAG.search(lines):
        return lines
    paragraphs = (html.escape(one, quote=False).replace("\n", "<br>") for one in _GAP.split(lines))
    return "".join(f"<p>{one}</p>" for one in paragraphs)


async def posted_form(request: Request) -> PostedForm:
    """What a page of ours sent. Raises `Rejected` for what is no such form, or comes from elsewhere."""
    return await _posted(request, _LARGEST, _MOST_FIELDS)


FormHere = Annotated[PostedForm, Depends(posted_form)]


async def posted_long_form(request: Request) -> PostedForm:
    """The same of a form with texts of any length."""
    return await _posted(request, _LARGEST_LONG, _MOST_FIELDS_LONG)


LongFormHere = Annotated[PostedForm, Depends(posted_long_form)]


async def _posted(request: Request, largest: int, most_fields: int) -> PostedForm:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _TYPE:
        raise Rejected(f"Send a form as {_TYPE}.")
    body = await whole_body(request, largest, "The form")
    try:
        fields = parse_qs(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=most_fields
        )
    except ValueError:
        raise Rejected("The form cannot be understood.") from None
    if any("\0" in value for values in fields.values() for value in values):
        raise Rejected("A form has no NUL characters.")
    form = PostedForm(fields)
    require_own_page(request, form.text(CSRF_FIELD))
    return form


def refusal(wrong: Rejected, labels: Mapping[str, str] | None = None) -> list[str]:
    """What is wrong in words, field by field: each goes by its label, or by the last part of its name."""
    return [_fault_in_words(one, labels or {}) for one in wrong.faults]


def _fault_in_words(fault: FieldFault, labels: Mapping[str, str]) -> str:
    name = fault.field.rpartition(".")[2]
    label = f"{labels.get(name, name)}: " if name else ""
    return f"{label}{' '.join((*fault.messages, fault.remedy))}".strip()


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
