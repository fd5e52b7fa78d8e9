"""From what an agency wrote to what it means: codes, offices, statuses, phones and times as the store knows them."""

import re
from datetime import datetime, timedelta
from typing import Any, Protocol
from unicodedata import is_normalized

import msgspec
from msgspec import UNSET, UnsetType

from channels.agency_api.payloads import EventPayload, ImportedDossier
from domain.agency import Agency
from domain.contact import e164
from domain.dossier import FilingChannel
from domain.errors import Invalid, ServiceError
from domain.status import Status
from domain.vietnamese import clean
from lookup.changes import DossierFacts, StatusEvent, Tenant
from lookup.codes import canonical

FIRST_YEAR, LAST_YEAR = 1990, 2100
_BEYOND_YEARS = f"The year must lie between {FIRST_YEAR} and {LAST_YEAR}."
# The newest change wins: one from the far future would hide every later one. A day forgives any clock.
AHEAD = timedelta(days=1)

_STATUSES = (Status.SUBMITTED, *Status)  # by number: calling the enum costs ten times as much
_FILING: dict[float, FilingChannel] = {int(channel): channel for channel in FilingChannel}
_PHONE_AS_STORED = re.compile(r"\+84[35789][0-9]{8}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class UnknownStatus(ServiceError):
    """The sender used a status nobody has mapped. The item is kept until somebody does."""

    code = "unknown_status"

    def __init__(self, value: str, *, field: str = "status") -> None:
        super().__init__("We do not know this status. The item is kept and can be read once it is mapped.", field=field)
        self.value = value


class Offices(Protocol):
    """What is asked of `lookup.registry.Registry`."""

    def agency_by_code(self, code: str) -> Agency | None:
        """The office of `code` as last known."""

    def status_for(self, sender_id: int, word: str) -> Status | None:
        """The status a sender means by a word of its own."""


def text(value: str | UnsetType | None) -> str | None:
    """`value` in NFC without control characters and outer space; None for nothing."""
    if not value:
        return None
    if value.isprintable() and (value.isascii() or is_normalized("NFC", value)):
        return value.strip() or None  # most text needs no more
    return clean(value) or None


def sane(at: datetime | UnsetType | None, field: str) -> datetime | None:
    """`at`, if its year can be meant. Raises `Invalid`."""
    if not at:
        return None
    if not FIRST_YEAR <= at.year <= LAST_YEAR:
        raise Invalid(_BEYOND_YEARS, field=field)
    return at


def happened(at: datetime, field: str, now: datetime) -> datetime:
    """`at`, if it can lie behind us. Raises `Invalid`."""
    if at - now > AHEAD:
        raise Invalid("This lies more than a day in the future.", field=field)
    if at.year < FIRST_YEAR:
        raise Invalid(_BEYOND_YEARS, field=field)
    return at


def phone_of(written: str | UnsetType | None, field: str) -> str | None:
    """A phone as E.164. Raises `Invalid`."""
    if not written or not (written := written.strip()):
        return None
    if _PHONE_AS_STORED.fullmatch(written):
        return written
    try:
        return e164(written)
    except Invalid as error:
        raise Invalid(error.message, field=field) from None


class Understanding:
    """Turns payloads into changes. Raises `Invalid`, `MalformedCode`, `UnknownStatus`."""

    def __init__(self, offices: Offices) -> None:
        self._offices = offices

    def status(self, tenant: Tenant, raw: float | str, field: str = "status") -> tuple[Status, str | None]:
        """The status meant by `raw`, and the sender's own word where it was mapped."""
        if isinstance(raw, float):
            if not raw.is_integer():
                raise Invalid("A status is a whole number or a word.", field=field)
            raw = int(raw)
        word = raw.strip() if isinstance(raw, str) else str(raw)
        if (mapped := self._offices.status_for(tenant.agency_id, word)) is not None:
            return mapped, word
        if isinstance(raw, int):
            if 1 <= raw <= 10:
                return _STATUSES[raw], None
        elif not word:
            raise Invalid("The status is empty.", field=field)
        elif word.isascii() and word.isdigit() and len(word) <= 4 and 1 <= int(word) <= 10:
            return _STATUSES[int(word)], None
        raise UnknownStatus(clean(word)[:100], field=field)

    def office(self, code: str | UnsetType | None, field: str) -> int | None:
        """Our id of the office with this code."""
        if not code:
            return None
        agency = self._offices.agency_by_code(code) or self._offices.agency_by_code(code.strip().upper())
        if agency is None:
            raise Invalid("We do not know this agency.", field=field)
        return agency.agency_id

    def event(self, tenant: Tenant, now: datetime, payload: EventPayload) -> StatusEvent:
        """One change of status."""
        event_id = text(payload.id)
        if event_id is None:
            raise Invalid("The id is empty.", field="id")
        status, raw_status = self.status(tenant, payload.status)
        return StatusEvent(
            event_id=event_id,
            code=canonical(payload.code),
            status=status,
            at=happened(payload.at, "at", now),
            note=text(payload.note),
            office=text(payload.office),
            officer=text(payload.officer),
            due_at=sane(payload.due_at, "due_at"),
            asked_of_applicant=text(payload.asked_of_applicant),
            raw_status=raw_status,
            notify=payload.notify is not False,
        )

    def facts(
        self, tenant: Tenant, now: datetime, payload: ImportedDossier, *, code: str | None = None
    ) -> DossierFacts:
        """The facts of one dossier; `code` is what the address names."""
        given = canonical(payload.code) if payload.code else None
        if code is not None and given not in {None, code}:
            raise Invalid("The code is not the one in the address.", field="code")
        code = code or given
        if code is None:
            raise Invalid("A required member is missing.", field="code")
        status, raw_status = self.status(tenant, payload.status)
        receiving = self.office(payload.receiving_agency, "receiving_agency")
        if receiving is None:
            raise Invalid("We do not know this agency.", field="receiving_agency")
        applicant, procedure = payload.applicant or None, payload.procedure or None
        return DossierFacts(
            code=code,
            receiving_agency=receiving,
            resolving_agency=self.office(payload.resolving_agency, "resolving_agency"),
            procedure_code=text(procedure.code) if procedure else None,
            procedure_name=text(procedure.name) if procedure else None,
            reference=text(payload.reference),
            filing_channel=_filing_channel(payload.filing_channel),
            applicant_name=text(applicant.name) if applicant else None,
            applicant_kind=text(applicant.kind) if applicant else None,
            phone=phone_of(applicant.phone, "applicant.phone") if applicant else None,
            email=email_of(applicant.email, "applicant.email") if applicant else None,
            secret=text(payload.secret),
            received_at=happened(payload.received_at, "received_at", now) if payload.received_at else None,
            due_at=sane(payload.due_at, "due_at"),
            finished_at=sane(payload.finished_at, "finished_at"),
            delivered_at=sane(payload.delivered_at, "delivered_at"),
            status=status,
            status_at=happened(payload.status_at, "status_at", now),
            asked_of_applicant=text(payload.asked_of_applicant),
            note=text(payload.note),
            extra=_extra(payload.extra),
            raw_status=raw_status,
            notify=payload.notify is not False,
        )


def _filing_channel(given: float | UnsetType) -> FilingChannel | None:
    if given is UNSET:
        return None
    channel = _FILING.get(given)  # 1.0 finds 1
    if channel is None:
        raise Invalid("1 is in person, 2 online, 3 by post.", field="filing_channel")
    return channel


def email_of(given: str | UnsetType | None, field: str) -> str | None:
    """An e-mail address, as far as its shape tells. Raises `Invalid`."""
    email = text(given)
    if email is not None and not _EMAIL.fullmatch(email):
        raise Invalid("This is not an e-mail address.", field=field)
    return email


def _extra(given: dict[str, Any] | UnsetType | None) -> bytes | None:
    if not given:
        return None
    extra = msgspec.json.encode(given)
    if _NUL.search(extra):
        raise Invalid("The character U+0000 cannot be stored.", field="extra")
    return extra
