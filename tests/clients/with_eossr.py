"""eossr, of the European science clusters: its base URL is a constant of its module, which ends with a slash."""

import json
from pathlib import Path

import given
from eossr.api.zenodo import zenodo

zenodo.zenodo_url, zenodo.zenodo_api_base_url = given.URL, f"{given.API}/"
client = zenodo.ZenodoAPI(access_token=given.TOKEN)

folder = Path("project")
folder.mkdir()
(folder / "moorings.csv").write_bytes(b"mooring,degrees\n1,4.2\n")
metadata = {**given.METADATA, "title": "Seabed temperatures, by eossr"}
first = client.upload_dir_content(folder, metadata=metadata)
given.done("deposit and publish")

(folder / "moorings.csv").write_bytes(b"mooring,degrees\n1,4.3\n")
second = client.upload_dir_content(folder, record_id=first, metadata={**metadata, "version": "2.0"})
record = zenodo.get_record(second)
given.same(record.metadata["version"], "2.0")
given.done("new version")

given.same(zenodo.get_record(first).get_last_version().id, int(second))
given.soon(record.get_associated_versions, {int(first): "1.0", int(second): "2.0"})
given.done("versions")

record.download("downloaded")
given.same(Path("downloaded/moorings.csv").read_bytes(), b"mooring,degrees\n1,4.3\n")
given.done("download")

(found,) = zenodo.search_records("tide gauge harbour")
given.same(found.id, int(given.RECORD))
given.same(zenodo.get_license("cc-by-4.0")["id"], "cc-by-4.0")
given.done("search and licences")

(folder / ".zenodo.json").write_text(json.dumps(metadata))
client.check_upload_to_zenodo(folder)
given.same(int(second) in [mine.id for mine in client.get_user_records()], True)
given.done("check, records of a user")
