"""`/api/records/{id}/draft/files`: bytes of files of a draft, for its owner."""

from fastapi import APIRouter, Request, Response

from gateway.auth import GrantHere, ServicesHere, ViewerHere, file_reader, known_viewer
from gateway.files import READ, served_draft
from gateway.lookup import number_of
from gateway.ownership import own_draft
from pipeline.catalogue import drafts
from pipeline.errors import Missing

router = APIRouter(prefix="/api/records/{record_id}/draft/files")


@router.api_route("/{key:path}/content", methods=READ)
def read_content(
    request: Request,
    record_id: str,
    key: str,
    services: ServicesHere,
    viewer: ViewerHere,
    grant: GrantHere,
) -> Response:
    """To the owner, and to whom the owner signed a resource token for it."""
    reader = known_viewer(file_reader(viewer, grant, deposit_id=number_of(record_id), key=key))
    draft = own_draft(services, record_id, reader)
    with services.catalogue.read() as tx:
        file = drafts.file(tx, draft.deposit.id, key)
    if file is None:
        raise Missing(f"Record '{record_id}' has no file '{key}'.")
    return served_draft(request, services, draft, file)
