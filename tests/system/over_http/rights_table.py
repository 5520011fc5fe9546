"""Who may do what at which route: the table that `test_rights` compares with what the application answers.

Each route of the application has a row here, for each of its methods but HEAD, which is GET without a body. A row says
which *rule* decides (`rights_rules`), and where the request goes; a rule says, for each state of a record and each
right to its work, what the answer is. The prose of this table is in docs/access.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.communities.roles import Power
from tests.system.over_http.rights_rules import (
    Rule,
    administer,
    answering,
    ask_for_files,
    asked_about,
    belonging,
    bucket_list,
    change,
    change_file,
    change_standing,
    choose_review,
    delete,
    deposition,
    description,
    draft,
    draft_file,
    draft_page,
    enlarge,
    everybody,
    files,
    fitting,
    held_files,
    known,
    leaving,
    modify,
    new_version,
    nobody,
    on_page,
    page_files,
    page_of_draft,
    published,
    remove_file,
    review,
    revisions,
    seeing_review,
    seen_with_power,
    share,
    shut,
    with_power,
    writers,
)


@dataclass(frozen=True, slots=True)
class Row:
    """`address` has names of a sample's members in braces. `body` and `headers` are such that a request of somebody who
    may goes as far as it can. At a page people ask who are signed in, by the cookie of a session and with its token in
    a form (`in_session`): tokens of accounts do nothing there."""

    rule: Rule
    address: str
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    in_session: bool = False

    @property
    def is_of_record(self) -> bool:
        return "{id}" in self.address or "{bucket}" in self.address or "{doi}" in self.address


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
_COMMUNITY = "/api/communities/{community}"
_REQUEST = "/api/requests/{request}"
_QUOTA = '{"quota_size": 10, "max_file_size": 5}'
_COMMENT = '{"payload": {"content": "x"}}'
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_UPLOAD = "/uploads/{id}"
_SHARING_PAGE = "/records/{id}/sharing"
_REQUEST_PAGE = "/me/requests/{request}"
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
    # ------------------------------------------------------------ signing in
    # Pages of people who are signed in: a token does nothing there, and without a session they lead to signing in.
    # Forms are taken from pages of ours only.
    **{
        (method, path): Row(everybody, path.format(secret="x", handle="x"))
        for method, paths in (
            (
                "GET",
                (
                    "/account/settings/",
                    "/account/settings/applications/",
                    "/account/settings/security/",
                    "/login",
                    "/login/",
                    "/login/oidc/",
                    "/login/oidc/callback",
                    "/lost-password/",
                    "/lost-password/{secret}",
                    "/signup/",
                ),
            ),
            (
                "POST",
                (
                    "/account/settings/applications/tokens/new/",
                    "/account/settings/security/password/",
                    "/account/settings/security/sessions/",
                    "/account/settings/security/sessions/{handle}/end/",
                    "/login/",
                    "/login/oidc/connect/",
                    "/login/oidc/disconnect/",
                    "/logout/",
                    "/lost-password/",
                    "/lost-password/{secret}",
                    "/signup/",
                ),
            ),
        )
        for path in paths
    },
    ("POST", "/account/settings/applications/tokens/{token_id}/revoke/"): Row(
        everybody, "/account/settings/applications/tokens/1/revoke/"
    ),
    # ------------------------------------------------------------ pages of drafts
    ("GET", "/me/uploads"): Row(everybody, "/me/uploads", in_session=True),
    ("GET", "/uploads/new"): Row(everybody, "/uploads/new", in_session=True),
    ("POST", "/uploads/new"): Row(everybody, "/uploads/new", "access=open", _FORM, in_session=True),
    ("GET", "/uploads/{record_id}"): Row(draft_page, _UPLOAD, in_session=True),
    ("GET", "/uploads/{record_id}/preview"): Row(page_of_draft, f"{_UPLOAD}/preview", in_session=True),
    ("GET", "/uploads/{record_id}/files/{key:path}"): Row(
        page_of_draft, f"{_UPLOAD}/files/{{draft_key}}", in_session=True
    ),
    **{
        ("POST", f"/uploads/{{record_id}}{below}"): Row(
            on_page(change), f"{_UPLOAD}{below}", "access=open", _FORM, in_session=True
        )
        for below in ("", "/publish", "/discard", "/files", "/files/remove")
    },
    ("POST", "/records/{record_id}/edit"): Row(
        on_page(change_standing), "/records/{id}/edit", "", _FORM, in_session=True
    ),
    ("POST", "/records/{record_id}/versions"): Row(
        on_page(new_version), "/records/{id}/versions", "", _FORM, in_session=True
    ),
    # ------------------------------------------------------------ pages of sharing
    ("GET", "/records/{record_id}/sharing"): Row(on_page(share), _SHARING_PAGE, in_session=True),
    **{
        ("POST", f"/records/{{record_id}}/sharing{below}"): Row(
            on_page(share), _SHARING_PAGE + address, body, _FORM, in_session=True
        )
        for below, address, body in (
            ("/links", "/links", "permission=view"),
            ("/links/{link_id}/remove", "/links/{link}/remove", ""),
            ("/grants", "/grants", "account=1&permission=view"),
            ("/grants/{user_id}/remove", "/grants/{grantee}/remove", ""),
            ("/settings", "/settings", ""),
        )
    },
    ("GET", "/records/{record_id}/access-request"): Row(
        ask_for_files, "/records/{id}/access-request", in_session=True
    ),
    ("POST", "/records/{record_id}/access-request"): Row(
        on_page(ask_for_files), "/records/{id}/access-request", "consent=true", _FORM, in_session=True
    ),
    # ------------------------------------------------------------ pages of requests and communities
    ("GET", "/me/requests"): Row(everybody, "/me/requests", in_session=True),
    ("GET", "/me/requests/{request_id}"): Row(on_page(seeing_review), _REQUEST_PAGE, in_session=True),
    ("POST", "/me/requests/{request_id}/actions/{action}"): Row(
        on_page(seeing_review), f"{_REQUEST_PAGE}/actions/accept", "", _FORM, in_session=True
    ),
    # Who may is judged in the transaction that writes, which the test does not let begin.
    ("POST", "/me/requests/{request_id}/comments"): Row(
        everybody, f"{_REQUEST_PAGE}/comments", "comment=x", _FORM, in_session=True
    ),
    **{
        (method, f"/communities/{{slug}}{below}"): Row(
            on_page(seen_with_power(power)),
            f"/communities/tides{below.format(account_id='1')}",
            body,
            _FORM if method == "POST" else {},
            in_session=True,
        )
        for method, below, power, body in (
            ("GET", "/requests", Power.CURATE, ""),
            ("GET", "/members", Power.READ, ""),
            ("POST", "/members/{account_id}", Power.READ, "role=reader"),
            ("POST", "/members/{account_id}/leave", Power.READ, ""),
            ("POST", "/invitations", Power.READ, "account=1&role=reader"),
            ("GET", "/settings", Power.MANAGE, ""),
            ("POST", "/settings", Power.MANAGE, "title=x"),
        )
    },
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
    ("POST", "/api/records/{record_id}/file-modification"): Row(
        modify, "/api/records/{id}/file-modification", "{}"
    ),
    ("POST", "/api/records/{record_id}/quota-increase"): Row(
        enlarge, "/api/records/{id}/quota-increase", '{"quota_size": "60"}'
    ),
    ("POST", "/api/records/{record_id}/quota"): Row(administer, "/api/records/{id}/quota", _QUOTA),
    ("POST", "/api/users/{user_id}/quota"): Row(administer, "/api/users/1/quota", _QUOTA),
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
    ("POST", "/api/records/{record_id}/access/request"): Row(
        ask_for_files,
        f"{_SHARING}/request",
        '{"email": "new@quay.example", "consent_to_share_personal_data": "true"}',
    ),
    ("GET", "/access-requests"): Row(everybody, "/access-requests?inquiry=x"),
    ("POST", "/access-requests"): Row(everybody, "/access-requests"),
    # ------------------------------------------------------------ communities
    ("GET", "/communities"): Row(everybody, "/communities"),
    ("GET", "/communities/{slug}/"): Row(everybody, "/communities/tides/"),
    ("GET", "/api/communities"): Row(everybody, "/api/communities"),
    ("POST", "/api/communities"): Row(writers, "/api/communities", "{}"),
    ("GET", "/api/communities/featured"): Row(everybody, "/api/communities/featured"),
    ("GET", "/api/user/communities"): Row(known, "/api/user/communities"),
    ("GET", "/api/communities/{name}"): Row(everybody, _COMMUNITY),
    ("PUT", "/api/communities/{name}"): Row(with_power(Power.MANAGE), _COMMUNITY, "{}"),
    ("DELETE", "/api/communities/{name}"): Row(with_power(Power.DELETE), _COMMUNITY),
    ("POST", "/api/communities/{name}/rename"): Row(administer, f"{_COMMUNITY}/rename", "{}"),
    ("POST", "/api/communities/{name}/featured"): Row(administer, f"{_COMMUNITY}/featured"),
    ("DELETE", "/api/communities/{name}/featured"): Row(administer, f"{_COMMUNITY}/featured"),
    ("GET", "/api/communities/{name}/logo"): Row(everybody, f"{_COMMUNITY}/logo"),
    ("PUT", "/api/communities/{name}/logo"): Row(with_power(Power.MANAGE), f"{_COMMUNITY}/logo", "x"),
    ("DELETE", "/api/communities/{name}/logo"): Row(with_power(Power.MANAGE), f"{_COMMUNITY}/logo"),
    ("GET", "/api/communities/{name}/records"): Row(everybody, f"{_COMMUNITY}/records?all_versions=1"),
    ("GET", "/api/communities/{name}/subcommunities"): Row(everybody, f"{_COMMUNITY}/subcommunities"),
    ("POST", "/api/communities/{name}/actions/join-request"): Row(
        writers, f"{_COMMUNITY}/actions/join-request", "{}"
    ),
    ("DELETE", "/api/communities/{name}/records"): Row(
        with_power(Power.CURATE), f"{_COMMUNITY}/records", "{}"
    ),
    ("GET", "/api/communities/{name}/requests"): Row(seen_with_power(Power.CURATE), f"{_COMMUNITY}/requests"),
    ("GET", "/api/communities/{community_id}/members"): Row(
        seen_with_power(Power.READ), f"{_COMMUNITY}/members"
    ),
    ("GET", "/api/communities/{community_id}/members/public"): Row(everybody, f"{_COMMUNITY}/members/public"),
    ("POST", "/api/communities/{community_id}/members"): Row(nobody, f"{_COMMUNITY}/members", "{}"),
    ("PUT", "/api/communities/{community_id}/members"): Row(
        with_power(Power.READ), f"{_COMMUNITY}/members", "{}"
    ),
    ("DELETE", "/api/communities/{community_id}/members"): Row(
        with_power(Power.READ), f"{_COMMUNITY}/members", "{}"
    ),
    ("GET", "/api/communities/{community_id}/invitations"): Row(
        seen_with_power(Power.MANAGE), f"{_COMMUNITY}/invitations"
    ),
    ("POST", "/api/communities/{community_id}/invitations"): Row(
        with_power(Power.MANAGE), f"{_COMMUNITY}/invitations", "{}"
    ),
    ("PUT", "/api/communities/{community_id}/invitations"): Row(
        with_power(Power.MANAGE), f"{_COMMUNITY}/invitations", "{}"
    ),
    ("GET", "/api/communities/{community_id}/membership-requests"): Row(
        shut, f"{_COMMUNITY}/membership-requests"
    ),
    ("POST", "/api/communities/{community_id}/membership-requests"): Row(
        shut, f"{_COMMUNITY}/membership-requests"
    ),
    ("GET", "/api/records/{record_id}/communities"): Row(description, "/api/records/{id}/communities"),
    ("POST", "/api/records/{record_id}/communities"): Row(belonging, "/api/records/{id}/communities", "{}"),
    ("PUT", "/api/records/{record_id}/communities"): Row(
        belonging, "/api/records/{id}/communities", '{"default": null}'
    ),
    ("DELETE", "/api/records/{record_id}/communities"): Row(
        leaving, "/api/records/{id}/communities", '{"communities": [{"id": "tides"}]}'
    ),
    ("GET", "/api/records/{record_id}/communities-suggestions"): Row(
        fitting, "/api/records/{id}/communities-suggestions"
    ),
    # ------------------------------------------------------------ requests
    ("GET", "/api/records/{record_id}/draft/review"): Row(review, f"{_DRAFT}/review"),
    ("PUT", "/api/records/{record_id}/draft/review"): Row(choose_review, f"{_DRAFT}/review", "{}"),
    ("DELETE", "/api/records/{record_id}/draft/review"): Row(choose_review, f"{_DRAFT}/review"),
    ("POST", "/api/records/{record_id}/draft/actions/submit-review"): Row(
        change, f"{_DRAFT}/actions/submit-review"
    ),
    ("GET", "/api/records/{record_id}/requests"): Row(asked_about, "/api/records/{id}/requests"),
    ("GET", "/api/requests"): Row(everybody, "/api/requests"),
    ("GET", "/api/requests/"): Row(known, "/api/requests/"),
    ("GET", "/api/user/requests"): Row(known, "/api/user/requests?shared_with_me=1"),
    ("GET", "/api/requests/{request_id}"): Row(seeing_review, _REQUEST),
    ("GET", "/api/requests/{request_id}/timeline"): Row(seeing_review, f"{_REQUEST}/timeline"),
    ("GET", "/api/requests/{request_id}/comments/{comment_id}"): Row(
        seeing_review, f"{_REQUEST}/comments/{{comment}}"
    ),
    ("POST", "/api/requests/{request_id}/actions/{action}"): Row(answering, f"{_REQUEST}/actions/accept"),
    # Of these it is judged in the transaction that writes, which the test does not let begin.
    **{
        (method, f"/api/requests/{{request_id}}{below}"): Row(
            writers, f"{_REQUEST}{below.format(comment_id='{comment}')}", _COMMENT
        )
        for method, below in (
            ("PUT", ""),
            ("DELETE", ""),
            ("POST", "/lock"),
            ("POST", "/unlock"),
            ("POST", "/comments"),
            ("PUT", "/comments/{comment_id}"),
            ("DELETE", "/comments/{comment_id}"),
            ("POST", "/comments/{comment_id}/reply"),
        )
    },
}
