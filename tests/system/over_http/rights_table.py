"""Who may do what at which route: the table that `test_rights` compares with what the application answers.

Each route of the application has a row here, for each of its methods but HEAD, which is GET without a body. A row says
which *rule* decides, and where the request goes; a rule says, for each state of a record and each right to its work,
what the answer is. The prose of this table is in docs/access.md.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from pipeline.model import Right


class State(Enum):
    """What a record may be in, with what that means for a rule: whether there is a published version, an open draft."""

    DRAFT = "a draft that was never published"
    OPEN = "published, open"
    RESTRICTED = "published, restricted"
    EMBARGOED = "published, under embargo"
    CLOSED = "published, closed in the words of the legacy API"
    EDITED = "published, restricted, with an open edit"
    DELETED = "withdrawn, restricted before"

    @property
    def is_published(self) -> bool:
        return self not in (State.DRAFT, State.DELETED)

    @property
    def has_draft(self) -> bool:
        return self in (State.DRAFT, State.EDITED)

    @property
    def is_closed(self) -> bool:
        """Whether its files are not everybody's."""
        return self is not State.OPEN


class Answer(Enum):
    """What an answer says of rights. `LET` is everything that is not one of the others: the asker may, whatever else is
    wrong with the request. Of what is nobody's secret it does not matter whether it is there."""

    LET = "let"
    UNKNOWN = "401"
    DENIED = "403"
    MISSING = "404"
    GONE = "410"


@dataclass(frozen=True, slots=True)
class Asker:
    """What of a viewer a rule looks at: their right to the work, whether they have an account, a token that may write,
    a link, and whether they run the archive."""

    right: Right
    known: bool
    may_write: bool
    linked: bool
    admin: bool


Rule = Callable[[Asker, State], Answer]


def everybody(asker: Asker, state: State) -> Answer:
    return Answer.LET


def known(asker: Asker, state: State) -> Answer:
    return Answer.LET if asker.known else Answer.UNKNOWN


def writers(asker: Asker, state: State) -> Answer:
    if not asker.known:
        return Answer.UNKNOWN
    return Answer.LET if asker.may_write else Answer.DENIED


def description(asker: Asker, state: State) -> Answer:
    """Of published records they are everybody's."""
    if state is State.DELETED:
        return Answer.GONE
    return Answer.LET if state.is_published else Answer.MISSING


def published(asker: Asker, state: State) -> Answer:
    """What leads on to the newest version, be it withdrawn."""
    return Answer.MISSING if state is State.DRAFT else Answer.LET


def files(asker: Asker, state: State) -> Answer:
    found = description(asker, state)
    if found is Answer.LET and state.is_closed and asker.right < Right.VIEW:
        return Answer.DENIED
    return found


def page_files(asker: Asker, state: State) -> Answer:
    """As `files`, but that a browser is led to the tombstone."""
    found = files(asker, state)
    return Answer.LET if found is Answer.GONE else found


def draft(asker: Asker, state: State) -> Answer:
    """Reading a draft."""
    if not (asker.known or asker.linked):
        return Answer.UNKNOWN
    if not state.has_draft:
        return Answer.MISSING
    return Answer.LET if asker.right >= Right.PREVIEW else Answer.DENIED


def change(asker: Asker, state: State) -> Answer:
    """Changing a draft, publishing it, giving it up."""
    found = writers(asker, state)
    if found is not Answer.LET:
        return found
    if not state.has_draft:
        return Answer.MISSING
    return Answer.LET if asker.right >= Right.EDIT else Answer.DENIED


def _of_own_file(found: Answer, state: State) -> Answer:
    """An edit has no files of its own, so where somebody may look for one there is none."""
    return Answer.MISSING if found is Answer.LET and state is State.EDITED else found


def draft_file(asker: Asker, state: State) -> Answer:
    return _of_own_file(draft(asker, state), state)


def change_file(asker: Asker, state: State) -> Answer:
    return _of_own_file(change(asker, state), state)


def _standing(asker: Asker, state: State, least: Right) -> Answer:
    if asker.right < least:
        return Answer.DENIED
    return Answer.MISSING if state is State.DELETED else Answer.LET


def deposition(asker: Asker, state: State) -> Answer:
    """Reading what stands at the address of a deposition: the draft, else the record."""
    return _standing(asker, state, Right.PREVIEW) if asker.known or asker.linked else Answer.UNKNOWN


def change_standing(asker: Asker, state: State) -> Answer:
    found = writers(asker, state)
    return _standing(asker, state, Right.EDIT) if found is Answer.LET else found


def remove_file(asker: Asker, state: State) -> Answer:
    """Taking a file out by its number: nobody takes any out of a record."""
    found = _of_own_file(change_standing(asker, state), state)
    return Answer.DENIED if found is Answer.LET and not state.has_draft else found


def new_version(asker: Asker, state: State) -> Answer:
    found = writers(asker, state)
    if found is not Answer.LET:
        return found
    return Answer.MISSING if state is State.DRAFT else _standing(asker, state, Right.EDIT)


def delete(asker: Asker, state: State) -> Answer:
    """Taking one's record out of service. Of one that is, whoever may is told so."""
    found = writers(asker, state)
    if found is not Answer.LET:
        return found
    if state is State.DRAFT:
        return Answer.MISSING
    return Answer.LET if asker.right >= Right.MANAGE else Answer.DENIED


def administer(asker: Asker, state: State) -> Answer:
    found = writers(asker, state)
    return Answer.DENIED if found is Answer.LET and not asker.admin else found


def revisions(asker: Asker, state: State) -> Answer:
    if not asker.known:
        return Answer.UNKNOWN
    return description(asker, state) if asker.admin else Answer.DENIED


def share(asker: Asker, state: State) -> Answer:
    """With whom a work is shared."""
    found = writers(asker, state)
    if found is not Answer.LET:
        return found
    if asker.right < Right.MANAGE:
        return Answer.DENIED
    return Answer.GONE if state is State.DELETED else Answer.LET


def held_files(asker: Asker, state: State) -> Answer:
    """Files by the addresses of the legacy API, which are a draft's until it is published."""
    if state is not State.DRAFT:
        return files(asker, state)
    if asker.right >= Right.PREVIEW:
        return Answer.LET
    return Answer.DENIED if asker.known or asker.linked else Answer.UNKNOWN


def bucket_list(asker: Asker, state: State) -> Answer:
    found = writers(asker, state)
    if found is not Answer.LET:
        return found
    if not state.has_draft:
        return Answer.MISSING
    return Answer.LET if asker.right >= Right.PREVIEW else Answer.DENIED


@dataclass(frozen=True, slots=True)
class Row:
    """`address` has names of a sample's members in braces. `body` and `headers` are such that a request of somebody who
    may goes as far as it can. One that is `of_none` is no record's."""

    rule: Rule
    address: str
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def of_none(self) -> bool:
        return self.rule in (everybody, known, writers)


_TUS = {"Tus-Resumable": "1.0.0", "Upload-Length": "3", "Upload-Metadata": "filename YS5jc3Y="}
_TUS_PATCH = {
    "Tus-Resumable": "1.0.0",
    "Upload-Offset": "0",
    "Content-Type": "application/offset+octet-stream",
}
_MEDIA_TYPE = {"Content-Type": "application/x-test"}
_DEPOSITION = "/api/deposit/depositions/{id}"
_DRAFT = "/api/records/{id}/draft"
_DRAFT_FILES = f"{_DRAFT}/files"
_SHARING = "/api/records/{id}/access"
_GRANT = '{"grants": [{"subject": {"type": "user", "id": "1"}, "permission": "view"}]}'

ROWS: dict[tuple[str, str], Row] = {
    # ------------------------------------------------------------ for everybody
    ("GET", "/"): Row(everybody, "/"),
    ("GET", "/search"): Row(everybody, "/search?q=Title"),
    ("GET", "/communities/{slug}"): Row(everybody, "/communities/tides"),
    ("GET", "/communities/{slug}/records"): Row(everybody, "/communities/tides/records"),
    ("GET", "/communities/about/{slug}"): Row(everybody, "/communities/about/tides"),
    ("GET", "/collection/user-{slug}"): Row(everybody, "/collection/user-tides"),
    ("GET", "/badge/{label}/{value:path}"): Row(everybody, "/badge/DOI/10.5072/x.1.svg"),
    ("GET", "/oai2d"): Row(everybody, "/oai2d?verb=ListRecords&metadataPrefix=oai_datacite"),
    ("POST", "/oai2d"): Row(everybody, "/oai2d?verb=ListRecords&metadataPrefix=oai_dc"),
    ("GET", "/robots.txt"): Row(everybody, "/robots.txt"),
    ("GET", "/sitemap.xml"): Row(everybody, "/sitemap.xml"),
    ("GET", "/sitemaps/{number}.xml"): Row(everybody, "/sitemaps/1.xml"),
    ("GET", "/healthz"): Row(everybody, "/healthz"),
    ("GET", "/metrics"): Row(everybody, "/metrics"),
    ("GET", "/record/{rest:path}"): Row(everybody, "/record/1"),
    ("GET", "/deposit"): Row(everybody, "/deposit"),
    ("GET", "/deposit/new"): Row(everybody, "/deposit/new"),
    ("GET", "/deposit/{record_id}"): Row(everybody, "/deposit/1"),
    ("GET", "/api/openapi.json"): Row(everybody, "/api/openapi.json"),
    ("GET", "/api/vocabularies"): Row(everybody, "/api/vocabularies"),
    ("GET", "/api/vocabularies/"): Row(everybody, "/api/vocabularies/"),
    ("GET", "/api/vocabularies/{name}"): Row(everybody, "/api/vocabularies/licenses?size=1"),
    ("GET", "/api/vocabularies/{name}/{term_id}"): Row(everybody, "/api/vocabularies/licenses/cc-by-4.0"),
    ("GET", "/api/licenses"): Row(everybody, "/api/licenses"),
    ("GET", "/api/licenses/"): Row(everybody, "/api/licenses/"),
    ("GET", "/api/licenses/{licence_id}"): Row(everybody, "/api/licenses/cc-by-4.0"),
    **{
        ("GET", f"/api/{name}{below}"): Row(everybody, f"/api/{name}{below.format(term_id='x')}")
        for name in ("affiliations", "awards", "funders", "names", "subjects")
        for below in ("", "/{term_id}")
    },
    ("GET", "/api/records"): Row(everybody, "/api/records?q=Title&all_versions=1"),
    ("GET", "/api/records/"): Row(everybody, "/api/records/"),
    ("OPTIONS", "/api/deposit/depositions/{record_id}/uploads"): Row(everybody, f"{_DEPOSITION}/uploads"),
    # ------------------------------------------------------------ published records
    ("GET", "/records/{record_id}"): Row(description, "/records/{id}"),
    ("GET", "/records/{record_id}/export/{name}"): Row(description, "/records/{id}/export/json"),
    ("GET", "/records/{record_id}/latest"): Row(published, "/records/{id}/latest"),
    ("GET", "/records/{record_id}/preview/{key:path}"): Row(everybody, "/records/1/preview/{key}"),
    ("GET", "/doi/{name:path}"): Row(published, "/doi/{doi}"),
    ("GET", "/api/records/{record_id}"): Row(description, "/api/records/{id}"),
    ("GET", "/api/records/{record_id}/versions"): Row(description, "/api/records/{id}/versions"),
    ("GET", "/api/records/{record_id}/versions/latest"): Row(published, "/api/records/{id}/versions/latest"),
    # ------------------------------------------------------------ their files
    ("GET", "/records/{record_id}/files/{key:path}"): Row(page_files, "/records/{id}/files/{key}"),
    ("GET", "/api/records/{record_id}/files"): Row(files, "/api/records/{id}/files"),
    ("GET", "/api/records/{record_id}/files/{key:path}"): Row(files, "/api/records/{id}/files/{key}"),
    ("GET", "/api/records/{record_id}/files/{key:path}/content"): Row(
        files, "/api/records/{id}/files/{key}/content"
    ),
    ("GET", "/api/records/{record_id}/files-archive"): Row(files, "/api/records/{id}/files-archive"),
    ("GET", "/api/records/{record_id}/formats"): Row(
        files, "/api/records/{id}/formats?mimetype=application/x-test"
    ),
    ("OPTIONS", "/api/records/{record_id}/formats"): Row(files, "/api/records/{id}/formats"),
    ("GET", "/api/files/{bucket}/{key:path}"): Row(held_files, "/api/files/{bucket}/{key}"),
    ("GET", "/api/deposit/depositions/{record_id}/files"): Row(held_files, f"{_DEPOSITION}/files"),
    # ------------------------------------------------------------ depositions
    ("GET", "/api/deposit/depositions"): Row(known, "/api/deposit/depositions?all_versions=1"),
    ("POST", "/api/deposit/depositions"): Row(writers, "/api/deposit/depositions", "{}"),
    ("GET", "/api/deposit/depositions/{record_id}"): Row(deposition, _DEPOSITION),
    ("PUT", "/api/deposit/depositions/{record_id}"): Row(change, _DEPOSITION, '{"metadata": {}}'),
    ("DELETE", "/api/deposit/depositions/{record_id}"): Row(change, _DEPOSITION),
    ("POST", "/api/deposit/depositions/{record_id}/actions/publish"): Row(
        change, f"{_DEPOSITION}/actions/publish"
    ),
    ("POST", "/api/deposit/depositions/{record_id}/actions/discard"): Row(
        change, f"{_DEPOSITION}/actions/discard"
    ),
    ("POST", "/api/deposit/depositions/{record_id}/actions/edit"): Row(
        change_standing, f"{_DEPOSITION}/actions/edit"
    ),
    ("POST", "/api/deposit/depositions/{record_id}/actions/newversion"): Row(
        new_version, f"{_DEPOSITION}/actions/newversion"
    ),
    ("GET", "/api/deposit/depositions/{record_id}/formats"): Row(
        deposition, f"{_DEPOSITION}/formats?mimetype=application/x-test"
    ),
    ("OPTIONS", "/api/deposit/depositions/{record_id}/formats"): Row(deposition, f"{_DEPOSITION}/formats"),
    ("PUT", "/api/deposit/depositions/{record_id}/formats"): Row(
        change_standing, f"{_DEPOSITION}/formats", "x", _MEDIA_TYPE
    ),
    ("DELETE", "/api/deposit/depositions/{record_id}/formats"): Row(
        change_standing, f"{_DEPOSITION}/formats", "", _MEDIA_TYPE
    ),
    # ------------------------------------------------------------ drafts
    ("GET", "/api/user/records"): Row(known, "/api/user/records?all_versions=1"),
    ("POST", "/api/records"): Row(writers, "/api/records", "{}"),
    ("GET", "/api/records/{record_id}/draft"): Row(draft, _DRAFT),
    ("PUT", "/api/records/{record_id}/draft"): Row(change, _DRAFT, "{}"),
    ("DELETE", "/api/records/{record_id}/draft"): Row(change, _DRAFT),
    ("POST", "/api/records/{record_id}/draft"): Row(change_standing, _DRAFT),
    ("POST", "/api/records/{record_id}/draft/actions/publish"): Row(change, f"{_DRAFT}/actions/publish"),
    ("POST", "/api/records/{record_id}/draft/actions/files-import"): Row(
        change, f"{_DRAFT}/actions/files-import"
    ),
    ("POST", "/api/records/{record_id}/draft/pids/doi"): Row(change, f"{_DRAFT}/pids/doi"),
    ("DELETE", "/api/records/{record_id}/draft/pids/doi"): Row(change, f"{_DRAFT}/pids/doi"),
    ("POST", "/api/records/{record_id}/versions"): Row(new_version, "/api/records/{id}/versions"),
    # ------------------------------------------------------------ the life of records
    ("POST", "/api/records/{record_id}/request-deletion"): Row(
        delete, "/api/records/{id}/request-deletion", '{"reason": "spam"}'
    ),
    ("DELETE", "/api/records/{record_id}/delete"): Row(administer, "/api/records/{id}/delete"),
    ("POST", "/api/records/{record_id}/restore"): Row(administer, "/api/records/{id}/restore"),
    ("GET", "/api/records/{record_id}/revisions"): Row(revisions, "/api/records/{id}/revisions"),
    ("GET", "/api/records/{record_id}/revisions/{number}"): Row(revisions, "/api/records/{id}/revisions/1"),
    # ------------------------------------------------------------ files of drafts
    ("POST", "/api/deposit/depositions/{record_id}/files"): Row(change, f"{_DEPOSITION}/files", "x"),
    ("GET", "/api/deposit/depositions/{record_id}/files/{file_id}"): Row(
        deposition, f"{_DEPOSITION}/files/{{file_id}}"
    ),
    ("DELETE", "/api/deposit/depositions/{record_id}/files/{file_id}"): Row(
        remove_file, f"{_DEPOSITION}/files/{{file_id}}"
    ),
    ("PUT", "/api/files/{bucket}/{key:path}"): Row(change, "/api/files/{bucket}/new.csv", "x"),
    ("DELETE", "/api/files/{bucket}/{key:path}"): Row(change, "/api/files/{bucket}/{key}"),
    ("GET", "/api/files/{bucket}"): Row(bucket_list, "/api/files/{bucket}"),
    ("POST", "/api/deposit/depositions/{record_id}/uploads"): Row(change, f"{_DEPOSITION}/uploads", "", _TUS),
    ("HEAD", "/api/deposit/depositions/{record_id}/uploads/{number}"): Row(
        change_file, f"{_DEPOSITION}/uploads/{{upload}}", "", _TUS
    ),
    ("PATCH", "/api/deposit/depositions/{record_id}/uploads/{number}"): Row(
        change_file, f"{_DEPOSITION}/uploads/{{upload}}", "x", _TUS_PATCH
    ),
    ("DELETE", "/api/deposit/depositions/{record_id}/uploads/{number}"): Row(
        change_file, f"{_DEPOSITION}/uploads/{{upload}}", "", _TUS
    ),
    ("GET", "/api/records/{record_id}/draft/files"): Row(draft, _DRAFT_FILES),
    ("POST", "/api/records/{record_id}/draft/files"): Row(change, _DRAFT_FILES, '[{"key": "new.csv"}]'),
    ("DELETE", "/api/records/{record_id}/draft/files"): Row(change, _DRAFT_FILES),
    ("GET", "/api/records/{record_id}/draft/files/{key:path}"): Row(
        draft_file, f"{_DRAFT_FILES}/{{draft_key}}"
    ),
    ("DELETE", "/api/records/{record_id}/draft/files/{key:path}"): Row(
        change, f"{_DRAFT_FILES}/{{draft_key}}"
    ),
    ("GET", "/api/records/{record_id}/draft/files/{key:path}/content"): Row(
        draft_file, f"{_DRAFT_FILES}/{{draft_key}}/content"
    ),
    ("PUT", "/api/records/{record_id}/draft/files/{key:path}/content"): Row(
        change_file, f"{_DRAFT_FILES}/{{pending}}/content", "x"
    ),
    ("PUT", "/api/records/{record_id}/draft/files/{key:path}/content/{number}"): Row(
        change_file, f"{_DRAFT_FILES}/{{in_parts}}/content/1", "x"
    ),
    ("POST", "/api/records/{record_id}/draft/files/{key:path}/commit"): Row(
        change_file, f"{_DRAFT_FILES}/{{draft_key}}/commit"
    ),
    # ------------------------------------------------------------ sharing
    ("PUT", "/api/records/{record_id}/access"): Row(share, _SHARING, "{}"),
    ("GET", "/api/records/{record_id}/access/links"): Row(share, f"{_SHARING}/links"),
    ("POST", "/api/records/{record_id}/access/links"): Row(
        share, f"{_SHARING}/links", '{"permission": "view"}'
    ),
    ("GET", "/api/records/{record_id}/access/links/{link_id}"): Row(share, f"{_SHARING}/links/{{link}}"),
    ("PATCH", "/api/records/{record_id}/access/links/{link_id}"): Row(
        share, f"{_SHARING}/links/{{link}}", "{}"
    ),
    ("DELETE", "/api/records/{record_id}/access/links/{link_id}"): Row(share, f"{_SHARING}/links/{{link}}"),
    ("GET", "/api/records/{record_id}/access/users"): Row(share, f"{_SHARING}/users"),
    ("GET", "/api/records/{record_id}/access/users/{user_id}"): Row(share, f"{_SHARING}/users/{{grantee}}"),
    ("PATCH", "/api/records/{record_id}/access/users/{user_id}"): Row(
        share, f"{_SHARING}/users/{{grantee}}", "{}"
    ),
    ("DELETE", "/api/records/{record_id}/access/users/{user_id}"): Row(
        share, f"{_SHARING}/users/{{grantee}}"
    ),
    ("GET", "/api/records/{record_id}/access/grants"): Row(share, f"{_SHARING}/grants"),
    ("POST", "/api/records/{record_id}/access/grants"): Row(share, f"{_SHARING}/grants", _GRANT),
    ("GET", "/api/records/{record_id}/access/grants/{index}"): Row(share, f"{_SHARING}/grants/0"),
    ("PUT", "/api/records/{record_id}/access/grants/{index}"): Row(
        share, f"{_SHARING}/grants/0", '{"subject": {"type": "user", "id": "1"}, "permission": "view"}'
    ),
    ("PATCH", "/api/records/{record_id}/access/grants/{index}"): Row(share, f"{_SHARING}/grants/0", "{}"),
    ("DELETE", "/api/records/{record_id}/access/grants/{index}"): Row(share, f"{_SHARING}/grants/0"),
}
