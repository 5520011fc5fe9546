"""zenodo-uploader: its base URLs are a table."""

import given
import requests
from zenodo_uploader import cli

cli.ZENODO_URLS["production"] = given.API

described = {
    "title": "Seabed temperatures, by zenodo-uploader",
    "author": "Okafor, Ngozi",
    "affiliation": "Coastal Observatory",
    "description": "Twelve moorings.",
    "keywords": ["moorings"],
    "version": "1.0",
}
paths = [str(given.file("moorings.csv")), str(given.file("notes.txt", b"calm\n"))]
made = cli.upload(given.TOKEN, paths, described, publish=True)
record = requests.get(made["links"]["record"], timeout=60).json()
given.same({entry["key"] for entry in record["files"]}, {"moorings.csv", "notes.txt"})
given.done("deposit and publish")

draft = cli.upload(given.TOKEN, paths, described)
changed = cli.update_deposition(given.TOKEN, draft["id"], {"title": "Renamed"}, [str(given.file("more.txt"))])
given.same((changed["metadata"]["title"], len(changed["files"])), ("Renamed", 3))
given.done("change a draft")

listed = {entry["id"]: entry["submitted"] for entry in cli.list_depositions(given.TOKEN)}
given.same((listed[made["id"]], listed[draft["id"]]), (True, False))
given.done("list of depositions")
