"""Offices end and merge; what they held, and what is filed with them later, has an owner all the same."""

import asyncpg
import pytest

from database.pool import Database, Role
from feedback_intake.cases import Step
from feedback_intake.choosing import Choosing
from feedback_intake.inheriting import Inheriting
from feedback_intake.moves import CaseState, MoveName, Who
from lookup.registry import Registry
from lookup.sealing import Seal
from tests.feedback_intake.desk import ELSEWHERE, HERE, CaseDesk

END = "UPDATE agency SET valid_to = current_date - 1 WHERE id = $1"
TAKES_OVER = "INSERT INTO agency_successor (predecessor_id, successor_id) VALUES ($1, $2)"
CASE = "SELECT state, holder_agency, assignee, parties FROM feedback_case WHERE id = $1"


@pytest.fixture
def desk(database: Database, seal: Seal) -> CaseDesk:
    return CaseDesk(database=database, seal=seal)


async def ended(desk: CaseDesk, database_url: str, *heirs: str) -> Choosing:
    """The office HERE ends, and `heirs` take over."""
    owner = await asyncpg.connect(database_url)
    await owner.execute(END, await desk.agency(HERE))
    for heir in heirs:
        await owner.execute(TAKES_OVER, await desk.agency(HERE), await desk.agency(heir))
    await owner.close()
    registry = Registry(desk.database)
    await registry.refresh()
    return Choosing(registry)


async def turn(desk: CaseDesk, choosing: Choosing) -> int:
    async with desk.database.transaction(Role.WORKER) as connection:
        return await Inheriting(choosing, desk.telling, lambda: desk.calendar, desk="").turn(connection)


async def stands(desk: CaseDesk, case_id: int) -> tuple[str, int, int | None]:
    async with desk.database.connection(Role.OPERATOR) as connection:
        row = await connection.fetchrow(CASE, case_id)
    return row["state"], row["holder_agency"], row["assignee"]


async def test_open_cases_go_to_the_office_that_took_over_and_senders_are_told(
    desk: CaseDesk, database_url: str
) -> None:
    worked_on, asked, waiting = [(await desk.files(f"Hồ sơ chậm trễ lần thứ {n} rồi")).case_id for n in range(3)]
    await desk.moves(asked, Step(move=MoveName.ASK, why="Ngày nào?"), role=Who.CLERK)
    await desk.moves(waiting, Step(move=MoveName.START), role=Who.HANDLER)
    await desk.moves(waiting, Step(move=MoveName.SUBMIT, answer="Đã xong."), role=Who.HANDLER)
    choosing = await ended(desk, database_url, ELSEWHERE)
    assert await turn(desk, choosing) == 3
    heir = await desk.agency(ELSEWHERE)
    assert await stands(desk, worked_on) == (CaseState.FORWARDED, heir, None)
    assert await stands(desk, asked) == (CaseState.NEEDS_INFO, heir, None)
    assert await stands(desk, waiting) == (CaseState.FORWARDED, heir, None)
    assert sum("chuyen den" in text for text in await desk.told()) == 3
    assert await turn(desk, choosing) == 0
    case = await desk.moves(waiting, Step(move=MoveName.START), office=ELSEWHERE, role=Who.HANDLER)
    assert case.state is CaseState.IN_PROGRESS
    case = await desk.moves(waiting, Step(move=MoveName.SUBMIT, answer="Đã xong."), office=ELSEWHERE, role=Who.HANDLER)
    case = await desk.moves(waiting, Step(move=MoveName.APPROVE), office=ELSEWHERE, role=Who.APPROVER)
    assert case.state is CaseState.ANSWERED


async def test_of_an_office_with_several_heirs_or_none_the_one_above_holds_the_case(
    desk: CaseDesk, database_url: str
) -> None:
    filed = await desk.files()
    choosing = await ended(desk, database_url)
    await turn(desk, choosing)
    assert (await stands(desk, filed.case_id))[:2] == (CaseState.FORWARDED, await desk.agency("H05"))


async def test_what_is_filed_with_an_office_that_ended_goes_to_its_heir(desk: CaseDesk, database_url: str) -> None:
    choosing = await ended(desk, database_url, ELSEWHERE)
    assert choosing.heir(await desk.agency(HERE)) == await desk.agency(ELSEWHERE)
    assert choosing.heir(await desk.agency(ELSEWHERE)) == await desk.agency(ELSEWHERE)
    assert choosing.heir(0) is None
    desk.filing._heir = choosing.heir
    assert (await desk.files()).holder_agency == await desk.agency(ELSEWHERE)
