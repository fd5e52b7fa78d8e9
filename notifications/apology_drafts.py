"""Drafts of apologies: made when a dossier is late, given where the agency leaves it to us, dropped when it moves on.

All as `motma_worker`, for the watch of the calendar (`notifications.deadlines`).
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

import structlog

from database.pool import Connection
from domain.civil_time import civil_day, utc_now
from domain.errors import ChangedMeanwhile
from lookup.changes import Tenant
from lookup.deadlines import legal_clock
from lookup.registry import Registry
from notifications.apologies import BY_ITSELF, Apologies, count_act
from notifications.apology_policies import DEFAULT_DAYS, MOST_DAYS, policy_for

log = structlog.get_logger()

# $2 are the coming working days: a draft puts off to the one its agency's policy counts to. A dossier has one new date.
DRAFT = f"""
    WITH drafted AS (
        INSERT INTO apology (dossier_id, owner_agency, office, procedure_id, automatic, due_at, proposed_on, code)
        SELECT d.id, d.owner_agency, d.office, d.procedure_id, coalesce(p.policy, 'officer') = 'automatic', d.due_at,
               ($2::date[])[coalesce(p.days, $3)], d.code
          FROM unnest($1::bigint[], $4::timestamptz[]) AS late (id, at)
         CROSS JOIN LATERAL (
               SELECT d.id, d.owner_agency, coalesce(d.resolving_agency, d.receiving_agency) AS office, d.procedure_id,
                      d.due_at, d.code
                 FROM dossier d WHERE d.id = late.id AND NOT d.test AND d.due_at = late.at OFFSET 0) d
          LEFT JOIN LATERAL ({policy_for("d.office")}) p ON true
         WHERE coalesce(p.policy, 'officer') <> 'none'
           AND NOT EXISTS (SELECT FROM apology a WHERE a.dossier_id = d.id AND a.state = 'confirmed')
            ON CONFLICT DO NOTHING
        RETURNING id, dossier_id, automatic, proposed_on),
    noted AS (
        INSERT INTO apology_act (apology_id, act, due_on, actor)
        SELECT id, 'drafted', proposed_on, 'automatic' FROM drafted)
    SELECT dossier_id, automatic FROM drafted"""  # noqa: S608 - parts of ours

AUTOMATIC = """
    SELECT id, owner_agency, proposed_on FROM apology WHERE automatic AND state = 'drafted' ORDER BY id LIMIT $1"""
# Drafts of dossiers that are not late by that date any more; and how far the walk along the drafts has come.
LAPSE = """
    WITH looked_at AS (
        SELECT a.id, (SELECT o.status IN (2, 4) AND o.due_at = a.due_at
                        FROM (SELECT d.status, d.due_at FROM dossier d WHERE d.id = a.dossier_id OFFSET 0) o) AS late
          FROM (SELECT b.id, b.dossier_id, b.due_at FROM apology b
                 WHERE b.state = 'drafted' AND b.id > $1
                 ORDER BY b.id LIMIT $2 FOR UPDATE SKIP LOCKED) a),
    lapsed AS (
        UPDATE apology a SET state = 'lapsed', decided_at = now()
         WHERE a.id = ANY (ARRAY (SELECT l.id FROM looked_at l WHERE l.late IS NOT TRUE)) RETURNING a.id),
    noted AS (
        INSERT INTO apology_act (apology_id, act, actor) SELECT id, 'lapsed', 'automatic' FROM lapsed)
    SELECT (SELECT count(*) FROM looked_at), (SELECT max(id) FROM looked_at), (SELECT count(*) FROM lapsed)"""


class Late(Protocol):
    """A dossier found late: due at `at`."""

    @property
    def at(self) -> datetime:
        """When it was due."""

    @property
    def dossier_id(self) -> int:
        """Its number."""

    @property
    def received_at(self) -> datetime | None:
        """Which law holds for it."""


class ApologyDrafts:
    """Makes and tends drafts; what is given goes through `apologies`, as an officer's word does."""

    def __init__(self, registry: Registry, apologies: Apologies, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._registry = registry
        self._apologies = apologies
        self._clock = clock

    async def draft(self, connection: Connection, late: Sequence[Late], now: datetime) -> set[int]:
        """Draft an apology for each of the `late` dossiers whose law asks for one and whose agency does not decline.

        The dossiers whose apology goes out by itself: nothing else need be told of their being late.
        """
        owed = [one for one in late if _law_asks(one)]
        if not owed:
            return set()
        today, calendar = civil_day(now), self._registry.calendar
        coming = [today]
        while len(coming) <= MOST_DAYS:
            coming.append(calendar.next_working_day(coming[-1]))
        rows = await connection.fetch(
            DRAFT, [one.dossier_id for one in owed], coming[1:], DEFAULT_DAYS, [one.at for one in owed]
        )
        if rows:
            count_act("drafted", BY_ITSELF, len(rows))
        return {row["dossier_id"] for row in rows if row["automatic"]}

    async def give_automatic(self, connection: Connection, most: int) -> int:
        """Give the oldest apologies that their agencies leave to us; how many were given."""
        given, today, calendar = 0, civil_day(self._clock()), self._registry.calendar
        for row in await connection.fetch(AUTOMATIC, most):
            owner = self._registry.agency(row["owner_agency"])
            tenant = Tenant(
                agency_id=row["owner_agency"],
                agency_code=owner.code if owner else "",
                test=False,
                api_key_id=BY_ITSELF,
            )
            due_on = row["proposed_on"]
            if due_on <= today or not calendar.is_working_day(due_on):  # drafted long ago, or a new day off
                due_on = calendar.add_working_days(today, DEFAULT_DAYS)
            try:
                await self._apologies.confirm(tenant, row["id"], actor=BY_ITSELF, new_due_on=due_on)
                given += 1
            except ChangedMeanwhile as error:  # the dossier has moved on: the draft lapses
                log.info("apology not given", apology_id=row["id"], reason=error.message)
        return given

    async def lapse(self, connection: Connection, after: int, most: int) -> int:
        """Drop drafts of dossiers that are no longer late; from which draft on to look next."""
        looked_at, last, lapsed = await connection.fetchrow(LAPSE, after, most)
        if lapsed:
            count_act("lapsed", BY_ITSELF, lapsed)
        return int(last) if looked_at == most else 0


def _law_asks(late: Late) -> bool:
    """Whether the text of law in force on the day of receipt asks for an apology with a new date."""
    clock = legal_clock(late.received_at or late.at)
    return clock is not None and clock.apology_days_before_due is not None


STATEMENTS = (DRAFT, AUTOMATIC, LAPSE)
