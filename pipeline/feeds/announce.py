"""Handler of the *announce* effect: stamp records with the datestamp that harvesters page by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from pipeline.catalogue import harvest
from pipeline.errors import Conflict, HeadraceError, Unavailable
from pipeline.services import Services, lease_owner

_LEASE = timedelta(seconds=30)


def announce(services: Services, record_ids: Sequence[int]) -> Mapping[int, HeadraceError]:
    """Give the records the time of now; all or none."""
    owner = lease_owner(services)
    try:
        with services.catalogue.write() as tx:
            stamp = harvest.open_stamper(tx, owner=owner, now=services.now(), lease=_LEASE)
        with services.catalogue.write() as tx:
            harvest.stamp(tx, record_ids, owner=owner, datestamp=stamp)
    except Conflict as busy:
        return {record_id: Unavailable(busy.message) for record_id in record_ids}
    return {}
