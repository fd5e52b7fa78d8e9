"""The items of the national portal's messages, sorted out: what is understood, what is refused, what waits."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from channels.agency_api.intake import Batch, Change
from channels.agency_api.payloads import MAX_ITEM
from channels.agency_api.portal_messages import PortalReader
from channels.agency_api.tallies import Named, Refused, item_error
from channels.agency_api.understanding import Understanding, UnknownStatus
from domain.civil_time import utc_now
from domain.errors import Invalid, ServiceError, TooLarge
from domain.vietnamese import clean
from lookup.changes import Tenant
from lookup.quarantine import Unclear
from lookup.registry import Registry
from lookup.sender_words import ApplicantKinds

SYNC, PROGRESS = "DongBoHoSoMC", "CapNhatTienDoHoSoMC"
ROUTE = "portal/"  # and the service: how an item that waits names who can read it

_encode = msgspec.json.Encoder().encode


class PortalSorting:
    """Sorts out the items of one message."""

    def __init__(self, understanding: Understanding, kinds: ApplicantKinds, registry: Registry) -> None:
        self._kinds = kinds
        self._registry = registry
        self._reader = PortalReader(
            understanding=understanding, kinds=lambda tenant, raw: kinds.of(tenant.agency_id, raw)
        )

    async def batch(self, tenant: Tenant, service: str, data: Sequence[object], unit: str | None) -> Batch:
        """The items of `data`; `unit` is the office the message says it comes from."""
        await self._kinds.refresh()
        batch, now, office = Batch(), utc_now(), self._office(tenant, unit)
        for place, item in enumerate(data):
            try:
                batch.changes.append(self._read(tenant, service, item, office, now))
            except ServiceError as error:
                batch.refused.append(_refused(service, place, item, unit, error))
            else:
                batch.places.append(place)
        return batch

    def _read(self, tenant: Tenant, service: str, item: object, office: int, now: datetime) -> Change:
        if not isinstance(item, Mapping):
            raise Invalid("This must be an object.", field="data")
        if len(_encode(item)) > MAX_ITEM:
            raise TooLarge(f"One item may have {MAX_ITEM} bytes at most.")
        if service == SYNC:
            return self._reader.facts(tenant, item, unit=office, now=now)
        return self._reader.event(tenant, item, now=now)

    def _office(self, tenant: Tenant, written: str | None) -> int:
        """The receiving office: the unit the message names, where the key reaches it, else the key's own."""
        agency = self._registry.agency_by_code(written.strip().upper()) if written else None
        if agency is not None and agency.agency_id in self._registry.reach(tenant.agency_id):
            return agency.agency_id
        return tenant.agency_id


def _refused(service: str, place: int, item: object, unit: str | None, error: ServiceError) -> Refused:
    code = item.get("MaHoSo") if isinstance(item, Mapping) else None
    unclear = None
    if isinstance(error, UnknownStatus):
        unclear = Unclear(
            route=ROUTE + service,
            reason=error.code,
            field=error.field,
            value=error.value,
            payload=_encode({"unit": unit, "item": item}).decode(),
        )
    named = Named(code=clean(code)[:64] if isinstance(code, str) else None)
    return Refused(place=place, named=named, error=item_error(error), unclear=unclear)
