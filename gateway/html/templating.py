"""Templates into pages. Everything is escaped but what is marked as HTML on purpose."""

import re
from urllib.parse import quote, urlsplit

import jinja2
from fastapi.responses import HTMLResponse, RedirectResponse

from gateway.html import presentation
from gateway.http import sessions
from gateway.http.sessions import Visit
from pipeline.feeds.crosswalks import facts
from pipeline.services import Services

_ABOUT_SIGNING_IN = re.compile("/(login|logout|signup|lost-password)(/|$)")
_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("gateway"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.globals |= {
    "doi_url": facts.doi_url,
    "is_withdrawn": presentation.is_withdrawn,
    "short_date": presentation.short_date,
    "version_label": presentation.version_label,
}


def root_of(services: Services) -> str:
    """What paths begin with, `""` for an archive that has its host to itself."""
    return urlsplit(services.repository.base_url).path


def page(services: Services, template: str, status: int = 200, **context: object) -> HTMLResponse:
    visit = sessions.current()
    root = root_of(services)
    body = _TEMPLATES.get_template(template).render(
        site=services.repository, root=root, visit=visit, sign_in=f"{root}{sign_in_path(visit)}", **context
    )
    # What is somebody's own is not kept for whoever uses their browser next.
    return HTMLResponse(body, status, {"Cache-Control": "no-store" if visit.account else "no-cache"})


def redirect(services: Services, path: str, status: int = 303) -> RedirectResponse:
    """To another address of ours; by default to be read, whatever was sent to this one."""
    return RedirectResponse(f"{services.repository.base_url}{path}", status)


def sign_in_path(visit: Visit) -> str:
    """The page to sign in on, which leads back to where the visitor is now."""
    path = visit.path
    # The address of a page may hold a secret: it goes into no other.
    if path == "/" or "token" in path or _ABOUT_SIGNING_IN.match(path):
        return "/login/"
    return f"/login/?next={quote(path, safe='')}"
