"""caltechdata_api, of Caltech's InvenioRDM: its hosts are literals, so the requests that it sends are led here. It
expects InvenioRDM's JSON, which is not what Zenodo answers unasked."""

from typing import Any

import given
import requests
from caltechdata_api import caltechdata_accept, caltechdata_edit, caltechdata_reject, caltechdata_write

HOST = "https://data.caltechlibrary.dev"
RDM_JSON = "application/vnd.inveniordm.v1+json"
send = requests.Session.request


def redirected(session: requests.Session, method: str, url: str, **options: Any) -> requests.Response:
    headers = {"Accept": RDM_JSON, **(options.pop("headers", None) or {})}
    return send(session, method, url.replace(HOST, given.URL), headers=headers, **options)


requests.Session.request = redirected  # type: ignore[method-assign]


def founded(slug: str) -> str:
    """A community of the first account, which reviews everything; its id. The client makes none."""
    body = {"slug": slug, "metadata": {"title": slug}, "access": {"visibility": "public"}}
    made = requests.post(
        f"{given.API}/communities", json=body, headers={"Authorization": f"Bearer {given.TOKEN}"}, timeout=60
    )
    made.raise_for_status()
    return str(made.json()["id"])


def record(id_: str) -> dict[str, Any]:
    found: dict[str, Any] = requests.get(f"{given.API}/records/{id_}", timeout=60).json()
    return found


first, second = founded("caltech-moorings"), founded("caltech-tides")
described = {
    "metadata": given.RDM_METADATA,
    "access": {"record": "public", "files": "public"},
}
moorings = given.file("moorings.csv")

own = caltechdata_write(
    described, given.TOKEN, [str(moorings)], community=first, publish=True, review_message="Mine"
)
given.same(record(own)["parent"]["communities"]["ids"], [first])
given.same(list(record(own)["files"]["entries"]), ["moorings.csv"])
given.done("deposit, submit for review, accept and publish")

asked = caltechdata_write(described, given.OTHER_TOKEN, [str(moorings)], community=first)
given.same("status" in record(asked) and record(asked)["status"], 404)
caltechdata_accept([asked], given.TOKEN)
given.same(record(asked)["parent"]["communities"]["ids"], [first])
given.done("submit for review as one, accept as another")

refused = caltechdata_write(described, given.OTHER_TOKEN, [str(moorings)], community=first)
caltechdata_reject([refused], given.TOKEN)
given.same(record(refused)["status"], 404)
given.done("decline")

changed = {
    **described,
    "metadata": {**given.RDM_METADATA, "title": "Seabed temperatures, in two communities"},
}
caltechdata_edit(own, changed, given.TOKEN, community=second, publish=True)
given.same(sorted(record(own)["parent"]["communities"]["ids"]), sorted([first, second]))
given.same(record(own)["metadata"]["title"], changed["metadata"]["title"])
given.done("put a record into another community, edit it")
