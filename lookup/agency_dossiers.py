"""What we hold, read back by the agency that sent it: one dossier, its history, lists of what changed."""

import base64
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID

from database.pool import DATABASE_AWAY, Connection, Database
from domain.dossier import FilingChannel
from domain.errors import Invalid, NotFound, Unavailable
from domain.status import Status
from lookup.changes import Tenant
from lookup.dossier_rows import STATUSES
from lookup.sealing import Seal

LONGEST_PAGE = 1000
# A transaction may commit this long after it recorded its changes. What is younger is listed, and again next time.
SETTLED_AFTER = timedelta(seconds=10)

FIND_HELD = """
    SELECT d.id, d.code, d.version, d.owner_agency, d.receiving_agency, d.resolving_agency, d.filing_channel,
           d.reference, p.code AS procedure_code, p.name AS procedure_name, d.applicant_name, d.applicant_kind,
           d.phone_sealed, d.email_sealed, d.status, d.status_at, d.received_at, d.due_at, d.finished_at,
           d.delivered_at, d.asked, d.note, d.extra, d.recorded_at, d.put_off_from, d.put_off_to
      FROM dossier d LEFT JOIN procedure p ON p.id = d.procedure_id
     WHERE d.id = ANY ($1::bigint[])"""
FIND_ID = "SELECT dossier_id FROM dossier_code WHERE code = $1 AND test = $2"
FIND_REFERENCE = """
    SELECT d.id
      FROM agency_reach r
     CROSS JOIN LATERAL (
           SELECT id FROM dossier
            WHERE owner_agency = r.agency_id AND reference = $2 AND recorded_at >= $3 ORDER BY id DESC LIMIT $4) AS d
     WHERE r.scope_id = $1
     ORDER BY d.id DESC LIMIT $4"""
# One short walk along the journal of each agency in reach, then the earliest of them all.
WALK_JOURNAL = """
    SELECT e.recorded_at, e.dossier_id
      FROM agency_reach r
     CROSS JOIN LATERAL (
           SELECT recorded_at, dossier_id FROM dossier_event
            WHERE owner_agency = r.agency_id AND (recorded_at, dossier_id) > ($2::timestamptz, $3::bigint)
            ORDER BY recorded_at, dossier_id LIMIT $4) AS e
     WHERE r.scope_id = $1
     ORDER BY e.recorded_at, e.dossier_id LIMIT $4"""
LIST_EVENTS = """
    SELECT event_key, recorded_at, event_id, from_facts, at, status, raw_status, due_at, office, officer, note, asked
      FROM dossier_event
     WHERE dossier_id = $1 AND (recorded_at, event_key) > ($2::timestamptz, $3::uuid)
     ORDER BY recorded_at, event_key LIMIT $4"""
CLOCK = "SELECT now()"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LIST_CURSOR = struct.Struct(">qqq")
_EVENT_CURSOR = struct.Struct(">q16s")


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldDossier:
    """One dossier as its agency stated it, and as events moved it on. Agencies are our ids; the secret is not kept."""

    code: str
    version: int
    owner_agency: int
    receiving_agency: int
    resolving_agency: int | None
    filing_channel: FilingChannel | None
    reference: str | None
    procedure_code: str | None
    procedure_name: str | None
    applicant_name: str | None = field(repr=False)
    applicant_kind: str | None
    phone: str | None = field(repr=False)
    email: str | None = field(repr=False)
    status: Status
    status_at: datetime
    received_at: datetime | None
    due_at: datetime | None
    finished_at: datetime | None
    delivered_at: datetime | None
    asked_of_applicant: str | None = field(repr=False)
    note: str | None = field(repr=False)
    extra: bytes | None = field(repr=False)  # a JSON object
    recorded_at: datetime
    put_off_from: datetime | None  # the date that an apology replaced, by the next
    put_off_to: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldEvent:
    """One entry of a history. `from_facts`: it came with facts, and `event_id` is ours."""

    event_id: str
    from_facts: bool
    at: datetime
    status: Status
    raw_status: str | None
    due_at: datetime | None
    office: str | None
    officer: str | None = field(repr=False)
    note: str | None = field(repr=False)
    asked_of_applicant: str | None = field(repr=False)
    recorded_at: datetime


T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """A part of a list. `cursor` leads on: to the next page while there is `more`, later to what changed since."""

    items: tuple[T, ...]
    cursor: str | None
    more: bool


class AgencyDossiers:
    """Reads as the tenant, who sees the dossiers of its own agencies and nothing else."""

    def __init__(self, database: Database, seal: Seal) -> None:
        self._database = database
        self._seal = seal

    async def get(self, tenant: Tenant, code: str) -> HeldDossier:
        """The dossier of a canonical `code`. Raises `NotFound`, also for somebody else's, and `Unavailable`."""
        try:
            async with self._database.tenant(tenant.agency_id, test=tenant.test) as connection:
                return (await self._held(connection, [await _id(connection, tenant, code)]))[0]
        except DATABASE_AWAY as error:
            raise _away() from error

    async def events(
        self, tenant: Tenant, code: str, *, cursor: str | None = None, limit: int = 100
    ) -> Page[HeldEvent]:
        """The history of a dossier in order of recording. Raises as `get`, and `Invalid` for `cursor` and `limit`."""
        recorded, key = _unpacked(_EVENT_CURSOR, cursor) if cursor else (0, bytes(16))
        limit = _checked(limit)
        try:
            async with self._database.tenant(tenant.agency_id, test=tenant.test) as connection:
                dossier_id = await _id(connection, tenant, code)
                since = _EPOCH + recorded * _MICROSECOND
                rows = await connection.fetch(LIST_EVENTS, dossier_id, since, UUID(bytes=key), limit)
        except DATABASE_AWAY as error:
            raise _away() from error
        if rows:
            cursor = _packed(_EVENT_CURSOR, _microseconds(rows[-1]["recorded_at"]), rows[-1]["event_key"].bytes)
        return Page(items=tuple(map(_event, rows)), cursor=cursor, more=len(rows) == limit)

    async def list(
        self,
        tenant: Tenant,
        *,
        reference: str | None = None,
        changed_since: datetime | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> Page[HeldDossier]:
        """The dossiers with the sender's own `reference`, newest first; or all that changed, in order of change.

        Following the cursor misses no change, even one that commits late, and may show the changes of the last seconds
        again. Raises `Invalid` for `cursor` and `limit`, and `Unavailable`.
        """
        limit = _checked(limit)
        since = changed_since or _EPOCH
        try:
            async with self._database.tenant(tenant.agency_id, test=tenant.test) as connection:
                if reference is None:
                    return await self._changed(connection, tenant, since, cursor, limit)
                rows = await connection.fetch(FIND_REFERENCE, tenant.agency_id, reference, since, limit)
                return Page(items=await self._held(connection, [row["id"] for row in rows]), cursor=None, more=False)
        except DATABASE_AWAY as error:
            raise _away() from error

    async def _changed(
        self, connection: Connection, tenant: Tenant, since: datetime, cursor: str | None, limit: int
    ) -> Page[HeldDossier]:
        """One page of a walk along the journal.

        The cursor holds the place reached and the moment up to which everything had settled when the walk began: at its
        end the next walk starts from there, so that what committed behind our back is met then.
        """
        settled = _microseconds(await connection.fetchval(CLOCK) - SETTLED_AFTER)
        place, number = _microseconds(since) - 1, 0
        if cursor:
            place, number, begun_with = _unpacked(_LIST_CURSOR, cursor)
            settled = min(settled, begun_with) if begun_with else settled
        rows = await connection.fetch(WALK_JOURNAL, tenant.agency_id, _EPOCH + place * _MICROSECOND, number, limit)
        if rows:
            place, number = _microseconds(rows[-1]["recorded_at"]), rows[-1]["dossier_id"]
        more = len(rows) == limit
        if more:
            following = _packed(_LIST_CURSOR, place, number, settled)
        elif place > settled:
            following = _packed(_LIST_CURSOR, settled, 0, 0)
        else:
            following = _packed(_LIST_CURSOR, place, number, 0)
        items = await self._held(connection, [*dict.fromkeys(row["dossier_id"] for row in rows)])
        return Page(items=items, cursor=following, more=more)

    async def _held(self, connection: Connection, ids: Sequence[int]) -> tuple[HeldDossier, ...]:
        rows = {row["id"]: row for row in await connection.fetch(FIND_HELD, ids)} if ids else {}
        return tuple(self._dossier(rows[dossier_id]) for dossier_id in ids)

    def _dossier(self, row: Mapping[str, Any]) -> HeldDossier:
        channel, extra = row["filing_channel"], row["extra"]
        return HeldDossier(
            code=row["code"],
            version=row["version"],
            owner_agency=row["owner_agency"],
            receiving_agency=row["receiving_agency"],
            resolving_agency=row["resolving_agency"],
            filing_channel=FilingChannel(channel) if channel is not None else None,
            reference=row["reference"],
            procedure_code=row["procedure_code"],
            procedure_name=row["procedure_name"] or None,
            applicant_name=row["applicant_name"],
            applicant_kind=row["applicant_kind"],
            phone=self._seal.open(row["phone_sealed"]) if row["phone_sealed"] else None,
            email=self._seal.open(row["email_sealed"]) if row["email_sealed"] else None,
            status=STATUSES[row["status"]],
            status_at=row["status_at"],
            received_at=row["received_at"],
            due_at=row["due_at"],
            finished_at=row["finished_at"],
            delivered_at=row["delivered_at"],
            asked_of_applicant=row["asked"],
            note=row["note"],
            extra=extra.encode() if extra is not None else None,
            recorded_at=row["recorded_at"],
            put_off_from=row["put_off_from"],
            put_off_to=row["put_off_to"],
        )


async def _id(connection: Connection, tenant: Tenant, code: str) -> int:
    found: int | None = await connection.fetchval(FIND_ID, code, tenant.test)
    if found is None:
        raise NotFound("We hold no such dossier of yours.", field="code")
    return found


def _event(row: Mapping[str, Any]) -> HeldEvent:
    return HeldEvent(
        event_id=row["event_id"],
        from_facts=row["from_facts"],
        at=row["at"],
        status=STATUSES[row["status"]],
        raw_status=row["raw_status"],
        due_at=row["due_at"],
        office=row["office"],
        officer=row["officer"],
        note=row["note"],
        asked_of_applicant=row["asked"],
        recorded_at=row["recorded_at"],
    )


def _checked(limit: int) -> int:
    if not 1 <= limit <= LONGEST_PAGE:
        raise Invalid(f"A page has 1 to {LONGEST_PAGE} items.", field="limit")
    return limit


def _microseconds(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


def _packed(shape: struct.Struct, *values: object) -> str:
    return base64.urlsafe_b64encode(shape.pack(*values)).decode().rstrip("=")


def _unpacked(shape: struct.Struct, cursor: str) -> tuple[Any, ...]:
    """The values of a cursor. They only place the reader in its own list, so that forging one gains nothing."""
    try:
        values = shape.unpack(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        _EPOCH + values[0] * _MICROSECOND  # out of range is no place either
    except (ValueError, struct.error, OverflowError):
        raise Invalid("This cursor is not one of ours.", field="cursor") from None
    return values


def _away() -> Unavailable:
    return Unavailable("The store cannot be reached at the moment. Please try again shortly.")


STATEMENTS = (FIND_HELD, FIND_ID, FIND_REFERENCE, WALK_JOURNAL, LIST_EVENTS, CLOCK)
