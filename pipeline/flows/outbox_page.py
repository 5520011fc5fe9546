"""What is still to be done after commits, as Prefect's page *Artifacts* shows it: two tables that the dispatcher keeps
up to date in place, whatever run or process made them."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.client.schemas.filters import ArtifactCollectionFilter, ArtifactCollectionFilterKey

from pipeline import codec
from pipeline.catalogue import outbox
from pipeline.flows import api
from pipeline.flows.progress import LISTED
from pipeline.model import EffectKind, JsonObject
from pipeline.services import Services

_LOG = logging.getLogger(__name__)


class OutboxPage:
    """How effects stand by kind (`outbox-REPOSITORY`), and each that is parked (`outbox-parked-REPOSITORY`): several
    repositories may share a server."""

    def __init__(self, services: Services) -> None:
        self._services = services
        repository = services.repository.id.lower().replace(".", "-")  # a key has letters, digits and dashes
        self._standing = _Table(f"outbox-{repository}", "What is still to be done after commits, by kind")
        self._parked = _Table(
            f"outbox-parked-{repository}",
            "Effects that wait until somebody mends what is wrong, and then releases them: `headrace retry --effects` "
            "all, with `--kind KIND` or `--effect ID` some",
        )
        self._is_refused = False

    def show(self) -> None:
        """Bring the tables up to date, where Prefect answers. Raises `Unavailable` where the database is away."""
        with self._services.catalogue.read() as tx:
            standing = outbox.standing(tx, now=self._services.now())
            parked = outbox.parked(tx, LISTED)
        if not api.answers():
            return
        try:
            with get_client(sync_client=True) as client:
                self._standing.show(client, [_kind_row(one) for one in standing])
                self._parked.show(client, [_parked_row(one) for one in parked])
            self._is_refused = False
        except Exception:
            # Pages are for people: nothing waits for them, and the next look tries again.
            if not self._is_refused:
                _LOG.exception("Prefect cannot be told how effects stand")
            self._is_refused = True


class _Table:
    """A table artifact that outlives its maker: the newest of its key is gone on with."""

    def __init__(self, key: str, description: str) -> None:
        self._key = key
        self._description = description
        self._id: UUID | None = None
        self._shown: str | None = None

    def show(self, client: SyncPrefectClient, rows: Sequence[JsonObject]) -> None:
        text = json.dumps(rows)
        if text == self._shown:
            return
        if self._id is None:
            self._id = self._find(client)
        if self._id is not None:
            client.update_artifact(self._id, ArtifactUpdate(data=text, description=self._description))
        elif rows:
            made = ArtifactCreate(key=self._key, type="table", description=self._description, data=text)
            self._id = client.create_artifact(made).id
        self._shown = text

    def _find(self, client: SyncPrefectClient) -> UUID | None:
        of_key = ArtifactCollectionFilter(key=ArtifactCollectionFilterKey(any_=[self._key]))
        found = client.read_latest_artifacts(artifact_filter=of_key)
        return found[0].latest_id if found else None


def _kind_row(one: outbox.Standing) -> JsonObject:
    return {
        "effect": one.kind,
        "waiting": one.waiting,
        "under way": one.under_way,
        "put off": one.put_off,
        "next try": "" if one.next_due is None else codec.time_to_json(one.next_due),
        "parked": one.parked,
        "oldest": "" if one.oldest is None else codec.time_to_json(one.oldest),
    }


def _parked_row(one: outbox.Parked) -> JsonObject:
    return {
        "effect": one.id,
        "kind": one.kind,
        "record": "" if one.kind is EffectKind.MAIL else one.record_id,
        "accession": one.accession_id or "",
        "attempts": one.attempts,
        "since": codec.time_to_json(one.since),
        "error": one.error,
        "to do": one.remedy,
    }
