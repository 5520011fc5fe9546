"""The catalogue's tables. Invariants stand here as constraints, where no code can skip them."""

from pipeline.catalogue.tables.archive import (
    concept,
    doi,
    earlier_content,
    event,
    extra_format,
    file_text,
    fixity,
    purge,
    record,
    record_file,
)
from pipeline.catalogue.tables.columns import Utc, metadata
from pipeline.catalogue.tables.communities import (
    community,
    community_body,
    community_logo,
    community_member,
    concept_community,
)
from pipeline.catalogue.tables.deposits import (
    accession,
    deposit,
    deposit_file,
    problem,
    quarantine,
    upload,
    upload_part,
)
from pipeline.catalogue.tables.drafts import (
    draft,
    multipart,
    pending_file,
    resumable,
    resumable_part,
    transfer,
)
from pipeline.catalogue.tables.people import guess, identity, mailed_link, oidc_request, session, token, user
from pipeline.catalogue.tables.quotas import account_quota, raised_quota, work_quota
from pipeline.catalogue.tables.requests import request, request_event
from pipeline.catalogue.tables.running import doi_pace, mail, outbox, secret, sequence, stamper
from pipeline.catalogue.tables.sharing import access_grant, inquiry, share_link

__all__ = [
    "Utc",
    "access_grant",
    "accession",
    "account_quota",
    "community",
    "community_body",
    "community_logo",
    "community_member",
    "concept",
    "concept_community",
    "deposit",
    "deposit_file",
    "doi",
    "doi_pace",
    "draft",
    "earlier_content",
    "event",
    "extra_format",
    "file_text",
    "fixity",
    "guess",
    "identity",
    "inquiry",
    "mail",
    "mailed_link",
    "metadata",
    "multipart",
    "oidc_request",
    "outbox",
    "pending_file",
    "problem",
    "purge",
    "quarantine",
    "raised_quota",
    "record",
    "record_file",
    "request",
    "request_event",
    "resumable",
    "resumable_part",
    "secret",
    "sequence",
    "session",
    "share_link",
    "stamper",
    "token",
    "transfer",
    "upload",
    "upload_part",
    "user",
    "work_quota",
]
