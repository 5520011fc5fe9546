"""oaipmh-scythe harvests over OAI-PMH; its base URL is a parameter."""

import given
from oaipmh_scythe import Scythe

with Scythe(f"{given.URL}/oai2d") as repository:
    given.same(repository.identify().baseURL, f"{given.URL}/oai2d")
    given.done("identify")

    headers = list(repository.list_identifiers(metadata_prefix="oai_dc"))
    (tides,) = [header for header in headers if header.identifier.endswith(f":{given.RECORD}")]
    given.done("harvest identifiers")

    record = repository.get_record(identifier=tides.identifier, metadata_prefix="oai_dc")
    given.same(record.metadata["title"], [given.TITLE])
    given.done("get a record")
