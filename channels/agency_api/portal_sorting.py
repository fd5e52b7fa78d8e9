"""The items of the national portal's messages, sorted out: what is understood, what is refused, what waits."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from channels.agency_api.intake import Batch
from channels.agency_api.payloads import MAX_ITEM
from channels.agency_api.portal_messages import PortalReader
from channels.agency_api.portal_privacy import scrubbed
from channels.agency_api.tallies import Named, Refused, item_error
from channels.agency_api.understanding import Understanding, UnknownStatus
from domain.civil_time import utc_now
from domain.errors import Invalid, Malformed, ServiceError, TooLarge
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
        for place, given in enumerate(data):
            item: Mapping[str, Any] = {}
            try:
                item = _item(given)
                if service == SYNC:
                    batch.changes.append(self._reader.facts(tenant, item, unit=office, now=now))
                else:
                    batch.changes.append(self._reader.event(tenant, item, now=now))
            except ServiceError as error:
                batch.refused.append(_refused(service, place, item, unit, error))
            else:
                batch.places.append(place)
        return batch

    def _office(self, tenant: Tenant, written: str | None) -> int:
        """The receiving office: the unit the message names, where the key reaches it, else the key's own."""
        agency = self._registry.agency_by_code(written.strip().upper()) if written else None
        if agency is not None and agency.agency_id in self._registry.reach(tenant.agency_id):
            return agency.agency_id
        return tenant.agency_id


def _item(given: object) -> dict[str, Any]:
    """One item, without numbers of personal papers. Raises `Invalid`, `TooLarge`, `Malformed`."""
    if not isinstance(given, dict):
        raise Invalid("This must be an object.", field="data")
    try:
        if len(_encode(given)) > MAX_ITEM:
            raise TooLarge(f"One item may have {MAX_ITEM} bytes at most.")
        return scrubbed(given)
    except RecursionError:
        raise Malformed("The item is nested too deeply.") from None


def _refused(service: str, place: int, item: Mapping[str, Any], unit: str | None, error: ServiceError) -> Refused:
    code = next((value for name, value in item.items() if name.lower() == "mahoso"), None)
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
