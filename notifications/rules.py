"""Which kinds of change are told: data, for one agency and all below it, for one procedure, or for all.

Decided when a notice is queued and again when it is claimed. Where no rule fits, `notifications.kinds.SILENT` decides.
"""

from database.pool import Connection
from notifications.kinds import EventKind

SET_RULE = """
    INSERT INTO notice_rule (event, agency_id, procedure_id, told) VALUES ($1, $2, $3, $4)
        ON CONFLICT (event, agency_id, procedure_id) DO UPDATE SET told = excluded.told, changed_at = now()"""
DROP_RULE = """
    DELETE FROM notice_rule
     WHERE event = $1 AND agency_id IS NOT DISTINCT FROM $2 AND procedure_id IS NOT DISTINCT FROM $3 RETURNING id"""
RULES = """
    SELECT r.event, a.code AS agency, p.code AS procedure, r.told
      FROM notice_rule r LEFT JOIN agency a ON a.id = r.agency_id LEFT JOIN procedure p ON p.id = r.procedure_id
     ORDER BY r.event, a.code NULLS FIRST, p.code NULLS FIRST"""


def rule_for(event: str, office: str, procedure: str) -> str:
    """SQL: what the nearest rule says of `event` at `office` (an agency's id) in `procedure`; null where none fits.

    How many offices reach an agency is how deep in the tree it stands.
    """
    return f"""(
        SELECT r.told FROM notice_rule r
         WHERE r.event = {event} AND (r.procedure_id IS NULL OR r.procedure_id = {procedure})
           AND (r.agency_id IS NULL OR EXISTS (SELECT FROM agency_reach w
                                                WHERE w.scope_id = r.agency_id AND w.agency_id = {office}))
         ORDER BY r.procedure_id IS NULL, (SELECT count(*) FROM agency_reach u WHERE u.agency_id = r.agency_id) DESC
         LIMIT 1)"""  # noqa: S608 - parts of ours


async def set_rule(
    connection: Connection, event: EventKind, *, agency_id: int | None, procedure_id: int | None, told: bool
) -> None:
    """From now on `event` is told, or is not. Runs as `motma_operator`."""
    await connection.execute(SET_RULE, event, agency_id, procedure_id, told)


async def drop_rule(
    connection: Connection, event: EventKind, *, agency_id: int | None, procedure_id: int | None
) -> bool:
    """Take a rule back; False when there was none. Runs as `motma_operator`."""
    return await connection.fetchval(DROP_RULE, event, agency_id, procedure_id) is not None


STATEMENTS = (SET_RULE, DROP_RULE, RULES)
