"""The journal of changes somebody is called back about: written with the change, spread to its receivers afterwards."""

from typing import Any

from database.pool import Connection
from lookup.changes import StoredChange, Tenant

WAKE_UP = "motma_callbacks"  # the channel of NOTIFY; NOTE names it too
MOST_AT_ONCE = 500
# One process spreads at a time, oldest first: the later change of a dossier never gets ahead of the earlier one.
SPREADER_LOCK = 7305808869231651171

# The caller has learnt that somebody related hears; of these very agencies perhaps nobody does.
NOTE = """
    WITH noted AS (
        INSERT INTO callback_change (test, dossier_id, owner_agency, version, status, status_before, status_at, due_at,
                                     finished_at, delivered_at, code)
        SELECT $1, given.* FROM unnest($2::callback_entry[]) AS given
         WHERE EXISTS (SELECT FROM callback_listener l JOIN agency_reach r ON r.scope_id = l.agency_id
                        WHERE l.test = $1 AND r.agency_id = given.owner_agency)
         ORDER BY given.dossier_id
        RETURNING id)
    SELECT pg_notify('motma_callbacks', '') FROM noted LIMIT 1"""
TURN_TO_SPREAD = "SELECT pg_try_advisory_xact_lock($1)"
SPREAD = """
    WITH taken AS (
        UPDATE callback_change SET spread = true
         WHERE id = ANY (ARRAY (SELECT id FROM callback_change WHERE NOT spread ORDER BY id LIMIT $1))
        RETURNING id, dossier_id, owner_agency, test, status, recorded_at),
    queued AS (
        INSERT INTO callback_delivery (receiver_id, change_id, dossier_id, owner_agency, test)
        SELECT r.id, t.id, t.dossier_id, r.owner_agency, r.test
          FROM taken t
          JOIN agency_reach a ON a.agency_id = t.owner_agency
          JOIN callback_receiver r ON r.owner_agency = a.scope_id AND r.test = t.test
         WHERE r.state <> 'deleted' AND t.recorded_at >= r.created_at
           AND (r.statuses IS NULL OR t.status = ANY (r.statuses))
            ON CONFLICT DO NOTHING)
    SELECT count(*) FROM taken"""
# What is older than it is kept for; deliveries nobody waits for any more go with their change or their receiver.
FORGET_CHANGES = """
    WITH old AS (
        DELETE FROM callback_change
         WHERE id = ANY (ARRAY (SELECT id FROM callback_change
                                 WHERE recorded_at < now() - $1::interval ORDER BY recorded_at LIMIT $2))
        RETURNING id),
    deliveries AS (
        DELETE FROM callback_delivery d USING old WHERE d.change_id = old.id)
    SELECT count(*) FROM old"""
FORGET_DELIVERIES = """
    WITH gone AS (
        DELETE FROM callback_delivery
         WHERE (receiver_id, change_id) IN (
               SELECT d.receiver_id, d.change_id
                 FROM callback_receiver r JOIN callback_delivery d ON d.receiver_id = r.id
                WHERE r.state = 'deleted' LIMIT $1)
        RETURNING receiver_id)
    SELECT count(*) FROM gone"""
FORGET_RECEIVERS = """
    DELETE FROM callback_receiver r
     WHERE r.state = 'deleted' AND r.changed_at < now() - interval '1 hour'
       AND NOT EXISTS (SELECT FROM callback_delivery d WHERE d.receiver_id = r.id)"""
UNLISTEN = """
    DELETE FROM callback_listener l
     WHERE NOT EXISTS (SELECT FROM callback_receiver r
                        WHERE r.owner_agency = l.agency_id AND r.test = l.test AND r.state <> 'deleted')"""


class CallbackJournal:
    """Fulfils `lookup.changes.Journal`."""

    async def note(self, connection: Connection, tenant: Tenant, changes: list[StoredChange]) -> None:
        """Write the changes somebody hears of, in the caller's transaction; its commit wakes the courier."""
        if changes:
            await connection.execute(NOTE, tenant.test, [_entry(change) for change in changes])


def _entry(change: StoredChange) -> tuple[Any, ...]:
    """A `callback_entry`."""
    return (
        change.dossier_id, change.owner_agency, change.version, change.status, change.status_before, change.status_at,
        change.due_at, change.finished_at, change.delivered_at, change.code,
    )  # fmt: skip


async def spread(connection: Connection) -> int:
    """Give each receiver its deliveries of the oldest changes not spread yet; how many changes there were.

    In the caller's transaction, as motma_worker. 0 also when another process is at it.
    """
    if not await connection.fetchval(TURN_TO_SPREAD, SPREADER_LOCK):
        return 0
    return int(await connection.fetchval(SPREAD, MOST_AT_ONCE))


STATEMENTS = (NOTE, TURN_TO_SPREAD, SPREAD, FORGET_CHANGES, FORGET_DELIVERIES, FORGET_RECEIVERS, UNLISTEN)
