"""sickle harvests over OAI-PMH; its base URL is a parameter."""

import given
from sickle import Sickle

repository = Sickle(f"{given.URL}/oai2d")
given.same(repository.Identify().protocolVersion, "2.0")
formats = {entry.metadataPrefix for entry in repository.ListMetadataFormats()}
given.same({"oai_dc", "oai_datacite"} <= formats, True)
given.done("identify, formats")

records = list(repository.ListRecords(metadataPrefix="oai_dc"))
(tides,) = [record for record in records if record.metadata["title"] == [given.TITLE]]
given.same(tides.header.identifier.endswith(f":{given.RECORD}"), True)
given.done("harvest records")

one = repository.GetRecord(identifier=tides.header.identifier, metadataPrefix="oai_datacite")
given.same(given.TITLE in one.raw, True)
given.done("get a record")
