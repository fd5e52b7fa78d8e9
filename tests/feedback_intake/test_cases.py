"""Cases on the real store: filed, moved, answered, objected to; each office sees its own part."""

from datetime import date, timedelta

import asyncpg
import pytest

from database.pool import Database, Role
from domain.civil_time import civil_day, utc_now
from domain.contact import ChannelName, Contact
from domain.errors import ChangedMeanwhile, Forbidden, Invalid, NotFound
from feedback_intake.cases import SENDER, Step
from feedback_intake.gathering import ALIKE_OF_ONE_DOSSIER, Gathering
from feedback_intake.hearing import SenderAct
from feedback_intake.moves import CaseState, Content, MoveName, RefusalReason, Who
from feedback_intake.progress import FeedbackReader, Progress
from feedback_intake.watching import Watching
from lookup.sealing import Seal
from tests.feedback_intake.desk import ELSEWHERE, HERE, PHONE, TEXT, CaseDesk

MAKE_DOSSIER = """
    INSERT INTO dossier (id, version, owner_agency, receiving_agency, status, test, status_at, code)
    OVERRIDING SYSTEM VALUE VALUES (1, 1, $1, $1, 4, false, now(), 'H05.16-261102-0001')"""
ANSWER = "Hồ sơ đã có kết quả. Chúng tôi xin lỗi vì chậm trễ."


@pytest.fixture
def desk(database: Database, seal: Seal) -> CaseDesk:
    """Files and moves as the service does."""
    return CaseDesk(database=database, seal=seal)


async def progress(desk: CaseDesk, number: str, *, phone: str | None = PHONE, tail: str | None = None) -> Progress:
    """What somebody with this phone reads of it."""
    asker = Contact(channel=ChannelName.SMS, address=phone) if phone else None
    async with desk.database.transaction(Role.WORKER) as connection:
        return await FeedbackReader(desk.seal).by_number(
            connection, number, askers=(asker,) if asker else (), tail=tail
        )


async def answered(desk: CaseDesk) -> tuple[int, str]:
    """A case with an approved answer; its id and number."""
    filed = await desk.files()
    await desk.moves(filed.case_id, Step(move=MoveName.START), role=Who.HANDLER)
    await desk.moves(filed.case_id, Step(move=MoveName.SUBMIT, answer=ANSWER), role=Who.HANDLER)
    await desk.moves(filed.case_id, Step(move=MoveName.APPROVE), role=Who.APPROVER)
    return filed.case_id, filed.number


async def test_a_case_goes_from_filed_to_answered_and_its_sender_hears_of_it(desk: CaseDesk) -> None:
    filed = await desk.files()
    case = await desk.moves(filed.case_id, Step(move=MoveName.CLASSIFY, content=Content.DELAY), role=Who.CLERK)
    assert (case.state, case.content) == (CaseState.CLASSIFIED, Content.DELAY)
    handler = await desk.officer(HERE, Who.HANDLER)
    case = await desk.moves(filed.case_id, Step(move=MoveName.ASSIGN, assignee=handler.account_id))
    assert case.assignee == handler.account_id
    await desk.moves(filed.case_id, Step(move=MoveName.START), role=Who.HANDLER)
    case = await desk.moves(filed.case_id, Step(move=MoveName.SUBMIT, answer=ANSWER), role=Who.HANDLER)
    assert case.state is CaseState.AWAITING_APPROVAL
    assert await desk.told() == []
    case = await desk.moves(filed.case_id, Step(move=MoveName.APPROVE), role=Who.APPROVER)
    assert case.state is CaseState.ANSWERED
    assert case.object_until is not None
    (told,) = await desk.told()
    assert told.startswith(f"{filed.number}: Co quan ")
    assert "Ho so da co ket qua." in told
    said = await progress(desk, filed.number)
    assert said.proven is not None
    assert [a.text for a in said.proven.answers] == [ANSWER]
    assert said.proven.acts == (SenderAct.OBJECT,)


async def test_who_wrote_an_answer_cannot_approve_it_and_an_answer_beside_the_point_goes_back(desk: CaseDesk) -> None:
    filed = await desk.files()
    await desk.moves(filed.case_id, Step(move=MoveName.START))
    await desk.moves(filed.case_id, Step(move=MoveName.SUBMIT, answer="Đã xem."))
    with pytest.raises(Forbidden):
        await desk.moves(filed.case_id, Step(move=MoveName.APPROVE))
    case = await desk.moves(
        filed.case_id, Step(move=MoveName.SEND_BACK, why="Không trả lời câu hỏi"), role=Who.APPROVER
    )
    assert case.state is CaseState.IN_PROGRESS
    await desk.moves(filed.case_id, Step(move=MoveName.SUBMIT, answer=ANSWER))
    case = await desk.moves(filed.case_id, Step(move=MoveName.APPROVE), role=Who.APPROVER)
    assert case.state is CaseState.ANSWERED
    said = await progress(desk, filed.number)
    assert said.proven is not None
    assert [a.text for a in said.proven.answers] == [ANSWER]
    assert all("Không trả lời" not in step.words for step in said.proven.steps)


async def test_the_store_itself_refuses_an_answer_approved_by_its_writer(desk: CaseDesk) -> None:
    filed = await desk.files()
    head = await desk.officer(HERE, Who.HEAD)
    await desk.moves(filed.case_id, Step(move=MoveName.START))
    await desk.moves(filed.case_id, Step(move=MoveName.SUBMIT, answer=ANSWER))
    with pytest.raises(asyncpg.CheckViolationError):
        async with desk.office(HERE) as connection:
            await connection.execute("UPDATE feedback_answer SET approved_by = $1", head.account_id)


async def test_passing_a_case_on_gives_the_new_holder_time_and_the_sender_none(desk: CaseDesk) -> None:
    filed = await desk.files(received_on=date(2026, 11, 2))
    step = Step(move=MoveName.FORWARD, agency_id=await desk.agency(ELSEWHERE), why="Thuộc thẩm quyền nơi khác")
    before = await progress(desk, filed.number)
    case = await desk.moves(filed.case_id, step, role=Who.CLERK)
    assert case.holder_agency == await desk.agency(ELSEWHERE)
    assert case.answer_due_on == before.answer_by
    assert case.holder_due_on == desk.calendar.add_working_days(civil_day(utc_now()), 5)
    (told,) = await desk.told()
    assert "da duoc chuyen den" in told
    # Who passed it on sees where it is, and moves it no more; who holds it now does.
    with pytest.raises(Forbidden, match="passed this case on"):
        await desk.moves(filed.case_id, Step(move=MoveName.START))
    case = await desk.moves(filed.case_id, Step(move=MoveName.START), office=ELSEWHERE)
    assert case.state is CaseState.IN_PROGRESS


async def test_an_office_without_part_in_a_case_sees_nothing_of_it(desk: CaseDesk) -> None:
    filed = await desk.files()
    with pytest.raises(NotFound):
        await desk.moves(filed.case_id, Step(move=MoveName.START), office=ELSEWHERE)
    await desk.moves(filed.case_id, Step(move=MoveName.START))
    async with desk.office(ELSEWHERE) as connection:
        for table in ("feedback_case", "feedback", "feedback_step", "feedback_answer"):
            assert await connection.fetch(f"SELECT * FROM {table}") == [], table  # noqa: S608
    async with desk.office(HERE) as connection:
        assert len(await connection.fetch("SELECT * FROM feedback")) == 1


async def test_two_officers_at_once_the_second_is_told_that_somebody_was_quicker(desk: CaseDesk) -> None:
    filed = await desk.files()
    case = await desk.moves(filed.case_id, Step(move=MoveName.START), version=1)
    with pytest.raises(ChangedMeanwhile):
        await desk.moves(filed.case_id, Step(move=MoveName.ASK, why="Ở đâu ạ?"), version=1)
    await desk.moves(filed.case_id, Step(move=MoveName.ASK, why="Ở đâu ạ?"), version=case.version)


async def test_a_question_to_the_sender_goes_on_where_it_was_asked(desk: CaseDesk) -> None:
    filed = await desk.files()
    await desk.moves(filed.case_id, Step(move=MoveName.START))
    case = await desk.moves(filed.case_id, Step(move=MoveName.ASK, why="Nộp ở đâu ạ?"))
    assert case.state is CaseState.NEEDS_INFO
    (told,) = await desk.told()
    assert "Nop o dau a?" in told
    async with desk.database.transaction(Role.WORKER) as connection:
        case = await desk.cases.move(
            connection, filed.case_id, Step(move=MoveName.SUPPLY, why="Phường Võ Cường"), SENDER
        )
    assert case.state is CaseState.IN_PROGRESS


async def test_an_objection_reaches_the_office_again_within_its_time_and_not_after(desk: CaseDesk) -> None:
    case_id, number = await answered(desk)
    async with desk.database.transaction(Role.WORKER) as connection:
        case = await desk.cases.move(connection, case_id, Step(move=MoveName.REOPEN, why="Vẫn chưa có"), SENDER)
    assert (case.state, case.reopened, case.object_until) == (CaseState.REOPENED, 1, None)
    assert case.answer_due_on > civil_day(utc_now())
    await desk.moves(case_id, Step(move=MoveName.START))
    await desk.moves(case_id, Step(move=MoveName.SUBMIT, answer="Xin nhận vào thứ Hai."))
    await desk.moves(case_id, Step(move=MoveName.APPROVE), role=Who.APPROVER)
    async with desk.database.connection(Role.WORKER) as connection:
        await connection.execute("UPDATE feedback_case SET object_until = current_date - 2")
    with pytest.raises(Invalid, match="over"):
        async with desk.database.transaction(Role.WORKER) as connection:
            await desk.cases.move(connection, case_id, Step(move=MoveName.REOPEN, why="Vẫn chưa"), SENDER)
    said = await progress(desk, number)
    assert said.proven is not None
    assert said.proven.acts == ()
    assert len(said.proven.answers) == 2


async def test_what_is_refused_says_why_and_where_to_turn(desk: CaseDesk) -> None:
    filed = await desk.files("Tôi khiếu nại quyết định số 12")
    with pytest.raises(Invalid, match="not taken"):
        await desk.moves(filed.case_id, Step(move=MoveName.REFUSE, why="Theo Luật Khiếu nại"))
    step = Step(move=MoveName.REFUSE, why="Gửi đơn trong 90 ngày.", reason=RefusalReason.COMPLAINT)
    await desk.moves(filed.case_id, step)
    (told,) = await desk.told()
    assert "khieu nai" in told
    assert "90 ngay" in told


async def test_a_move_without_what_it_needs_names_the_field(desk: CaseDesk) -> None:
    filed = await desk.files()
    for step, field in (
        (Step(move=MoveName.ASK, why="  "), "why"),
        (Step(move=MoveName.CLASSIFY), "content"),
        (Step(move=MoveName.FORWARD, why="x"), "agency_id"),
        (Step(move=MoveName.ASSIGN), "assignee"),
    ):
        with pytest.raises(Invalid) as refused:
            await desk.moves(filed.case_id, step)
        assert refused.value.field == field


async def test_the_number_alone_shows_how_it_stands_and_wrong_proof_is_like_an_unknown_number(desk: CaseDesk) -> None:
    filed = await desk.files()
    said = await progress(desk, filed.number, phone=None)
    assert (said.state, said.proven) == (CaseState.RECEIVED, None)
    assert (await progress(desk, filed.number, phone=None, tail=PHONE[-4:])).proven is not None
    for number, tail in ((filed.number, "0000"), ("PA-261120-000000", PHONE[-4:])):
        with pytest.raises(NotFound) as refused:
            await progress(desk, number, phone=None, tail=tail)
        assert refused.value.message == "There is no feedback that matches this."


async def test_feedback_without_an_office_is_with_the_desk_at_the_root(desk: CaseDesk) -> None:
    filed = await desk.files(office=None)
    assert filed.holder_agency == await desk.agency("VN")


async def test_two_people_with_the_same_trouble_have_one_case_and_each_an_answer(desk: CaseDesk) -> None:
    first = await desk.files(TEXT)
    second = await desk.files(TEXT.replace("ba lần", "bốn lần"), phone="+84907654321")
    await desk.files("Đèn ngoài phòng chờ bị hỏng, tối quá không đọc được", phone="+84901112223")
    gathering, head = Gathering(desk.seal), await desk.officer(HERE, Who.HEAD)
    async with desk.office(HERE) as connection:
        (alike,) = await gathering.alike(connection, first.case_id)
        assert alike.case_id == second.case_id
        await gathering.merge(connection, second.case_id, first.case_id, head)
    await desk.moves(first.case_id, Step(move=MoveName.START))
    await desk.moves(first.case_id, Step(move=MoveName.SUBMIT, answer=ANSWER))
    await desk.moves(first.case_id, Step(move=MoveName.APPROVE), role=Who.APPROVER)
    assert {text[:16] for text in await desk.told()} == {first.number, second.number}
    said = await progress(desk, second.number, phone="+84907654321")
    assert said.state is CaseState.ANSWERED
    with pytest.raises(Invalid):
        async with desk.office(HERE) as connection:
            await gathering.merge(connection, first.case_id, second.case_id, head)


async def test_two_people_with_another_trouble_about_one_dossier_are_not_offered_as_one(
    desk: CaseDesk,
) -> None:
    first = await desk.files(TEXT)
    for text, phone in (("Đèn phòng chờ hỏng, tối quá", "+84907654321"), (f"Tức lắm! {TEXT[:40]}", "+84907654322")):
        await desk.files(text, phone=phone)
    async with desk.office(HERE) as connection:
        await connection.execute(MAKE_DOSSIER, await desk.agency(HERE))
        await connection.execute("UPDATE feedback_case SET dossier_id = 1")
        found = await Gathering(desk.seal).alike(connection, first.case_id)
    assert [(each.same_dossier, each.text[:3], each.likeness >= ALIKE_OF_ONE_DOSSIER) for each in found] == [
        (True, "Tức", True)
    ]


async def test_a_case_that_is_two_is_split_and_each_part_goes_its_way(desk: CaseDesk) -> None:
    first, second = await desk.files(), await desk.files(phone="+84907654321")
    gathering, head = Gathering(desk.seal), await desk.officer(HERE, Who.HEAD)
    async with desk.office(HERE) as connection:
        await gathering.merge(connection, second.case_id, first.case_id, head)
        with pytest.raises(Invalid):
            await gathering.split(connection, first.case_id, [first.feedback_id, second.feedback_id], head)
        part = await gathering.split(connection, first.case_id, [second.feedback_id], head)
    case = await desk.moves(part, Step(move=MoveName.START))
    assert case.state is CaseState.IN_PROGRESS
    assert (await progress(desk, first.number)).state is CaseState.RECEIVED


async def test_a_case_that_waits_climbs_the_ladder_one_step_at_a_time(desk: CaseDesk) -> None:
    filed = await desk.files()
    watching = Watching(lambda: desk.calendar)
    case = await desk.moves(filed.case_id, Step(move=MoveName.CLASSIFY, content=Content.DELAY))
    levels = []
    for day in (
        desk.calendar.previous_working_day(desk.calendar.previous_working_day(case.holder_due_on)),
        desk.calendar.previous_working_day(case.holder_due_on),
        case.holder_due_on,
        case.holder_due_on + timedelta(days=1),
        desk.calendar.add_working_days(case.holder_due_on, 4),
        desk.calendar.add_working_days(case.holder_due_on, 5),
    ):
        async with desk.database.transaction(Role.WORKER) as connection:
            warned, _ = await watching.turn(connection, today=day)
            levels.append((warned, await connection.fetchval("SELECT escalated FROM feedback_case")))
    assert levels == [(0, 0), (1, 1), (0, 1), (1, 2), (1, 3), (0, 3)]


async def test_an_answered_case_closes_when_nobody_may_object_any_more(desk: CaseDesk) -> None:
    case_id, _ = await answered(desk)
    watching = Watching(lambda: desk.calendar)
    async with desk.database.transaction(Role.WORKER) as connection:
        case = await desk.cases.find(connection, case_id)
        assert case.object_until is not None
        assert await watching.turn(connection, today=case.object_until) == (0, 0)
        assert await watching.turn(connection, today=case.object_until + timedelta(days=1)) == (0, 1)
        assert (await desk.cases.find(connection, case_id)).state is CaseState.CLOSED


async def test_only_a_clerk_or_a_head_makes_a_case_confidential(desk: CaseDesk) -> None:
    filed = await desk.files()
    for role, works in ((Who.HANDLER, False), (Who.HEAD, True)):
        actor = await desk.officer(HERE, role)
        async with desk.office(HERE) as connection:
            if works:
                case = await desk.cases.keep_confidential(
                    connection, filed.case_id, actor, version=1, confidential=True
                )
                assert case.confidential
            else:
                with pytest.raises(Forbidden):
                    await desk.cases.keep_confidential(connection, filed.case_id, actor, version=1, confidential=True)
