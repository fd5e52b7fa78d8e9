"""What is published of a case, and what is not; what is taken out again, and that the chain holds."""

import json
from datetime import date

import pytest

from database.pool import Database, Role
from domain.contact import ChannelName, Contact
from domain.errors import Forbidden, Invalid, NotFound
from feedback_intake.cases import Step
from feedback_intake.chain import FIRST, Verdict, Verifier
from feedback_intake.filing import Feedback, FeedbackKind, Filed, MayPublish
from feedback_intake.hearing import SenderActs
from feedback_intake.moves import CaseState, MoveName, Who
from feedback_intake.numbers import new_number
from feedback_intake.published import Published, Reading
from feedback_intake.register import Preview, Publication, Register, RemovalReason, What
from feedback_intake.traces import Trace
from lookup.sealing import Seal
from tests.feedback_intake.desk import ELSEWHERE, HERE, PHONE, TEXT, CaseDesk

ANSWER = "Hồ sơ đã có kết quả. Chúng tôi xin lỗi vì chậm trễ."
EDITED = "Một công dân phản ánh hồ sơ trễ hẹn ba lần."
NAME = "Nguyễn Thị Bưởi"


@pytest.fixture
def desk(database: Database, seal: Seal) -> CaseDesk:
    """Files and moves as the service does."""
    return CaseDesk(database=database, seal=seal)


async def filed(
    desk: CaseDesk, may_publish: MayPublish = MayPublish.ANONYMOUS, text: str = TEXT, phone: str = PHONE
) -> Filed:
    feedback = Feedback(
        number=new_number(date(2026, 11, 20)),
        kind=FeedbackKind.FEEDBACK,
        text=text,
        name=NAME,
        postal_address="12 ngõ Gạch, Từ Sơn",
        may_publish=may_publish,
        agency_id=await desk.agency(HERE),
    )
    async with desk.database.transaction(Role.WORKER) as connection:
        return await desk.filing.file(connection, Contact(channel=ChannelName.SMS, address=phone), feedback)


async def answered(desk: CaseDesk, case_id: int) -> int:
    await desk.moves(case_id, Step(move=MoveName.START), role=Who.HANDLER)
    await desk.moves(case_id, Step(move=MoveName.SUBMIT, answer=ANSWER), role=Who.HANDLER)
    await desk.moves(case_id, Step(move=MoveName.APPROVE), role=Who.APPROVER)
    return case_id


async def publish(desk: CaseDesk, case_id: int, publication: Publication | None = None) -> None:
    step = Step(move=MoveName.PUBLISH, publication=publication or Publication(question=EDITED))
    case = await desk.moves(case_id, step, role=Who.APPROVER)
    assert case.state is CaseState.PUBLISHED


async def preview(desk: CaseDesk, case_id: int, publication: Publication) -> Preview:
    async with desk.office(HERE) as connection:
        return await Register(desk.seal).preview(connection, case_id, publication)


async def remove(desk: CaseDesk, n: int, what: What, *, office: str = HERE) -> None:
    async with desk.office(office) as connection:
        await Register(desk.seal).remove(connection, n, what, RemovalReason.PERSONAL_DATA)


async def entries(desk: CaseDesk) -> list[Published]:
    return (await Reading(desk.database).newest()).entries


async def verdict(desk: CaseDesk) -> Verdict:
    return Verifier().read([line async for line in Reading(desk.database).chain()])


async def test_a_published_case_is_seen_by_everybody_without_who_filed_it(desk: CaseDesk) -> None:
    case_id = await answered(desk, (await filed(desk)).case_id)
    await publish(desk, case_id)
    (entry,) = await entries(desk)
    assert (entry.question, entry.answer, entry.name) == (EDITED, ANSWER, "")
    assert (entry.agency_id, entry.on_time, entry.state) == (await desk.agency(HERE), True, CaseState.PUBLISHED)
    found = await verdict(desk)
    assert (found.entries, found.faults) == (1, ())
    lines = b"".join([line async for line in Reading(desk.database).chain()]).decode()
    assert NAME not in lines
    assert "PA-" not in lines


async def test_a_name_is_published_only_with_recorded_consent(desk: CaseDesk) -> None:
    case_id = await answered(desk, (await filed(desk)).case_id)
    with pytest.raises(Invalid, match="allowed their name"):
        await publish(desk, case_id, Publication(named=True))
    named = await answered(desk, (await filed(desk, MayPublish.NAMED)).case_id)
    await publish(desk, named, Publication(named=True))
    assert [entry.name for entry in await entries(desk)] == [NAME]


async def test_who_allowed_nothing_finds_the_matter_published_but_not_the_own_words(desk: CaseDesk) -> None:
    case_id = await answered(desk, (await filed(desk, MayPublish.NO)).case_id)
    with pytest.raises(Invalid, match="office's words") as refused:
        await publish(desk, case_id, Publication(question=f"  {TEXT.upper()} "))
    assert refused.value.field == "question"
    await publish(desk, case_id)
    assert [entry.question for entry in await entries(desk)] == [EDITED]


async def test_the_preview_warns_of_what_may_be_personal(desk: CaseDesk) -> None:
    text = f"Tôi là {NAME.lower()}, số 0901 234 567, căn cước 001085012345, hỏi ông Trần Văn Tèo."
    case_id = await answered(desk, (await filed(desk, text=text)).case_id)
    seen = await preview(desk, case_id, Publication(answer="Gửi về a.b@example.vn, hồ sơ H05.16-261102-0001."))
    assert [(f.trace, f.text) for f in seen.in_question] == [
        (Trace.SENDER, NAME.lower()),
        (Trace.PHONE, "0901 234 567"),
        (Trace.CITIZEN_ID, "001085012345"),
        (Trace.NAME, "Trần Văn Tèo"),
    ]
    assert [f.trace for f in seen.in_answer] == [Trace.EMAIL, Trace.CODE]
    assert (seen.name, seen.may_name, seen.refused) == ("", False, None)


async def test_what_has_no_answer_or_is_confidential_is_not_published(desk: CaseDesk) -> None:
    with pytest.raises(Invalid, match="not answered"):
        await preview(desk, (await filed(desk)).case_id, Publication())
    secret = await desk.files(confidential=True)
    seen = await preview(desk, await answered(desk, secret.case_id), Publication(question=EDITED))
    assert seen.refused is not None
    with pytest.raises(Invalid, match="confidential"):
        await publish(desk, secret.case_id)
    assert await entries(desk) == []


async def test_a_name_taken_out_again_leaves_the_text_and_an_unbroken_chain(desk: CaseDesk) -> None:
    sender = await filed(desk, MayPublish.NAMED)
    case_id = await answered(desk, sender.case_id)
    await publish(desk, case_id, Publication(named=True))
    acts = SenderActs(desk.seal, desk.cases)
    async with desk.database.transaction(Role.WORKER) as connection:
        await acts.may_publish(connection, sender.number, MayPublish.ANONYMOUS)
        await acts.may_publish(connection, sender.number, MayPublish.NO)
    (entry,) = await entries(desk)
    assert (entry.question, entry.name) == (TEXT, None)
    found = await verdict(desk)
    assert (found.records, found.removals, found.faults) == (2, 1, ())


async def test_a_text_taken_out_is_gone_everywhere_and_its_place_is_kept(desk: CaseDesk) -> None:
    case_id = await answered(desk, (await filed(desk)).case_id)
    await publish(desk, case_id)
    await publish(desk, await answered(desk, (await filed(desk, text="Việc khác hẳn.")).case_id), Publication())
    await remove(desk, 1, What.TEXT)
    assert [entry.n for entry in await entries(desk)] == [2]
    reading = Reading(desk.database)
    gone = await reading.entry(1)
    assert gone is not None
    assert (gone.question, gone.answer, gone.name) == (None, None, None)
    assert gone.removal == "personal_data"
    lines = [json.loads(line) async for line in reading.chain()]
    assert EDITED not in json.dumps(lines, ensure_ascii=False)
    assert [(line["n"], line["kind"], line["content"]) for line in lines if line["kind"] == "removal"] == [
        (3, "removal", "text personal_data")
    ]
    assert (await verdict(desk)).faults == ()


async def test_only_the_offices_of_the_case_take_something_out(desk: CaseDesk) -> None:
    await publish(desk, await answered(desk, (await filed(desk)).case_id))
    with pytest.raises(NotFound):
        await remove(desk, 1, What.TEXT, office=ELSEWHERE)
    async with desk.office(ELSEWHERE) as connection:
        assert await connection.fetchval("SELECT count(*) FROM register_entry") == 0


async def test_published_again_the_earlier_entry_stays_and_names_the_newer(desk: CaseDesk) -> None:
    first = await filed(desk)
    await publish(desk, await answered(desk, first.case_id))
    await desk.moves(first.case_id, Step(move=MoveName.REOPEN, why="Chưa xong"), role=Who.CLERK)
    reading = Reading(desk.database)
    objected = await reading.entry(1)
    assert objected is not None
    assert objected.state is CaseState.REOPENED
    await publish(desk, await answered(desk, first.case_id))
    assert [entry.n for entry in await entries(desk)] == [2]
    earlier = await reading.entry(1)
    assert earlier is not None
    assert (earlier.replaced_by, earlier.question) == (2, EDITED)
    newer = await reading.entry(2)
    assert newer is not None
    assert newer.reopened == 1
    assert (await verdict(desk)).faults == ()


async def correct(
    desk: CaseDesk, n: int, publication: Publication, *, office: str = HERE, role: Who = Who.APPROVER
) -> int:
    actor = await desk.officer(office, role)
    async with desk.office(office) as connection:
        return await desk.cases.correct(connection, n, publication, RemovalReason.MISTAKE, actor)


@pytest.mark.parametrize("closed", [False, True])
async def test_a_wrong_text_is_put_right_and_the_chain_keeps_both(desk: CaseDesk, closed: bool) -> None:
    sender = await filed(desk, MayPublish.NAMED)
    await publish(desk, await answered(desk, sender.case_id), Publication(question=EDITED, named=True))
    if closed:
        async with desk.database.connection(Role.WORKER) as connection:
            await connection.execute("UPDATE feedback_case SET state = 'closed', answer_due_on = '2020-01-01'")
    better = Publication(question=EDITED, answer="Hồ sơ có kết quả ngày 20/11.", named=True)
    assert await correct(desk, 1, better) == 2
    (entry,) = await entries(desk)
    assert (entry.answer, entry.name, entry.on_time, entry.replaces) == (better.answer, NAME, True, 1)
    wrong = await Reading(desk.database).entry(1)
    assert wrong is not None
    assert (wrong.question, wrong.answer, wrong.removal, wrong.replaced_by) == (None, None, "mistake", 2)
    lines = [json.loads(line) async for line in Reading(desk.database).chain()]
    assert [(line["kind"], line["entry"]) for line in lines] == [("entry", 1), ("entry", 2), ("removal", 1)]
    assert ANSWER not in json.dumps(lines, ensure_ascii=False)
    assert (await verdict(desk)).faults == ()
    async with desk.database.connection(Role.OPERATOR) as connection:
        step = await connection.fetchrow("SELECT by, reason, said FROM feedback_step WHERE move = 'correct'")
    assert tuple(step) == ("officer", "mistake", True)


async def test_a_correction_says_something_else_of_what_stands_there_and_is_made_by_who_publishes(
    desk: CaseDesk,
) -> None:
    await publish(desk, await answered(desk, (await filed(desk, MayPublish.NO)).case_id))
    with pytest.raises(Invalid, match="already"):
        await correct(desk, 1, Publication(question=EDITED, answer=ANSWER))
    with pytest.raises(Invalid, match="office's words"):
        await correct(desk, 1, Publication(question=TEXT))
    with pytest.raises(Forbidden):
        await correct(desk, 1, Publication(question="Hẹn bốn lần."), role=Who.HANDLER)
    for n, office in ((1, ELSEWHERE), (9, HERE)):
        with pytest.raises(NotFound):
            await correct(desk, n, Publication(question="Hẹn bốn lần."), office=office)
    await correct(desk, 1, Publication(question="Hẹn bốn lần."))
    with pytest.raises(Invalid, match="newer entry"):
        await correct(desk, 1, Publication(question="Hẹn năm lần."))
    assert [(entry.n, entry.question) for entry in await entries(desk)] == [(2, "Hẹn bốn lần.")]


async def test_entries_follow_each_other_whoever_publishes(desk: CaseDesk) -> None:
    for _ in range(3):
        await publish(desk, await answered(desk, (await filed(desk)).case_id))
    lines = [json.loads(line) async for line in Reading(desk.database).chain()]
    assert [line["n"] for line in lines] == [1, 2, 3]
    assert [line["previous"] for line in lines] == [FIRST, lines[0]["digest"], lines[1]["digest"]]


async def test_words_whose_time_was_over_cannot_be_published(desk: CaseDesk) -> None:
    case_id = await answered(desk, (await filed(desk)).case_id)
    async with desk.database.transaction(Role.WORKER) as connection:
        await connection.execute("UPDATE feedback SET text_sealed = '' WHERE case_id = $1", case_id)
    with pytest.raises(Invalid, match="not answered"):
        await preview(desk, case_id, Publication())


async def test_a_name_goes_once_nobody_could_take_its_consent_back(desk: CaseDesk) -> None:
    forgotten, known = [await filed(desk, MayPublish.NAMED) for _ in range(2)]
    for sender in (forgotten, known):
        await publish(desk, await answered(desk, sender.case_id), Publication(named=True))
    async with desk.database.transaction(Role.WORKER) as connection:
        await connection.execute("UPDATE feedback SET name_sealed = NULL WHERE case_id = $1", forgotten.case_id)
        assert await Register(desk.seal).forget_names_alone(connection) == 1
        assert await Register(desk.seal).forget_names_alone(connection) == 0
    assert [entry.name for entry in await entries(desk)] == [NAME, None]
    assert (await verdict(desk)).faults == ()
