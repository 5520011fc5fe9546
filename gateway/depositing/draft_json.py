"""Drafts as the records that they would be, and all that is shown of them in InvenioRDM's form and in Zenodo's."""

from collections.abc import Sequence
from urllib.parse import quote

from gateway.depositing import deposition_json, draft_entries
from gateway.http import content
from gateway.reading.formats import RDM, ZENODO, Format
from pipeline.catalogue import Transaction, draft_files, requests
from pipeline.catalogue.draft_files import DraftFile
from pipeline.catalogue.drafts import Draft
from pipeline.dissemination import Dissemination, DraftView, Repository, ShownFile
from pipeline.errors import FieldFault
from pipeline.feeds import crosswalks
from pipeline.ingest import deposit
from pipeline.metadata import rdm_form
from pipeline.model import DepositAction, JsonObject, Record, RecordState
from pipeline.services import Services

FORMS = (ZENODO, RDM)
"""The formats of drafts; others are of what is complete."""
FILES_SHOWN = 1_000
"""Files in one draft; its `files` link leads to all of them."""


def foreseen(repository: Repository, draft: Draft, base: Dissemination | None = None) -> Dissemination:
    """A draft as the record that it would be; `base` is what it is an edit of, or the version that it follows."""
    description = draft.description
    edited = base if draft.is_edit else None
    kept = None if draft.has_own_files else edited
    record = Record(
        id=draft.record_id,
        concept_id=draft.deposit.concept_id,
        version=edited.record.version if edited else base.record.version + 1 if base else 1,
        revision=draft.revision,
        is_latest=edited.record.is_latest if edited else True,
        state=RecordState.PUBLISHED,
        description=description,
        owner=draft.owner,
        created=draft.created,
        modified=draft.modified,
        file_count=kept.record.file_count if kept else draft.deposit.files_total,
        total_bytes=kept.record.total_bytes if kept else draft.deposit.bytes_total,
        change=draft.revision,
    )
    return Dissemination(
        repository=repository,
        record=record,
        doi=edited.doi if edited else description.doi or "",
        concept_doi=base.concept_doi if base else None,
        files=(),
        versions=base.versions if base else (),
        communities=base.communities if base else (),
        owner_id=draft.account_id,
    )


def listed(repository: Repository, draft: Draft, base: Dissemination | None) -> DraftView:
    """What lists show: neither files nor errors."""
    return DraftView(
        foreseen(repository, draft, base),
        is_edit=draft.is_edit,
        is_version=draft.deposit.action is DepositAction.VERSION,
        is_submitted=draft.is_submitted,
    )


def shown(services: Services, tx: Transaction, draft: Draft, base: Dissemination | None) -> DraftView:
    """All of it; of an edit `base` has its files."""
    repository, view = services.repository, listed(services.repository, draft, base)
    if base is not None and not draft.has_own_files:
        files = [crosswalks.shown_file(base, one) for one in base.files]
    else:
        held = draft_files.page(tx, draft.deposit.id, limit=FILES_SHOWN)
        files = [_file(repository, draft, one) for one in held]
    return DraftView(
        view.foreseen,
        is_edit=view.is_edit,
        is_version=view.is_version,
        is_submitted=view.is_submitted,
        is_in_review=_is_in_review(services, tx, draft),
        files=tuple(files),
        faults=tuple(_faults(services, tx, draft, files)),
    )


def _is_in_review(services: Services, tx: Transaction, draft: Draft) -> bool:
    if draft.deposit.action is not DepositAction.NEW:
        return False
    review = requests.review(tx, draft.record_id, now=services.now())
    return review is not None and review.is_open


def _faults(
    services: Services, tx: Transaction, draft: Draft, files: Sequence[ShownFile]
) -> list[FieldFault]:
    found = rdm_form.errors(draft.dropped, deposit.faults_of(services, draft), has_files=bool(files))
    preview = draft.description.files.default_preview
    if preview and not (
        any(one.key == preview for one in files) or draft_files.find(tx, draft.deposit.id, preview)
    ):
        found.append(FieldFault("files.default_preview", (f"There is no file '{preview}'.",)))
    return found


def _file(repository: Repository, draft: Draft, file: DraftFile) -> ShownFile:
    return ShownFile(
        id=deposition_json.file_id(repository, file),
        key=file.key,
        size=file.size,
        checksum=deposition_json.draft_checksum(file),
        mimetype=content.type_by_name(file.key),
        content=f"{draft_entries.address(repository, draft.record_id)}/{quote(file.key)}/content",
    )


def in_form(view: DraftView, form: Format) -> JsonObject:
    return crosswalks.rdm_draft(view) if form is RDM else crosswalks.zenodo_draft(view)
