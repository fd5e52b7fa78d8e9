"""Reads dossiers: many public ones at once by code, one proven one with its history."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import chain, islice
from typing import Any, TypeAlias

import structlog

from database.pool import DATABASE_AWAY, Connection, Database, Role
from database.supervision import place
from domain.civil_time import utc_now
from domain.contact import ChannelName, Contact
from domain.dossier import Dossier, HistoryEntry, PublicDossier
from domain.errors import Unavailable
from domain.status import RANK_AT_ONE_INSTANT, Status
from lookup.sealing import Seal

log = structlog.get_logger()

MOST_AT_ONCE = 64  # codes per statement
LANES = 3  # connections, each asking for one batch after another
IMPATIENCE = 0.003  # seconds that a code waits for the lanes at work before another one begins
PATIENCE = 2.0  # seconds until the store counts as away

# LIMIT 1 keeps the planner from turning the look-up of a few codes into a join over whole tables: each code costs one
# step into the directory and one into the single partition its number names.
FIND_MANY = """
    SELECT asked.n, d.*
      FROM unnest($1::text[]) WITH ORDINALITY AS asked (code, n)
     CROSS JOIN LATERAL (SELECT c.dossier_id FROM dossier_code c
                          WHERE c.code = asked.code AND c.test = false LIMIT 1) AS found
     CROSS JOIN LATERAL (SELECT d.code, d.version, d.status, d.status_at, d.received_at, d.due_at, d.finished_at,
                                coalesce(d.resolving_agency, d.receiving_agency) AS agency_id, d.recorded_at
                           FROM dossier d WHERE d.id = found.dossier_id LIMIT 1) AS d"""

SET_PROOF = """
    SELECT set_config('motma.proof_secret', $1, true), set_config('motma.proof_tail', $2, true),
           set_config('motma.proof_phone', $3, true)"""
SET_RECEIPT = """
    SELECT set_config('motma.proof_receipt', $1, true), set_config('motma.proof_receipt_issued', $2, true)"""
FIND_PROVEN = """
    SELECT d.id, d.code, d.version, d.status, d.status_at, d.received_at, d.due_at, d.finished_at, d.delivered_at,
           coalesce(d.resolving_agency, d.receiving_agency) AS agency_id, d.recorded_at, d.applicant_name, d.asked,
           (SELECT p.name FROM procedure p WHERE p.id = d.procedure_id) AS procedure_name
      FROM dossier d
     WHERE d.id = (SELECT c.dossier_id FROM dossier_code c WHERE c.code = $1 AND c.test = false)"""
HISTORY = "SELECT at, status, office FROM dossier_event WHERE dossier_id = $1"
# What the filters of `dossier_phone` find is gathered first: taking the newest of them must not become a walk over all
# dossiers from the newest on, whatever the planner believes of how many one phone has.
FIND_REGISTERED = """
    WITH registered AS MATERIALIZED (
        SELECT d.id, d.code, d.version, d.status, d.status_at, d.received_at, d.due_at, d.finished_at, d.delivered_at,
               coalesce(d.resolving_agency, d.receiving_agency) AS agency_id, d.recorded_at, d.applicant_name, d.asked,
               d.procedure_id
          FROM dossier d WHERE d.phone_digest = $1 AND NOT d.test)
    SELECT r.*, (SELECT p.name FROM procedure p WHERE p.id = r.procedure_id) AS procedure_name
      FROM registered r ORDER BY r.id DESC LIMIT $2"""
ANY_REGISTERED = """
    SELECT EXISTS (SELECT FROM dossier d WHERE d.phone_digest = $1 AND NOT d.test)"""

_AWAY: tuple[type[BaseException], ...] = (*DATABASE_AWAY, Unavailable)
_NO_DOSSIER = 0  # numbers begin at one

# By number: calling the enum costs ten times as much.
_STATUSES = (Status.SUBMITTED, *Status)


def _public(row: Mapping[str, Any], read_at: datetime) -> PublicDossier:
    return PublicDossier(
        code=row["code"],
        version=row["version"],
        status=_STATUSES[row["status"]],
        status_at=row["status_at"],
        received_at=row["received_at"],
        due_at=row["due_at"],
        finished_at=row["finished_at"],
        agency_id=row["agency_id"],
        recorded_at=row["recorded_at"],
        read_at=read_at,
    )


_Asked: TypeAlias = dict[str, list[asyncio.Future[PublicDossier | None]]]


class DossierReader:
    """A `DossierSource` on the store. Codes asked for while a statement is under way share the next one.

    A statement costs fifteen times what one more code in it costs, so there is one lane as long as it keeps up: the
    busier it is, the larger the batches. What waits for too long gets a lane of its own.
    """

    def __init__(self, database: Database, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._database = database
        self._clock = clock
        self._asked: _Asked = {}
        self._lanes: set[asyncio.Task[None]] = set()
        self._impatience: asyncio.TimerHandle | None = None

    def find(self, code: str) -> asyncio.Future[PublicDossier | None]:
        """The dossier, or None. Raises `Unavailable` after `PATIENCE` at most.

        Never joins a statement already sent: what it saw may be older than what the asker has heard of.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[PublicDossier | None] = loop.create_future()
        self._asked.setdefault(code, []).append(answer)
        if not self._lanes:
            self._open_lane()
        elif self._impatience is None and len(self._lanes) < LANES:
            self._impatience = loop.call_later(IMPATIENCE, self._lose_patience)
        return answer

    def _open_lane(self) -> None:
        lane = asyncio.create_task(self._work())
        self._lanes.add(lane)
        lane.add_done_callback(self._lane_ended)

    def _lane_ended(self, lane: asyncio.Task[None]) -> None:
        self._lanes.discard(lane)
        if not lane.cancelled() and (error := lane.exception()) is not None:
            log.error("a reading lane failed", error=type(error).__qualname__, at=place(error))
        if self._asked and not self._lanes and not lane.cancelled():
            self._open_lane()

    def _lose_patience(self) -> None:
        self._impatience = None
        if self._asked and len(self._lanes) < LANES:
            self._open_lane()

    async def _work(self) -> None:
        """Ask for what waits, batch after batch on one connection, until nothing does."""
        batch: _Asked = {}
        try:
            async with asyncio.timeout(PATIENCE) as limit, self._database.connection(Role.PUBLIC) as connection:
                while self._asked:
                    batch = {code: self._asked.pop(code) for code in tuple(islice(self._asked, MOST_AT_ONCE))}
                    limit.reschedule(asyncio.get_running_loop().time() + PATIENCE)
                    await self._read(connection, batch)
                    batch = {}
        except _AWAY as error:
            # Those still waiting for a turn would wait out the same silence after this one.
            waiting, self._asked = self._asked, {}
            for asked in (batch, waiting):
                _refuse(asked, error)
        except BaseException as error:
            _refuse(batch, error)
            raise

    async def _read(self, connection: Connection, batch: _Asked) -> None:
        codes, read_at = list(batch), self._clock()
        rows = await connection.fetch(FIND_MANY, codes)
        found = {codes[row["n"] - 1]: _public(row, read_at) for row in rows}
        for code, answers in batch.items():
            for answer in answers:
                if not answer.done():
                    answer.set_result(found.get(code))


def _refuse(asked: _Asked, error: BaseException) -> None:
    for answer in chain.from_iterable(asked.values()):
        if not answer.done():
            refusal = Unavailable("The store cannot be reached at the moment.")
            refusal.__cause__ = error
            answer.set_exception(refusal)


class ProvenReader:
    """Reads one dossier for somebody with a proof, as a role that sees the proven row and no other."""

    def __init__(self, database: Database, seal: Seal, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._database = database
        self._seal = seal
        self._clock = clock

    async def prove(
        self, code: str, *, secret: str | None = None, tail: str | None = None, phone: str | None = None
    ) -> Dossier | None:
        """The dossier if one of the proofs is right: look-up secret, last four digits, or the registered phone (E.164).

        An unknown code and a wrong proof take the same three statements. Raises `Unavailable`.
        """
        proofs = (
            self._seal.proof_secret(code, secret).hex() if secret else "",
            self._seal.proof_tail(code, tail).hex() if tail else "",
            self._seal.contact(Contact(channel=ChannelName.SMS, address=phone)).hex() if phone else "",
        )
        return await self._read(code, SET_PROOF, *proofs)

    async def by_receipt(self, code: str, issued_at: datetime) -> Dossier | None:
        """The dossier for whom holds a receipt that was issued at a moment, unless it was made void since.

        The token is verified before: who calls this vouches for it. Raises `Unavailable`.
        """
        return await self._read(code, SET_RECEIPT, code, issued_at.isoformat())

    async def any_proof(self, code: str, text: str) -> Dossier | None:
        """The same for what a person typed into one field: the secret, or four digits of the phone."""
        text = text.strip()
        tail = text if len(text) == 4 and text.isascii() and text.isdigit() else None
        return await self.prove(code, secret=text, tail=tail)

    async def _read(self, code: str, set_proof: str, *proofs: str) -> Dossier | None:
        try:
            read_at = self._clock()
            async with asyncio.timeout(PATIENCE), self._database.transaction(Role.CITIZEN) as connection:
                await connection.execute(set_proof, *proofs)
                return await self._find(connection, code, read_at)
        except DATABASE_AWAY as error:
            raise Unavailable("The store cannot be reached at the moment.") from error

    async def registered(self, phone: str, most: int) -> list[Dossier]:
        """The newest `most` dossiers of the registered `phone` (E.164), without their history. Raises `Unavailable`."""
        read_at = self._clock()
        rows = await self._of_phone(phone, FIND_REGISTERED, most)
        return [_proven(row, (), read_at) for row in rows]

    async def any_registered(self, phone: str) -> bool:
        """Whether some dossier has this registered phone (E.164). Raises `Unavailable`."""
        return bool((await self._of_phone(phone, ANY_REGISTERED))[0][0])

    async def _of_phone(self, phone: str, statement: str, *arguments: object) -> list[Any]:
        digest = self._seal.contact(Contact(channel=ChannelName.SMS, address=phone))
        try:
            async with asyncio.timeout(PATIENCE), self._database.transaction(Role.CITIZEN) as connection:
                await connection.execute(SET_PROOF, "", "", digest.hex())
                return list(await connection.fetch(statement, digest, *arguments))
        except DATABASE_AWAY as error:
            raise Unavailable("The store cannot be reached at the moment.") from error

    async def _find(self, connection: Connection, code: str, read_at: datetime) -> Dossier | None:
        row = await connection.fetchrow(FIND_PROVEN, code)
        steps = await connection.fetch(HISTORY, row["id"] if row else _NO_DOSSIER)
        if row is None:
            return None
        history = [HistoryEntry(at=s["at"], status=_STATUSES[s["status"]], office=s["office"]) for s in steps]
        return _proven(row, in_order(history), read_at)


def _proven(row: Mapping[str, Any], history: tuple[HistoryEntry, ...], read_at: datetime) -> Dossier:
    return Dossier(
        public=_public(row, read_at),
        applicant_name=row["applicant_name"],
        procedure_name=row["procedure_name"],
        asked_of_applicant=row["asked"],
        delivered_at=row["delivered_at"],
        history=history,
    )


def in_order(entries: Sequence[HistoryEntry]) -> tuple[HistoryEntry, ...]:
    """History as it is shown: by time, at one instant by rank, what two senders said alike only once."""
    shown: list[HistoryEntry] = []
    for entry in sorted(entries, key=lambda e: (e.at, RANK_AT_ONE_INSTANT[e.status], e.office is None)):
        if not shown or (shown[-1].at, shown[-1].status) != (entry.at, entry.status):
            shown.append(entry)
    return tuple(shown)


STATEMENTS = (FIND_MANY, SET_PROOF, SET_RECEIPT, FIND_PROVEN, HISTORY, FIND_REGISTERED, ANY_REGISTERED)
