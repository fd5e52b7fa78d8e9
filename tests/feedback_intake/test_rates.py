"""Figures of offices: what is counted, what stands beside it, and what is too little to be shown."""

import pytest

from database.pool import Database, Role
from feedback_intake.cases import Step
from feedback_intake.moves import Content, MoveName, Who
from feedback_intake.rates import FEWEST, OfficeFigures, figures_of, refresh_figures
from lookup.sealing import Seal
from tests.feedback_intake.desk import HERE, CaseDesk
from tests.feedback_intake.test_register import answered, filed, publish

RATE = """
    INSERT INTO rating (dossier_id, owner_agency, agency_id, score, proven, channel, language, contact_digest)
    SELECT n, $1, $1, $2, $4, 'sms', 'vi', decode(lpad(to_hex(n), 8, '0'), 'hex')
      FROM generate_series($3::int, $3::int + $5::int - 1) n"""
RATE_CASE = """
    INSERT INTO case_rating (feedback_id, case_id, agency_id, score, channel, language)
    SELECT id, case_id, $1, $2, 'sms', 'vi' FROM feedback"""
CONTROL = "INSERT INTO control_rating (case_id, agency_id, account_id, score) SELECT id, $1, $2, 5 FROM feedback_case"
CLOSE = "UPDATE feedback_case SET state = 'closed' WHERE id = $1"
OVERDUE = "UPDATE feedback_case SET answer_due_on = date '2026-01-02' WHERE id = $1"


@pytest.fixture
def desk(database: Database, seal: Seal) -> CaseDesk:
    """Files and moves as the service does."""
    return CaseDesk(database=database, seal=seal)


async def figures(desk: CaseDesk, agency_id: int) -> OfficeFigures:
    async with desk.database.transaction(Role.WORKER) as connection:
        assert await refresh_figures(connection, minutes=0)
    async with desk.database.transaction(Role.PUBLIC) as connection:
        return (await figures_of(connection, [agency_id]))[agency_id]


async def test_what_was_answered_in_time_stands_beside_what_is_overdue_and_objected_to(desk: CaseDesk) -> None:
    solved, objected, overdue = [(await filed(desk)).case_id for _ in range(3)]
    await publish(desk, await answered(desk, solved))
    await answered(desk, objected)
    await desk.moves(objected, Step(move=MoveName.REOPEN, why="Chưa xong"), role=Who.CLERK)
    async with desk.database.transaction(Role.WORKER) as connection:
        await connection.execute(CLOSE, solved)
        await connection.execute(OVERDUE, overdue)
    found = await figures(desk, await desk.agency(HERE))
    assert (found.cases_filed, found.cases_answered, found.cases_published) == (3, 2, 1)
    assert (found.answers_on_time.part, found.answers_on_time.of, found.answers_on_time.percent) == (2, 3, 66.7)
    assert (found.reopened.part, found.reopened.of) == (1, 2)
    assert (found.solved.part, found.solved.of) == (1, 3)
    above = await figures(desk, await desk.agency("H05"))
    assert above.cases_filed == 3


async def test_what_an_officer_classifies_as_a_proposal_is_one_in_the_figures(desk: CaseDesk) -> None:
    proposal, delay = (await filed(desk)).case_id, (await filed(desk)).case_id
    await desk.moves(proposal, Step(move=MoveName.CLASSIFY, content=Content.INITIATIVE), role=Who.CLERK)
    await desk.moves(delay, Step(move=MoveName.CLASSIFY, content=Content.DELAY), role=Who.CLERK)
    found = await figures(desk, await desk.agency(HERE))
    assert (found.cases_filed, found.cases_proposals) == (2, 1)


async def test_few_ratings_are_counted_and_not_shown(desk: CaseDesk) -> None:
    here = await desk.agency(HERE)
    async with desk.database.transaction(Role.WORKER) as connection:
        await connection.execute(RATE, here, 5, 1, True, FEWEST - 1)
        await connection.execute(RATE, here, 1, 100, False, 50)  # nobody proved a right to these dossiers
    found = await figures(desk, here)
    assert (found.content_with_dossiers.of, found.content_with_dossiers.part) == (FEWEST - 1, None)
    assert found.content_with_dossiers.percent is None
    async with desk.database.transaction(Role.WORKER) as connection:
        await connection.execute(RATE, here, 2, 200, True, 1)
    found = await figures(desk, here)
    assert (found.content_with_dossiers.of, found.content_with_dossiers.percent) == (FEWEST, 80.0)


async def test_who_controls_an_office_is_counted_apart_from_citizens(desk: CaseDesk) -> None:
    here, officer = await desk.agency(HERE), await desk.officer(HERE, Who.HEAD)
    for _ in range(FEWEST):
        await filed(desk)
    async with desk.database.transaction(Role.WORKER) as connection:
        await connection.execute(RATE_CASE, here, 2)
    async with desk.database.transaction(Role.CONSOLE) as connection:
        await connection.execute("SELECT set_config('motma.scope', $1, true)", str(here))
        await connection.execute(CONTROL, here, officer.account_id)
    found = await figures(desk, here)
    assert (found.content_with_feedback.of, found.content_with_feedback.percent) == (FEWEST, 0.0)
    assert (found.controllers_content.of, found.controllers_content.percent) == (FEWEST, 100.0)


async def test_a_confidential_case_shows_in_the_figures_of_offices_above_only(desk: CaseDesk) -> None:
    here = await desk.agency(HERE)
    await desk.files()
    await desk.files(confidential=True)
    async with desk.database.transaction(Role.WORKER) as connection:
        await connection.execute(RATE_CASE, here, 5)
    found, above = await figures(desk, here), await figures(desk, await desk.agency("H05"))
    assert (found.cases_filed, found.content_with_feedback.of) == (1, 1)
    assert (above.cases_filed, above.content_with_feedback.of) == (2, 2)


async def test_figures_are_worked_out_once_an_hour(desk: CaseDesk) -> None:
    await filed(desk)
    async with desk.database.transaction(Role.WORKER) as connection:
        assert await refresh_figures(connection)
    async with desk.database.transaction(Role.WORKER) as connection:
        assert not await refresh_figures(connection)
