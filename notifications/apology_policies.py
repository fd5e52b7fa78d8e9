"""Whether an agency and all below it apologise for lateness, and by how many working days they put a date off."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from database.pool import Connection
from domain.errors import Invalid

DEFAULT_DAYS = 5  # unless the agency says otherwise: the law names no number
MOST_DAYS = 60

SET_POLICY = """
    INSERT INTO apology_policy (agency_id, policy, days) VALUES ($1, $2, $3)
        ON CONFLICT (agency_id) DO UPDATE SET policy = excluded.policy, days = excluded.days, changed_at = now()"""
DROP_POLICY = "DELETE FROM apology_policy WHERE agency_id = $1 RETURNING agency_id"
POLICIES = """
    SELECT a.code AS agency, y.policy, y.days FROM apology_policy y JOIN agency a ON a.id = y.agency_id
     ORDER BY a.code"""


class Policy(StrEnum):
    """What an agency does about apologies; `OFFICER` where nobody above it says otherwise."""

    NONE = "none"  # nothing is drafted
    OFFICER = "officer"  # drafted for an officer to confirm
    AUTOMATIC = "automatic"  # drafted and given


def policy_for(office: str) -> str:
    """SQL: policy and days of the nearest agency above `office` (an agency's id) that says so; no row where none does.

    How many offices reach an agency is how deep in the tree it stands.
    """
    return f"""
        SELECT y.policy, y.days FROM apology_policy y
         WHERE EXISTS (SELECT FROM agency_reach w WHERE w.scope_id = y.agency_id AND w.agency_id = {office})
         ORDER BY (SELECT count(*) FROM agency_reach u WHERE u.agency_id = y.agency_id) DESC LIMIT 1"""  # noqa: S608 - parts of ours


async def set_policy(connection: Connection, agency_id: int, policy: Policy, *, days: int = DEFAULT_DAYS) -> None:
    """From now on the agency and all below it apologise so. Runs as `motma_operator`. Raises `Invalid`."""
    if not 1 <= days <= MOST_DAYS:
        raise Invalid(f"A date is put off by 1 to {MOST_DAYS} working days.", field="days")
    await connection.execute(SET_POLICY, agency_id, policy, days)


async def drop_policy(connection: Connection, agency_id: int) -> bool:
    """Take an agency's policy back; False when it had none. Runs as `motma_operator`."""
    return await connection.fetchval(DROP_POLICY, agency_id) is not None


async def policies(connection: Connection) -> Sequence[Mapping[str, Any]]:
    """All of them: `agency` (its code), `policy`, `days`. Runs as `motma_operator`."""
    found: Sequence[Mapping[str, Any]] = await connection.fetch(POLICIES)
    return found


STATEMENTS = (SET_POLICY, DROP_POLICY, POLICIES)
