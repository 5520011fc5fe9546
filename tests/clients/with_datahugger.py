"""datahugger: its reader of Zenodo has its base URL in an attribute of the class, and a pattern of records' URLs."""

import json
from pathlib import Path

import given
from datahugger.services import ZenodoDataset

ZenodoDataset.API_URL = f"{given.API}/"
ZenodoDataset.REGEXP_ID = r"/records/(?P<record_id>\d+)"

dataset = ZenodoDataset(f"{given.URL}/records/{given.RECORD}", checksum=True, progress=False)
given.same(sorted(entry["name"] for entry in dataset.files), sorted(given.FILES))
given.done("list of files")

dataset.download("data")
for name, content in given.FILES.items():
    given.same(Path("data", name).read_bytes(), content)
(verdicts,) = Path("data/generated").glob("checksums*.json")
given.same(json.loads(verdicts.read_text()), dict.fromkeys(given.FILES, True))
given.done("download with checksums")
