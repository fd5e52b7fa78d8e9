"""What those who filed do and hear afterwards, on the real store."""

from datetime import date

import asyncpg
import pytest

from database.pool import Database, Role
from domain.contact import ChannelName, Contact
from domain.errors import Forbidden, Invalid, NotFound
from feedback_intake.attachments import Attachment
from feedback_intake.cases import Step
from feedback_intake.drafts import Drafts, draft_code
from feedback_intake.filing import Feedback, FeedbackKind, Filed, MayPublish
from feedback_intake.gathering import Gathering
from feedback_intake.hearing import SenderAct, SenderActs
from feedback_intake.moves import CaseState, Content, MoveName, Who
from feedback_intake.number_desk import NumberDesk
from feedback_intake.numbers import new_number
from feedback_intake.progress import FeedbackReader, ProvenProgress, file_of, link_of, number_of_link
from feedback_intake.ratings import HandlingRating, Ratings
from lookup.sealing import Seal
from tests.feedback_intake.desk import ELSEWHERE, HERE, PHONE, TEXT, CaseDesk

STRANGER = "+84987654321"
FORM = ChannelName("form")


@pytest.fixture
def desk(database: Database, seal: Seal) -> CaseDesk:
    """Files and moves as the service does."""
    return CaseDesk(database=database, seal=seal)


@pytest.fixture
def acts(desk: CaseDesk) -> SenderActs:
    """What senders do."""
    return SenderActs(desk.seal, desk.cases)


async def answer(desk: CaseDesk, case_id: int) -> None:
    await desk.moves(case_id, Step(move=MoveName.START), role=Who.HANDLER)
    await desk.moves(case_id, Step(move=MoveName.SUBMIT, answer="Đã có kết quả."), role=Who.HANDLER)
    await desk.moves(case_id, Step(move=MoveName.APPROVE), role=Who.APPROVER)


async def acted(desk: CaseDesk, acts: SenderActs, number: str, act: SenderAct, words: str = "") -> None:
    async with desk.database.transaction(Role.WORKER) as connection:
        await acts.act(connection, number, act, words)


async def seen(desk: CaseDesk, number: str, *, phone: str = PHONE) -> ProvenProgress:
    contact = Contact(channel=ChannelName.SMS, address=phone)
    found = await NumberDesk(desk.database, FeedbackReader(desk.seal), desk.seal).for_contacts(number, contact)
    assert found is not None
    assert found.proven is not None
    return found.proven


async def by_form(desk: CaseDesk, phone: str = PHONE, *, claim: bytes | None = None) -> Filed:
    feedback = Feedback(
        number=new_number(date(2026, 11, 20)),
        kind=FeedbackKind.FEEDBACK,
        text=TEXT,
        agency_id=await desk.agency(HERE),
        phone=phone,
    )
    sender = Contact(channel=ChannelName.SMS, address=phone)
    async with desk.database.transaction(Role.WORKER) as connection:
        return await desk.filing.file(connection, sender, feedback, channel=FORM, claim=claim, reply_proven=False)


async def test_words_answer_what_was_asked_and_later_ones_are_added(desk: CaseDesk, acts: SenderActs) -> None:
    filed = await desk.files()
    await acted(desk, acts, filed.number, SenderAct.ADD, "Quên nói: ở quầy số 3.")
    await desk.moves(filed.case_id, Step(move=MoveName.ASK, why="Ông/Bà nộp ngày nào?"), role=Who.CLERK)
    await acted(desk, acts, filed.number, SenderAct.ADD, "Ngày 2/11.")
    said = await seen(desk, filed.number)
    assert [(step.move, step.words) for step in said.steps] == [
        ("add", "Quên nói: ở quầy số 3."),
        ("ask", "Ông/Bà nộp ngày nào?"),
        ("supply", "Ngày 2/11."),
    ]
    assert said.acts == (SenderAct.ADD, SenderAct.FEEDBACK, SenderAct.PROPOSAL, SenderAct.WITHDRAW)
    for words in ("", "  ", "x" * 10_001):
        with pytest.raises(Invalid):
            await acted(desk, acts, filed.number, SenderAct.ADD, words)
    with pytest.raises(NotFound):
        await acted(desk, acts, "PA-261120-000000", SenderAct.ADD, "Có ai không?")


async def test_a_change_of_kind_is_a_step_of_the_case(desk: CaseDesk, acts: SenderActs) -> None:
    filed = await desk.files()
    await acted(desk, acts, filed.number, SenderAct.FEEDBACK)  # it is that already
    await acted(desk, acts, filed.number, SenderAct.PROPOSAL, "Tôi chỉ góp ý thôi.")
    await desk.moves(filed.case_id, Step(move=MoveName.CLASSIFY, content=Content.PROPOSAL), role=Who.CLERK)
    await acted(desk, acts, filed.number, SenderAct.FEEDBACK)
    said = [(step.move, step.words) for step in (await seen(desk, filed.number)).steps]
    assert said == [("as_proposal", "Tôi chỉ góp ý thôi."), ("as_feedback", "")]
    other = await desk.files(phone=STRANGER)
    await desk.moves(other.case_id, Step(move=MoveName.CLASSIFY, content=Content.INITIATIVE), role=Who.CLERK)
    assert [step.move for step in (await seen(desk, other.number, phone=STRANGER)).steps] == ["as_proposal"]
    async with desk.database.connection(Role.OPERATOR) as connection:
        rows = await connection.fetch("SELECT by, at FROM feedback_step WHERE move LIKE 'as_%' ORDER BY id")
    assert [row["by"] for row in rows] == ["sender", "sender", "officer"]


async def test_what_one_says_of_a_shared_case_is_not_for_the_others(desk: CaseDesk, acts: SenderActs) -> None:
    first, second = await desk.files(), await desk.files(phone=STRANGER)
    clerk = await desk.officer(HERE, Who.CLERK)
    for filed, whose in ((first, "thứ nhất"), (second, "thứ hai")):
        await desk.moves(filed.case_id, Step(move=MoveName.ASK, why=f"Hỏi người {whose}"), role=Who.CLERK)
        await acted(desk, acts, filed.number, SenderAct.ADD, f"Lời người {whose}")
    async with desk.office(HERE) as connection:
        await Gathering(desk.seal).merge(connection, second.case_id, first.case_id, clerk)
    await desk.moves(first.case_id, Step(move=MoveName.ASK, why="Hỏi cả hai"), role=Who.CLERK)
    await acted(desk, acts, second.number, SenderAct.ADD, "Chỉ tôi đáp")
    await answer(desk, first.case_id)

    async def words(number: str, phone: str) -> list[str]:
        return [step.words for step in (await seen(desk, number, phone=phone)).steps if step.words]

    assert await words(first.number, PHONE) == ["Hỏi người thứ nhất", "Lời người thứ nhất", "Hỏi cả hai"]
    assert await words(second.number, STRANGER) == [
        "Hỏi người thứ hai",
        "Lời người thứ hai",
        "Hỏi cả hai",
        "Chỉ tôi đáp",
    ]
    assert len((await seen(desk, second.number, phone=STRANGER)).answers) == 1
    await acted(desk, acts, second.number, SenderAct.OBJECT, "Việc của tôi khác.")
    async with desk.office(HERE) as connection:
        part = await Gathering(desk.seal).split(connection, first.case_id, [second.feedback_id], clerk)
    await desk.moves(first.case_id, Step(move=MoveName.ASK, why="Chỉ hỏi người thứ nhất"), role=Who.CLERK)
    await answer(desk, part)
    last = await seen(desk, second.number, phone=STRANGER)
    assert "Chỉ hỏi người thứ nhất" not in [step.words for step in last.steps]
    assert "Việc của tôi khác." in [step.words for step in last.steps]
    assert len(last.answers) == 2
    assert "Việc của tôi khác." not in await words(first.number, PHONE)


async def test_one_of_several_who_withdraws_leaves_the_case_to_the_others(desk: CaseDesk, acts: SenderActs) -> None:
    first, second = await desk.files(), await desk.files(phone=STRANGER)
    clerk = await desk.officer(HERE, Who.CLERK)
    async with desk.office(HERE) as connection:
        await Gathering(desk.seal).merge(connection, second.case_id, first.case_id, clerk)
    await acted(desk, acts, second.number, SenderAct.WITHDRAW)
    reader = NumberDesk(desk.database, FeedbackReader(desk.seal), desk.seal)
    gone, other = await reader.by_code(second.number), await reader.by_code(first.number)
    assert gone is not None
    assert other is not None
    assert (gone.state, other.state) == (CaseState.WITHDRAWN, CaseState.RECEIVED)
    await answer(desk, first.case_id)
    assert len(await desk.told()) == 1
    await acted(desk, acts, first.number, SenderAct.OBJECT, "Vẫn chưa xong")
    await acted(desk, acts, first.number, SenderAct.WITHDRAW)
    other = await reader.by_code(first.number)
    assert other is not None
    assert other.state is CaseState.WITHDRAWN
    with pytest.raises(Invalid):
        await acted(desk, acts, first.number, SenderAct.WITHDRAW)


async def test_a_phone_that_was_only_typed_in_is_told_that_there_is_news_and_nothing_else(
    desk: CaseDesk, acts: SenderActs
) -> None:
    filed = await by_form(desk)
    await desk.moves(
        filed.case_id,
        Step(move=MoveName.FORWARD, agency_id=await desk.agency(ELSEWHERE), why="Không thuộc thẩm quyền"),
        role=Who.CLERK,
    )
    assert await desk.told() == []
    await desk.moves(filed.case_id, Step(move=MoveName.ASK, why="Hồ sơ nào?"), office=ELSEWHERE, role=Who.HANDLER)
    (news,) = await desk.told()
    assert filed.number not in news
    assert "Ho so" not in news
    assert news.isascii()
    async with desk.database.transaction(Role.WORKER) as connection:
        await acts.prove_reply(connection, filed.number, Contact(channel=ChannelName.SMS, address=STRANGER))
        await acts.act(connection, filed.number, SenderAct.ADD, "Hồ sơ 0001")
        await acts.prove_reply(connection, filed.number, Contact(channel=ChannelName.SMS, address=PHONE))
    await desk.moves(filed.case_id, Step(move=MoveName.ASK, why="Còn gì nữa?"), office=ELSEWHERE, role=Who.HANDLER)
    assert filed.number in (await desk.told())[-1]


async def test_the_link_of_a_confirmation_opens_it_and_no_other_does(desk: CaseDesk) -> None:
    filed, other = await by_form(desk), await by_form(desk, STRANGER)
    reader = NumberDesk(desk.database, FeedbackReader(desk.seal), desk.seal)
    link = link_of(desk.seal, filed.number)
    found = await reader.with_receipt(link)
    assert found is not None
    assert found.proven is not None
    assert found.proven.text == TEXT
    key = link.partition(".")[2]
    assert len(key) * 6 >= 128
    for wrong in (f"{other.number}.{key}", link[:-1], f"{link}A", filed.number, f"{filed.number}.", "", ".é\udc80"):
        assert number_of_link(desk.seal, wrong) is None
        assert await reader.with_receipt(wrong) is None


async def test_digits_prove_only_their_own_number(desk: CaseDesk) -> None:
    filed, other = await by_form(desk), await by_form(desk, STRANGER)
    reader = NumberDesk(desk.database, FeedbackReader(desk.seal), desk.seal)
    found = await reader.with_proof(filed.number, PHONE[-4:])
    assert found is not None
    assert found.proven is not None
    for number, proof in ((filed.number, STRANGER[-4:]), (other.number, PHONE[-4:]), (filed.number, PHONE), ("", "")):
        assert await reader.with_proof(number, proof) is None
    alone = await reader.by_code(filed.number)
    assert alone is not None
    assert alone.proven is None
    assert await reader.for_phone(filed.number, STRANGER) is None


async def test_a_form_sent_twice_files_once(desk: CaseDesk) -> None:
    claim = Drafts(desk.seal).claim("token")
    await by_form(desk, claim=claim)
    with pytest.raises(asyncpg.UniqueViolationError):
        await by_form(desk, claim=claim)


async def test_what_may_be_published_is_given_and_taken_back(desk: CaseDesk, acts: SenderActs) -> None:
    filed = await desk.files()
    assert (await seen(desk, filed.number)).may_publish is MayPublish.NO
    for consent in (MayPublish.NAMED, MayPublish.NO):
        async with desk.database.transaction(Role.WORKER) as connection:
            await acts.may_publish(connection, filed.number, consent)
            await acts.complete(connection, filed.number, name="Nguyễn Văn An")
        said = await seen(desk, filed.number)
        assert (said.may_publish, said.named) == (consent, True)


async def test_a_draft_is_kept_found_again_sent_and_gone(desk: CaseDesk) -> None:
    drafts, contact = Drafts(desk.seal), Contact(channel=ChannelName.SMS, address=PHONE)
    document = Attachment(name="don.pdf", content_type="application/pdf", content=b"%PDF-1.7")
    async with desk.database.transaction(Role.WORKER) as connection:
        await drafts.keep(connection, "token", {"text": "Chưa xong"}, (contact,))
        await drafts.keep_file(connection, "token", document)
        await drafts.keep_file(connection, "token", document)
        draft = await drafts.find(connection, "token")
        assert draft is not None
        assert (draft.fields["text"], [file.name for file in draft.files]) == ("Chưa xong", ["don.pdf"])
        assert await drafts.find(connection, "other") is None
        code = drafts.code_of("token")
        assert await drafts.token_by_code(connection, draft_code(f" {code[:5].lower()}-{code[5:]}"), contact) == "token"
        stranger = Contact(channel=ChannelName.SMS, address=STRANGER)
        assert await drafts.token_by_code(connection, code, stranger) is None
    filed = await by_form(desk, claim=drafts.claim("token"))
    async with desk.database.transaction(Role.WORKER) as connection:
        assert await drafts.number_of(connection, "token") is None
        await drafts.became(connection, "token", filed.number, filed.feedback_id, filed.case_id)
        assert await drafts.number_of(connection, "token") == filed.number
        assert await drafts.token_by_code(connection, code, contact) is None
        gone = await drafts.find(connection, "token")
        assert gone is not None
        assert (gone.fields.get("text"), gone.files, gone.number) == (None, (), filed.number)
    (held,) = (await seen(desk, filed.number)).files
    other = await by_form(desk, STRANGER)
    async with desk.database.transaction(Role.WORKER) as connection:
        kept = await file_of(connection, desk.seal, filed.number, held.file_id)
        assert kept == ("don.pdf", "application/pdf", b"%PDF-1.7")
        assert await file_of(connection, desk.seal, other.number, held.file_id) is None


async def test_what_is_kept_no_longer_is_gone_from_its_page_and_old_drafts_go(desk: CaseDesk) -> None:
    filed = await desk.files()
    await answer(desk, filed.case_id)
    drafts = Drafts(desk.seal)
    async with desk.database.connection(Role.WORKER) as connection:
        await drafts.keep(connection, "old", {"text": "Chưa xong"}, ())
        await connection.execute("UPDATE feedback_draft SET expires_at = now() - interval '1 minute'")
        await drafts.sweep(connection)
        assert await connection.fetchval("SELECT count(*) FROM feedback_draft") == 0
    async with desk.database.connection(Role.OPERATOR) as connection:
        assert await connection.fetchval("SELECT count(*) FROM feedback") == 1
    owner = await asyncpg.connect(desk.database.url)
    await owner.execute("UPDATE feedback SET text_sealed = ''")
    await owner.execute("UPDATE feedback_answer SET text_sealed = ''")
    await owner.close()
    said = await seen(desk, filed.number)
    assert (said.text, [given.text for given in said.answers]) == ("", [""])


async def test_the_handling_is_rated_by_its_sender_and_by_an_office_above(desk: CaseDesk) -> None:
    ratings = Ratings(desk.seal, lambda: desk.calendar)
    filed = await desk.files()
    rating = HandlingRating(number=filed.number, score=2, reason="Trả lời chung chung")
    async with desk.database.transaction(Role.WORKER) as connection:
        with pytest.raises(Invalid):
            await ratings.rate_handling(connection, rating)
    await answer(desk, filed.case_id)
    async with desk.database.transaction(Role.WORKER) as connection:
        await ratings.rate_handling(connection, rating)
        await ratings.rate_handling(connection, HandlingRating(number=filed.number, score=2))
        with pytest.raises(Invalid):
            await ratings.rate_handling(connection, HandlingRating(number=filed.number, score=6))
        (row,) = await connection.fetch("SELECT * FROM case_rating")
    assert (row["score"], row["agency_id"]) == (2, await desk.agency(HERE))
    assert desk.seal.open(row["reason_sealed"]) == "Trả lời chung chung"
    assert (await seen(desk, filed.number)).score == 2
    own, above = await desk.officer(HERE, Who.HEAD), await desk.officer("H05", Who.HEAD)
    assert own.account_id is not None
    assert above.account_id is not None
    async with desk.office("H05") as connection:
        await ratings.rate_control(connection, filed.case_id, above.account_id, 4)
        (first,) = await ratings.control_of(connection, filed.case_id)
        await ratings.rate_control(
            connection, filed.case_id, above.account_id, 3, reason="Chậm hai ngày", replaces=first.rating_id
        )
    async with desk.office(HERE) as connection:
        with pytest.raises(Forbidden):
            await ratings.rate_control(connection, filed.case_id, own.account_id, 5)
        given = await ratings.control_of(connection, filed.case_id)
        assert [(one.score, one.counts, one.reason) for one in given] == [(3, True, "Chậm hai ngày"), (4, False, "")]
        assert await connection.fetchval("SELECT count(id) FROM case_rating") == 1
    async with desk.office(ELSEWHERE) as connection:
        assert await connection.fetchval("SELECT count(id) FROM case_rating") == 0
        with pytest.raises(NotFound):
            await ratings.rate_control(connection, filed.case_id, own.account_id, 5)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with desk.office(HERE) as connection:
            await connection.fetch("SELECT feedback_id FROM case_rating")
