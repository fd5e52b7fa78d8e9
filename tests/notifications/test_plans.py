"""No statement walks the messages, planned when the tables were empty and nothing was known of them: the worst time."""

import re
from itertools import pairwise

import pytest

from database.pool import Connection, Database, Role
from notifications.claims import CLAIM
from notifications.ladder import CLIMB
from notifications.outbox import ANNOUNCE

ID = "00000000-0000-0000-0000-000000000001"
GIVEN = {
    "announce": f"'{{1}}', '{{{ID}}}', '{{t}}', '{{moved_on}}', '{{f}}', '{{f}}', '{{null}}', '{{1}}', '24 h', '3 h',"
    " '10 h', '60 s', 'status_changed', false, '{sms}'",
    "claim": "'{sms}', '{50}', '{1,1,1,1}', '{}', '45 s', 5, '{}', 3, '3 h', '10 h'",
    "climb": "'{zns}', '{10 min}', 10, '{sms}', '{1}', 5, '3 h', '10 h'",
}
STATEMENT = {"announce": ANNOUNCE, "claim": CLAIM, "climb": CLIMB}
# Walked whole, and small: what waits, what may climb, rules and ladders.
WALKED = {"message_climb", "notice_ladder_pkey", "notice_rule_event_agency_id_procedure_id_key"}


async def plan(connection: Connection, name: str) -> list[str]:
    """The lines of the plan that is used for any values."""
    await connection.execute("SELECT set_config('plan_cache_mode', 'force_generic_plan', false)")
    await connection.execute(f"PREPARE {name} AS {STATEMENT[name]}")
    rows = await connection.fetch(f"EXPLAIN (COSTS OFF) EXECUTE {name} ({GIVEN[name]})")
    return [row[0] for row in rows]


@pytest.mark.parametrize("name", STATEMENT)
async def test_every_look_at_the_messages_has_its_key(database: Database, name: str) -> None:
    async with database.connection(Role.APP if name == "announce" else Role.WORKER) as connection:
        lines = await plan(connection, name)
    scans = [
        (found[1], following)
        for line, following in pairwise(lines)
        if (found := re.search(r"Scan(?: Backward)? using (\w+) on ", line))
    ]
    assert len(scans) > 5
    assert not [line for line in lines if "Seq Scan" in line]
    assert [index for index, following in scans if "Index Cond" not in following and index not in WALKED] == []
