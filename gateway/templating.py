"""Templates into pages. Everything is escaped but what is marked as HTML on purpose."""

from urllib.parse import urlsplit

import jinja2
from fastapi.responses import HTMLResponse

from gateway import presentation
from pipeline.feeds.crosswalks import facts
from pipeline.services import Services

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
    body = _TEMPLATES.get_template(template).render(
        site=services.repository, root=root_of(services), **context
    )
    return HTMLResponse(body, status, {"Cache-Control": "no-cache"})
