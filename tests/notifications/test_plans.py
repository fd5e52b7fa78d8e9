"""No statement walks a table, planned when all were empty and nothing was known of them: the worst time."""

import re
from itertools import pairwise

import pytest

from database.pool import Connection, Database, Role
from notifications.apologies import WAITING
from notifications.apology_drafts import AUTOMATIC, DRAFT, LAPSE
from notifications.claims import CLAIM
from notifications.deadlines import FIND_ASKED, FIND_DUE
from notifications.ladder import CLIMB
from notifications.late_dates import NOTE, TAKE_NOTED
from notifications.outbox import ANNOUNCE

ID = "00000000-0000-0000-0000-000000000001"
GIVEN = {
    "announce": f"'{{1}}', '{{{ID}}}', '{{t}}', '{{moved_on}}', '{{f}}', '{{f}}', '{{null}}', '{{1}}', '24 h', '3 h',"
    " '10 h', '60 s', 'status_changed', false, '{sms}'",
    "claim": "'{sms}', '{50}', '{1,1,1,1}', '{}', '45 s', 5, '{}', 3, '3 h', '10 h'",
    "climb": "'{zns}', '{10 min}', 10, '{sms}', '{1}', 5, '3 h', '10 h'",
    "find_due": "'2026-11-20', 0, '2026-11-21', 100",
    "find_asked": "'2026-11-20', 0, '2026-11-21', 100",
    "note": "'{1}', '{2026-11-20}'",
    "take_noted": "100",
    "draft": "'{1}', '{2026-12-01}', 5, '{2026-11-20}'",
    "automatic": "100",
    "lapse": "0, 100",
    "waiting": "1, 0, 100",
}
STATEMENT = {
    "announce": ANNOUNCE,
    "claim": CLAIM,
    "climb": CLIMB,
    "find_due": FIND_DUE,
    "find_asked": FIND_ASKED,
    "note": NOTE,
    "take_noted": TAKE_NOTED,
    "draft": DRAFT,
    "automatic": AUTOMATIC,
    "lapse": LAPSE,
    "waiting": WAITING,
}
AS_TENANT = {"announce", "note", "waiting"}
# Walked whole, and small: what waits, what may climb, rules and ladders.
WALKED = {
    "message_climb",
    "notice_ladder_pkey",
    "notice_rule_event_agency_id_procedure_id_key",
    "apology_policy_pkey",
    "apology_automatic",
    "date_stated_late_pkey",
}


async def plan(connection: Connection, name: str) -> list[str]:
    """The lines of the plan that is used for any values."""
    await connection.execute("SELECT set_config('plan_cache_mode', 'force_generic_plan', false)")
    await connection.execute(f"PREPARE {name} AS {STATEMENT[name]}")
    rows = await connection.fetch(f"EXPLAIN (COSTS OFF) EXECUTE {name} ({GIVEN[name]})")
    return [row[0] for row in rows]


@pytest.mark.parametrize("name", STATEMENT)
async def test_every_look_at_a_table_has_its_key(database: Database, name: str) -> None:
    async with database.connection(Role.APP if name in AS_TENANT else Role.WORKER) as connection:
        lines = await plan(connection, name)
    scans = [
        (found[1], following)
        for line, following in pairwise([*lines, ""])
        if (found := re.search(r"Scan(?: Backward)? using (\w+) on ", line))
    ]
    assert scans
    assert not [line for line in lines if "Seq Scan" in line]
    assert [index for index, following in scans if "Index Cond" not in following and index not in WALKED] == []
