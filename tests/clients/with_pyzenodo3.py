"""pyzenodo3: its base URL is a parameter."""

import given
import pyzenodo3
import requests
from pyzenodo3 import upload

reader = pyzenodo3.Zenodo(base_url=f"{given.API}/")
given.same(reader.get_record(given.RECORD).data["title"], given.TITLE)
given.done("record")

(hit,) = reader.search("tide gauge harbour")
given.same(hit.data["id"], int(given.RECORD))
given.same(reader.find_record_by_doi(hit.data["doi"]).data["id"], int(given.RECORD))
given.done("search, also by DOI")

upload.upload(given.file("meta.ini"), given.file("data.csv"), given.TOKEN, base_url=f"{given.API}/")
signed = {"access_token": given.TOKEN}
newest = requests.get(f"{given.API}/deposit/depositions", signed, timeout=60).json()[0]
(held,) = requests.get(newest["links"]["files"], signed, timeout=60).json()
given.same(held["filename"].endswith("data.csv"), True)
given.same(held["checksum"], given.md5(b"mooring,degrees\n1,4.2\n"))
given.done("deposit by form")
