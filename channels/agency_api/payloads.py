"""What agencies send, as JSON: the shapes of interface.md, and one human sentence for the first thing that is wrong."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from channels.json_bodies import decoded, refuse_repeated_members
from domain.errors import ServiceError, TooLarge

MAX_ITEM = 65_536  # bytes of one dossier or event

Word = Annotated[str, Meta(min_length=1, max_length=64)]
AgencyWord = Annotated[str, Meta(min_length=1, max_length=35)]
EventId = Annotated[str, Meta(min_length=1, max_length=200)]
OptionalText = Annotated[str, Meta(max_length=4000)] | UnsetType | None
OptionalName = Annotated[str, Meta(max_length=300)] | UnsetType | None
Time = Annotated[datetime, Meta(tz=True)]
OptionalTime = Time | UnsetType | None
# Senders' own words are legal, and JSON Schema calls 4.0 an integer.
RawStatus = int | float | Annotated[str, Meta(min_length=1, max_length=100)]


class ProcedurePayload(Struct, forbid_unknown_fields=True):
    """The administrative procedure (thủ tục hành chính)."""

    code: Word
    name: Annotated[str, Meta(max_length=1000)] | UnsetType | None = UNSET


class ApplicantPayload(Struct, forbid_unknown_fields=True):
    """The dossier's owner (chủ hồ sơ) and how to reach them."""

    name: Annotated[str, Meta(min_length=1, max_length=300)]
    phone: Annotated[str, Meta(max_length=32)] | UnsetType | None = UNSET
    email: Annotated[str, Meta(max_length=254)] | UnsetType | None = UNSET
    kind: Annotated[str, Meta(max_length=50)] | UnsetType | None = UNSET


class ImportedDossier(Struct, forbid_unknown_fields=True, kw_only=True):
    """One dossier of a file: offices export what they have, so less is asked of it than of a system."""

    applicant: ApplicantPayload | UnsetType = UNSET
    code: Word | UnsetType = UNSET
    reference: Annotated[str, Meta(max_length=100)] | UnsetType | None = UNSET
    procedure: ProcedurePayload | UnsetType = UNSET
    receiving_agency: AgencyWord
    resolving_agency: AgencyWord | UnsetType | None = UNSET
    filing_channel: int | float | UnsetType = UNSET
    secret: Annotated[str, Meta(min_length=4, max_length=64)] | UnsetType | None = UNSET
    received_at: Time | UnsetType = UNSET
    due_at: OptionalTime = UNSET
    finished_at: OptionalTime = UNSET
    delivered_at: OptionalTime = UNSET
    status: RawStatus
    status_at: Time
    asked_of_applicant: OptionalText = UNSET
    note: OptionalText = UNSET
    extra: dict[str, Any] | UnsetType | None = UNSET
    notify: bool | UnsetType = UNSET


class DossierPayload(ImportedDossier, forbid_unknown_fields=True, kw_only=True):
    """One dossier of interface.md. `code` may be left out where the address names it."""

    applicant: ApplicantPayload
    procedure: ProcedurePayload
    filing_channel: int | float
    received_at: Time


class EventPayload(Struct, forbid_unknown_fields=True):
    """One change of status."""

    id: EventId
    code: Word
    status: RawStatus
    at: Time
    note: OptionalText = UNSET
    office: OptionalName = UNSET
    officer: OptionalName = UNSET
    due_at: OptionalTime = UNSET
    asked_of_applicant: OptionalText = UNSET
    notify: bool | UnsetType = UNSET


P = TypeVar("P", bound=Struct)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """An item that is none: why, and what it calls itself as far as that can be told."""

    error: ServiceError
    code: str | None = None
    event_id: str | None = None


class Shape(Generic[P]):
    """Reads JSON of one shape, one item or many.

    What was understood is written again and compared with what was sent by the number of colons: members named twice
    are the only way to lose one, since unknown members are refused. It costs a tenth of looking at every member.
    """

    def __init__(self, kind: type[P]) -> None:
        self._one = msgspec.json.Decoder(kind)
        self._many: msgspec.json.Decoder[list[P]] = msgspec.json.Decoder(list[kind])  # type: ignore[valid-type]
        self._encode = msgspec.json.Encoder().encode

    def one(self, raw: bytes) -> P:
        """The item in `raw`. Raises `Malformed`, `Invalid`, `TooLarge`."""
        if len(raw) > MAX_ITEM:
            raise TooLarge(f"One item may have {MAX_ITEM} bytes at most.")
        item = decoded(self._one.decode, raw)
        if self._encode(item).count(b":") != raw.count(b":"):
            refuse_repeated_members(raw)
        return item

    def many(self, raw: bytes, count: int | None = None) -> list[P] | None:
        """Every item of the array `raw`; None when one of them is faulty or there are not `count` of them."""
        try:
            items = self._many.decode(raw)
            if count not in {None, len(items)} or self._encode(items).count(b":") != raw.count(b":"):
                return None
        except (ValueError, RecursionError):
            return None
        if len(raw) > MAX_ITEM and any(len(self._encode(item)) > MAX_ITEM for item in items):
            return None
        return items

    def each(self, raws: Sequence[bytes]) -> list[P | Unreadable]:
        """Every item by itself, faulty ones with the reason."""
        found: list[P | Unreadable] = []
        for raw in raws:
            try:
                found.append(self.one(raw))
            except ServiceError as error:
                found.append(unreadable(raw, error))
        return found


DOSSIERS = Shape(DossierPayload)
EVENTS = Shape(EventPayload)
IMPORTED = Shape(ImportedDossier)
_array_of_raw = msgspec.json.Decoder(list[msgspec.Raw])
_names = msgspec.json.Decoder(dict[str, msgspec.Raw])
_text = msgspec.json.Decoder(str)


def elements(body: bytes) -> list[bytes]:
    """The elements of a JSON array, each as its own JSON text. Raises `Malformed`, `Invalid`."""
    return [bytes(raw) for raw in decoded(_array_of_raw.decode, body)]


def unreadable(raw: bytes, error: ServiceError) -> Unreadable:
    """What can still be told of a faulty item, so that its sender finds it."""
    if len(raw) > MAX_ITEM:
        return Unreadable(error=error)
    try:
        members = _names.decode(raw)
    except (ValueError, RecursionError):
        return Unreadable(error=error)
    return Unreadable(error=error, code=_short(members.get("code")), event_id=_short(members.get("id")))


def _short(raw: msgspec.Raw | None) -> str | None:
    if raw is None:
        return None
    try:
        text = _text.decode(raw)
    except ValueError:
        return None
    return text if len(text) <= 200 else None
