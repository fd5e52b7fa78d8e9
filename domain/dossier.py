"""A dossier as the central store holds it: what everybody may know, what the holder may know, and its history."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum

import msgspec

from domain.status import Status


class FilingChannel(IntEnum):
    """How the dossier was filed (kênh thực hiện), as the national portal numbers it."""

    IN_PERSON = 1
    ONLINE = 2
    POST = 3


class PublicDossier(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """The facts a code alone may lead to (level L0). Holds nothing personal, so it may be cached.

    A struct, because one is made for every row that is read: a frozen dataclass takes five times as long. Packed it is
    an array of its fields in this order, `code` first.
    """

    code: str
    version: int  # rises by one with every change of the row
    status: Status
    status_at: datetime
    received_at: datetime | None
    due_at: datetime | None
    finished_at: datetime | None
    agency_id: int  # the office responsible now: resolving, else receiving
    recorded_at: datetime  # when we last stored something about it
    read_at: datetime  # when this copy was read from the store


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """One status the dossier went through."""

    at: datetime
    status: Status
    office: str | None = None
    officer: str | None = field(default=None, repr=False)
    note: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """Everything about one dossier, read for somebody who proved a right to it (L1, L2)."""

    public: PublicDossier
    applicant_name: str | None = field(repr=False)
    procedure_name: str | None
    asked_of_applicant: str | None = field(repr=False)
    delivered_at: datetime | None
    history: tuple[HistoryEntry, ...]
