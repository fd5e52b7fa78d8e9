"""What an agency tells us of its dossiers, after the edge has read it, and what became of each item."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol

from database.pool import Connection
from domain.dossier import FilingChannel
from domain.status import Status

MAX_BATCH = 500  # items per transaction (docs/decisions/0003)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """On whose behalf a change is written: the agency of the key, and whether it is a test key."""

    agency_id: int
    agency_code: str
    test: bool
    api_key_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DossierFacts:
    """The facts of one dossier as its agency states them at `status_at`; replaces older facts as a whole.

    `code` is canonical (lookup.codes.canonical). Agencies are ids already looked up in the tree. Phone is E.164.
    """

    code: str
    receiving_agency: int
    status: Status
    status_at: datetime
    resolving_agency: int | None = None
    procedure_code: str | None = None
    procedure_name: str | None = None
    reference: str | None = None
    filing_channel: FilingChannel | None = None
    applicant_name: str | None = field(default=None, repr=False)
    applicant_kind: str | None = None
    phone: str | None = field(default=None, repr=False)
    email: str | None = field(default=None, repr=False)
    secret: str | None = field(default=None, repr=False)
    received_at: datetime | None = None
    due_at: datetime | None = None
    finished_at: datetime | None = None
    delivered_at: datetime | None = None
    asked_of_applicant: str | None = field(default=None, repr=False)
    note: str | None = field(default=None, repr=False)
    extra: bytes | None = field(default=None, repr=False)  # JSON object, as sent
    raw_status: str | None = None  # the sender's own word, where it was mapped
    notify: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusEvent:
    """One change of status as its sender reports it. `event_id` is unique per sender."""

    event_id: str
    code: str
    status: Status
    at: datetime
    note: str | None = field(default=None, repr=False)
    office: str | None = None
    officer: str | None = field(default=None, repr=False)
    due_at: datetime | None = None
    asked_of_applicant: str | None = field(default=None, repr=False)
    raw_status: str | None = None
    notify: bool = True


class Outcome(StrEnum):
    """What became of one item; the words of interface.md."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemError:
    """Why one item was not stored: a stable code, a human sentence, the field."""

    code: str
    message: str
    field: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemResult:
    """The outcome of one item of a batch."""

    outcome: Outcome
    error: ItemError | None = None


class Standing(NamedTuple):
    """How a dossier stood at one moment, as far as its people care. A named tuple because two are made per change."""

    status: Status
    due_at: datetime | None = None
    asked: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """A change that people may have to be told, handed over inside the transaction that stores it."""

    dossier_id: int
    event_key: bytes  # 16 bytes, as dossier_event.event_key
    owner_agency: int
    at: datetime
    newest: bool  # False: a newer change of the same dossier came in the same transaction
    before: Standing | None  # None: not known before
    after: Standing


class Announcer(Protocol):
    """Queues notices about changes in the caller's transaction; `notifications.outbox` fulfils it."""

    async def announce(self, connection: Connection, changes: list[Announcement]) -> None:
        """Insert one message per entitled contact. Runs as `motma_app` with the tenant set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredChange:
    """One dossier as a batch left it. `status_before` is None where it was not known before."""

    dossier_id: int
    owner_agency: int
    code: str
    version: int
    status: Status
    status_before: Status | None
    status_at: datetime
    due_at: datetime | None
    finished_at: datetime | None
    delivered_at: datetime | None


class Journal(Protocol):
    """Keeps stored changes for those who are called back; `notifications.callbacks.journal` fulfils it."""

    async def note(self, connection: Connection, tenant: Tenant, changes: list[StoredChange]) -> None:
        """Write the changes somebody hears of. Runs as `motma_app` with the tenant set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedEmail:
    """The applicant's e-mail address as the facts of a dossier state it now; None where they state none."""

    dossier_id: int
    owner_agency: int
    email: str | None = field(repr=False)


class EmailKeeper(Protocol):
    """Has stated addresses told of changes; `notifications.registered_emails` fulfils it."""

    async def keep(self, connection: Connection, stated: list[StatedEmail]) -> None:
        """Replace the addresses stated before. Runs as `motma_app` with the tenant set."""


class Forgetter(Protocol):
    """Makes cached answers about dossiers void before a change commits; `cache` fulfils it."""

    async def expect(self, versions: dict[str, int]) -> None:
        """From now on no cache keeps a value of `code` older than the version given. Never raises."""
