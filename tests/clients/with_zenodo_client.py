"""zenodo-client: its base URL is an attribute of its class's instances."""

import given
import requests
from zenodo_client import Creator, Metadata, Zenodo

client = Zenodo(access_token=given.TOKEN)
client.base, client.api_base = given.URL, given.API
client.depositions_base = f"{given.API}/deposit/depositions"

first = given.file("moorings.csv")
described = Metadata(
    title="Seabed temperatures, by zenodo-client",
    upload_type="dataset",
    description="Twelve moorings.",
    creators=[Creator(name="Okafor, Ngozi", orcid="0000-0002-1825-0097")],
    keywords=["moorings"],
)
created = client.ensure("transect", described, [first]).json()
given.same((created["submitted"], created["state"]), (True, "done"))
given.done("deposit and publish")

changed = given.file("moorings.csv", b"mooring,degrees\n1,4.2\n2,4.4\n")
updated = client.ensure("transect", described, [changed]).json()
given.same(updated["conceptrecid"], created["conceptrecid"])
given.same(updated["metadata"]["version"], f"{created['metadata']['version']}-1")
given.done("new version")

given.same(client.get_record(created["conceptrecid"]).json()["id"], updated["id"])
given.done("latest version by concept id")

given.same(client.download(created["id"], "moorings.csv").read_bytes(), b"mooring,degrees\n1,4.2\n")
given.same(client.download_latest(updated["id"], "moorings.csv").read_bytes(), changed.read_bytes())
given.same([path.name for path in client.download_all(updated["id"])], ["moorings.csv"])
given.done("download")

client.edit(str(updated["id"]), sleep=False)
discarded = client.discard(str(updated["id"]), sleep=False)
given.same(discarded.status_code, requests.codes.no_content)
given.done("edit and discard")
