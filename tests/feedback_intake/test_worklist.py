"""The work list stays on its indexes, and pages without gaps or repeats."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest

from console.visit import SET_OFFICER
from database.pool import Database, Role
from feedback_intake.moves import CaseState
from feedback_intake.worklist import (
    APPROVAL,
    ENDED,
    PAGE_SIZE,
    UNASSIGNED,
    UNIT,
    UNIT_IN_STATE,
    CaseLine,
    Filters,
    Reader,
    Tab,
    WorkList,
    cursor_of,
)
from lookup.sealing import Seal
from tests.feedback_intake.desk import HERE

CASES = 6_000
FILL = """
    WITH opened AS (
        INSERT INTO feedback_case (state, holder_agency, parties, filed_at, holder_due_on, answer_due_on)
        SELECT (ARRAY['received', 'assigned', 'awaiting_approval', 'answered', 'closed'])[1 + n % 5], h, ARRAY[h],
               now(), current_date + n % 40 - 10, current_date + n % 40 - 10
          FROM (SELECT n, (SELECT (array_agg(r.agency_id ORDER BY r.agency_id))[1 + n % count(*)] FROM agency_reach r
                            WHERE r.scope_id = $1) AS h FROM generate_series(1, $3::int) n) x
        RETURNING id, holder_agency)
    INSERT INTO feedback (case_id, number, kind, owner_agency, agency_id, proven, channel, language, text_sealed)
    SELECT id, 'PA-261120-' || lpad(id::text, 6, '0'), 'feedback', holder_agency, holder_agency, false, 'sms', 'vi', $2
      FROM opened"""


@pytest.fixture
async def office(database: Database, database_url: str, seal: Seal) -> AsyncIterator[Reader]:
    """An office and those below it, with a thousand cases each."""
    owner = await asyncpg.connect(database_url)
    try:
        scope = await owner.fetchval("SELECT id FROM agency WHERE code = $1 ORDER BY valid_from DESC LIMIT 1", HERE)
        await owner.execute(FILL, scope, seal.seal("Chờ mãi chưa có kết quả."), CASES)
        await owner.execute("VACUUM ANALYZE feedback_case, feedback")
        rows = await owner.fetch("SELECT agency_id FROM agency_reach WHERE scope_id = $1", scope)
        yield Reader(account_id=1, offices=tuple(row["agency_id"] for row in rows))
    finally:
        await owner.close()


async def scope_of(database: Database) -> str:
    async with database.connection(Role.OPERATOR) as connection:
        return str(
            await connection.fetchval("SELECT id FROM agency WHERE code = $1 ORDER BY valid_from DESC LIMIT 1", HERE)
        )


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every node of a plan that was run."""
    if plan.get("Actual Loops", 0) > 0:
        yield plan
        for below in plan.get("Plans", ()):
            yield from nodes(below)


@pytest.mark.parametrize("statement", [UNIT, UNIT_IN_STATE, UNASSIGNED, APPROVAL, ENDED])
async def test_a_page_goes_to_each_office_by_an_index(database: Database, office: Reader, statement: str) -> None:
    begin = cursor_of("00010101-0" if statement != ENDED else f"00010101-{1 << 59}")
    assert begin
    state = CaseState.RECEIVED if statement == UNIT_IN_STATE else None
    values = ([*office.offices], begin.due, begin.case_id, PAGE_SIZE + 1, 1, False, None, state, None, None, None)
    async with database.transaction(Role.CONSOLE) as connection:
        await connection.execute(SET_OFFICER, await scope_of(database), "1", "")
        explained = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", *values)
    run = list(nodes(json.loads(explained)[0]["Plan"]))
    of_cases = [node for node in run if node.get("Relation Name") == "feedback_case"]
    assert of_cases
    # A small office may be read whole and sorted; the table never is.
    assert {node["Node Type"] for node in of_cases} <= {"Index Scan", "Index Only Scan", "Bitmap Heap Scan"}
    assert any(
        "holder_agency = o" in f"{node.get('Index Cond', '')}{node.get('Recheck Cond', '')}" for node in of_cases
    )


async def test_pages_follow_each_other_without_gap_or_repeat(database: Database, office: Reader, seal: Seal) -> None:
    lists, after = WorkList(seal), None
    found: list[CaseLine] = []
    async with database.transaction(Role.CONSOLE) as connection:
        await connection.execute(SET_OFFICER, await scope_of(database), "1", "")
        while True:
            page = await lists.page(connection, office, Tab.APPROVAL, after=after)
            found += page.lines
            if page.onward is None:
                break
            after = cursor_of(str(page.onward))
        late = await lists.page(connection, office, Tab.UNIT, Filters(late=True))
        counts = await lists.counts(connection, office)
    keys = [(line.answer_due_on, line.case_id) for line in found]
    assert keys == sorted(set(keys))
    assert len(keys) == counts[Tab.APPROVAL] if counts[Tab.APPROVAL] < 1_000 else len(keys) == CASES // 5
    assert late.lines
    assert all(line.late for line in late.lines)


async def test_a_filter_that_fits_nothing_ends(database: Database, office: Reader, seal: Seal) -> None:
    lists, after, pages = WorkList(seal), None, 0
    async with database.transaction(Role.CONSOLE) as connection:
        await connection.execute(SET_OFFICER, await scope_of(database), "1", "")
        while True:
            page = await lists.page(connection, office, Tab.UNASSIGNED, Filters(channel="fax"), after=after)
            pages += 1
            assert page.lines == ()
            if page.onward is None:
                break
            assert page.cut
            after = page.onward
    assert 1 < pages < 40
