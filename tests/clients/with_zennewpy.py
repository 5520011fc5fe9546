"""zennewpy: its base URL is an attribute of its client."""

import given
import requests
import zennewpy

client = zennewpy.Client(token=given.TOKEN)
client._endpoint = given.API

number = client.create_new_deposition()
client.set_deposition(number)
client.push_metadata({**given.METADATA, "title": "Seabed temperatures, by zennewpy"})
first = given.file("moorings.csv")
sent = client.upload_file(str(first), remote_filename="table.csv")
given.same(sent["checksum"], f"md5:{given.md5(first.read_bytes())}")
given.same(client.publish_deposition(), True)
given.same(client.is_published, True)
given.done("deposit and publish")

later = client.create_new_version()
client.update_metadata({"title": "Seabed temperatures, corrected", "keywords": ["corrected"]})
given.same(client.deposition_id, later)
given.same(client.deposition["metadata"]["keywords"], ["temperature", "moorings", "corrected"])
client.update_file(str(given.file("moorings.csv", b"mooring,degrees\n")), remote_filename="table.csv")
given.same(list(client.get_file_ids()), ["table.csv"])
given.same(client.publish_deposition(), True)
given.done("new version")

draft = client.create_new_deposition()
client.delete_deposition(draft)
try:
    client.get_deposition_by_id(draft)
except requests.HTTPError as gone:
    given.same(gone.response.status_code, requests.codes.not_found)
else:
    raise AssertionError(f"{draft} is still there")
given.done("delete a draft")
