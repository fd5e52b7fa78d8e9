"""What we hold, told to the agency that sent it: one dossier, its history, lists by cursor."""

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

import msgspec

from channels.agency_api.understanding import sane
from domain.civil_time import CIVIL_ZONE
from domain.errors import Invalid
from lookup.agency_dossiers import AgencyDossiers, HeldDossier, HeldEvent, Page
from lookup.changes import Tenant
from lookup.codes import canonical
from lookup.idempotency import GivenAnswer
from lookup.registry import Registry

DEFAULT_PAGE, LONGEST_PAGE = 100, 500
LONGEST_REFERENCE = 100
LONGEST_CURSOR = 100

_encode = msgspec.json.Encoder().encode
_time = msgspec.json.Decoder(Annotated[datetime, msgspec.Meta(tz=True)])


class ReadingBack:
    """Answers to GET. Another agency's dossier is not found, in the words for one that does not exist."""

    def __init__(self, dossiers: AgencyDossiers, registry: Registry) -> None:
        self._dossiers = dossiers
        self._registry = registry

    async def dossier(self, tenant: Tenant, code: str) -> GivenAnswer:
        """One dossier. Raises `NotFound`, `MalformedCode`, `Unavailable`."""
        return _answer(self._said(await self._dossiers.get(tenant, canonical(code))))

    async def events(self, tenant: Tenant, code: str, query: Mapping[str, str]) -> GivenAnswer:
        """The history of one dossier in order of recording, by cursor. Raises as `dossier` does, `Invalid`."""
        page = await self._dossiers.events(
            tenant, canonical(code), cursor=_cursor(query), limit=limit_of(query.get("limit"))
        )
        return _answer({"items": [_event_said(event) for event in page.items], **_onward(page)})

    async def listed(self, tenant: Tenant, query: Mapping[str, str]) -> GivenAnswer:
        """The dossiers with a reference, or those that changed, by cursor. Raises `Invalid`, `Unavailable`."""
        reference = query.get("reference") or None
        if reference and (len(reference) > LONGEST_REFERENCE or "\0" in reference):
            raise Invalid(f"A reference has at most {LONGEST_REFERENCE} characters.", field="reference")
        page = await self._dossiers.list(
            tenant,
            reference=reference,
            changed_since=_since(query.get("changed_since")),
            cursor=_cursor(query),
            limit=limit_of(query.get("limit")),
        )
        return _answer({"items": [self._said(held) for held in page.items], **_onward(page)})

    async def for_portal(self, tenant: Tenant, code: str) -> dict[str, Any]:
        """One dossier in the portal's names. Raises `NotFound`, `MalformedCode`, `Unavailable`."""
        held = await self._dossiers.get(tenant, canonical(code))
        unit = self._registry.agency(held.resolving_agency or held.receiving_agency)
        return {
            "MaHoSo": held.code,
            "SoBienNhan": held.reference or "",
            "MaTTHC": held.procedure_code or "",
            "TenTTHC": held.procedure_name or "",
            "KenhThucHien": str(int(held.filing_channel)) if held.filing_channel else "",
            "ChuHoSo": held.applicant_name or "",
            "NgayTiepNhan": _compact(held.received_at),
            "NgayHenTra": _compact(held.due_at),
            "NgayKetThucXuLy": _compact(held.finished_at),
            "NgayTra": _compact(held.delivered_at),
            "TrangThaiHoSo": str(int(held.status)),
            "DonViXuLy": unit.name if unit else "",
        }

    def _said(self, held: HeldDossier) -> dict[str, Any]:
        procedure = {"code": held.procedure_code, "name": held.procedure_name} if held.procedure_code else None
        said = {
            "code": held.code,
            "version": held.version,
            "reference": held.reference,
            "procedure": _without_nothing(procedure) if procedure else None,
            "receiving_agency": self._agency(held.receiving_agency),
            "resolving_agency": self._agency(held.resolving_agency),
            "filing_channel": held.filing_channel,
            "applicant": _without_nothing(
                {
                    "name": held.applicant_name,
                    "phone": held.phone,
                    "email": held.email,
                    "kind": held.applicant_kind,
                }
            )
            or None,
            "received_at": held.received_at,
            "due_at": held.due_at,
            "put_off": {"from": held.put_off_from, "to": held.put_off_to} if held.put_off_from else None,
            "status": held.status,
            "status_at": held.status_at,
            "finished_at": held.finished_at,
            "delivered_at": held.delivered_at,
            "asked_of_applicant": held.asked_of_applicant,
            "note": held.note,
            "extra": msgspec.Raw(held.extra) if held.extra else None,
            "recorded_at": held.recorded_at,
        }
        return _without_nothing(said)

    def _agency(self, agency_id: int | None) -> str | None:
        agency = self._registry.agency(agency_id) if agency_id is not None else None
        return agency.code if agency else None


def _event_said(event: HeldEvent) -> dict[str, Any]:
    return _without_nothing(
        {
            "id": event.event_id,
            "from_facts": event.from_facts or None,
            "status": event.status,
            "raw_status": event.raw_status,
            "at": event.at,
            "due_at": event.due_at,
            "office": event.office,
            "officer": event.officer,
            "note": event.note,
            "asked_of_applicant": event.asked_of_applicant,
            "recorded_at": event.recorded_at,
        }
    )


def _without_nothing(said: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if value is not None}


def _onward(page: Page[Any]) -> dict[str, Any]:
    return {"cursor": page.cursor, "more": page.more}


def limit_of(written: str | None) -> int:
    """The length of a page asked for. Raises `Invalid`."""
    if written is None:
        return DEFAULT_PAGE
    if not (written.isascii() and written.isdigit() and len(written) <= 4 and 1 <= int(written) <= LONGEST_PAGE):
        raise Invalid(f"A page has 1 to {LONGEST_PAGE} items.", field="limit")
    return int(written)


def _cursor(query: Mapping[str, str]) -> str | None:
    cursor = query.get("cursor") or None
    if cursor and len(cursor) > LONGEST_CURSOR:
        raise Invalid("This cursor is not one of ours.", field="cursor")
    return cursor


def _since(written: str | None) -> datetime | None:
    if written is None:
        return None
    try:
        # A `+` that was not encoded arrives as a space; before an offset it can mean nothing else.
        return sane(_time.decode(_encode(written.replace(" ", "+") if "T" in written else written)), "changed_since")
    except ValueError:
        raise Invalid(
            "The time needs its offset, for example 2026-11-02T08:00:00+07:00.", field="changed_since"
        ) from None


def _compact(at: datetime | None) -> str:
    return f"{at.astimezone(CIVIL_ZONE):%Y%m%d%H%M%S}" if at else ""


def _answer(said: dict[str, Any]) -> GivenAnswer:
    return GivenAnswer(status=HTTPStatus.OK, body=_encode(said))
