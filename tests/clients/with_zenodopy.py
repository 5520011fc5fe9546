"""zenodopy: its base URL is an attribute of its client."""

from pathlib import Path

import given
import zenodopy

client = zenodopy.Client(token=given.TOKEN)
client._endpoint = given.API

client.create_project(
    title="Seabed temperatures, by zenodopy", upload_type="dataset", description="Moorings."
)
given.same(client.bucket.startswith(f"{given.API}/files/"), True)
given.done("deposit")

client.upload_file(str(given.file("moorings.csv")))
folder = Path("photographs")
folder.mkdir()
(folder / "buoy.txt").write_bytes(b"a buoy\n")
client.upload_zip(str(folder))
held = client._get_depositions_by_id(client.deposition_id)
given.same({entry["filename"] for entry in held["files"]}, {"moorings.csv", "photographs.zip"})
given.same(held["title"], "Seabed temperatures, by zenodopy")
given.done("upload")

number = client.deposition_id
client.set_project(number)
client.delete_file("photographs.zip")
given.same(len(client._get_depositions_by_id(number)["files"]), 1)
client._delete_project(number)
given.same(client._get_depositions_by_id(number), None)
given.done("delete")
