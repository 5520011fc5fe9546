"""pooch: its reader of Zenodo has its base URL in an attribute of the class; plain URLs need no setting."""

from pathlib import Path

import given
import pooch
from pooch.downloaders import ZenodoRepository

ZenodoRepository.base_api_url = f"{given.API}/records"
repository = ZenodoRepository(doi="", archive_url=f"{given.URL}/records/{given.RECORD}")
brews = pooch.create(Path("cache"), base_url="")
repository.populate_registry(brews)
given.same(brews.registry, {name: f"md5:{given.md5(content)}" for name, content in given.FILES.items()})
given.done("registry of checksums")

for name, content in given.FILES.items():
    path = pooch.retrieve(
        repository.download_url(name), known_hash=brews.registry[name], path="retrieved", fname=name
    )
    given.same(Path(path).read_bytes(), content)
given.done("download with checksums")

fetching = pooch.create(
    Path("fetched"),
    base_url=f"{given.URL}/records/{given.RECORD}/files/",
    registry=brews.registry,
)
given.same(Path(fetching.fetch("gauge.csv")).read_bytes(), given.FILES["gauge.csv"])
given.same(fetching.is_available("gauge.csv"), True)
given.done("fetch from the record's page")
