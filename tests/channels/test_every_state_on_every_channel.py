"""A case through every state and move, at each door by which feedback comes in: what its sender reads at each."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from channels.sms.plain import plain
from channels.sms.segments import segments
from database.pool import Role
from domain.civil_time import civil_day, utc_now
from domain.errors import Invalid
from domain.language import Language
from feedback_intake.cases import Case, Step
from feedback_intake.filing import MayPublish
from feedback_intake.gathering import Gathering
from feedback_intake.moves import CaseState, Content, MoveName, RefusalReason, Who
from feedback_intake.published import Published, Reading
from feedback_intake.register import Publication
from feedback_intake.telling import WORDS
from feedback_intake.watching import Watching
from service.wiring import Core
from tests.channels.doors import DOORS, open_service
from tests.channels.senders import NAME, Program, Sender, Service, Texter, Typist
from tests.feedback_intake.desk import ELSEWHERE

TEXT = "Tôi nộp hồ sơ khai sinh từ ngày 2/11, cán bộ hẹn ba lần mà chưa có kết quả."
ASKED = "Ông/Bà nộp ở quầy số mấy?"
FIRST, BETTER, LAST = "Xin chờ.", "Hồ sơ có kết quả ngày 20/11, xin lỗi Ông/Bà", "Đã sửa giấy, mời Ông/Bà đến nhận."
EDITED = "Một công dân phản ánh hồ sơ khai sinh trễ hẹn ba lần."


@pytest.fixture(params=DOORS)
async def service(request: pytest.FixtureRequest, core: Core) -> AsyncIterator[Service]:
    """The running service with the door that is tried."""
    async with open_service(core, request.param) as opened:
        yield opened


class Walk:
    """A case on its way: what officers do, and what its sender reads of it."""

    def __init__(self, service: Service, sender: Sender) -> None:
        self.service = service
        self.sender = sender

    async def case(self) -> Case:
        """How it stands."""
        async with self.service.core.database.connection(Role.WORKER) as connection:
            case_id = await connection.fetchval("SELECT case_id FROM feedback WHERE number = $1", self.sender.number)
            return await self.service.feedback.cases.find(connection, case_id)

    async def moves(self, step: Step, role: Who) -> None:
        """An officer of the office that holds it makes a move."""
        case = await self.case()
        await self.service.desk.moves(case.case_id, step, role=role, office=self.office(case))

    def office(self, case: Case) -> str:
        """The code of the office that holds it."""
        holder = self.service.core.registry.agency(case.holder_agency)
        assert holder is not None
        return holder.code

    async def reads(self, state: CaseState, *words: str) -> str:
        """Look it up: it stands in `state`, and `words` are there."""
        said = await self.sender.looks()
        label = WORDS.say(Language.VIETNAMESE, f"state.{state}.label")
        self.holds(said, label, *words)
        assert (await self.case()).state is state
        return said

    async def reads_words(self, *words: str) -> None:
        """Look it up: `words` are there."""
        self.holds(await self.sender.looks(), *words)

    async def told(self, *words: str) -> str:
        """A message comes, with `words` where its reader is known to be the sender."""
        said = await self.sender.told()
        if isinstance(self.sender, Typist):  # a phone that was only typed in may be a stranger's
            assert self.sender.number not in said
            self.holds(said, "vừa có tin mới")
        elif not isinstance(self.sender, Program):
            self.holds(said, self.sender.number, *words)
        return said

    def holds(self, said: str, *words: str) -> None:
        """`words` stand in `said`, accents aside, as SMS has none."""
        for each in words:
            assert plain(each).lower() in plain(said).lower(), (each, said)
        if isinstance(self.sender, Texter) and self.sender.brief:
            assert segments(said).count <= 3, said


async def begun(service: Service, text: str = TEXT) -> Walk:
    walk = Walk(service, service.sender())
    await walk.sender.files(text)
    assert "Chính phủ" not in await walk.reads(CaseState.RECEIVED)
    return walk


async def answered(walk: Walk, answer: str) -> None:
    await walk.moves(Step(move=MoveName.START), Who.HANDLER)
    await walk.moves(Step(move=MoveName.SUBMIT, answer=answer), Who.HANDLER)
    await walk.moves(Step(move=MoveName.APPROVE), Who.APPROVER)


async def entries(service: Service) -> list[Published]:
    return (await Reading(service.core.database).newest()).entries


async def test_the_whole_way_to_an_answer_objected_to_answered_again_published_and_closed(service: Service) -> None:
    walk = await begun(service)
    await walk.moves(Step(move=MoveName.ASK, why=ASKED), Who.CLERK)
    await walk.told(ASKED)
    await walk.reads(CaseState.NEEDS_INFO, ASKED)
    await walk.sender.says("quầy số 3, chị Hoa nhận")
    await walk.reads(CaseState.RECEIVED)
    await walk.moves(Step(move=MoveName.CLASSIFY, content=Content.DELAY), Who.CLERK)
    await walk.reads(CaseState.CLASSIFIED)
    other = service.core.registry.agency_by_code(ELSEWHERE)
    assert other is not None
    forward = Step(move=MoveName.FORWARD, why="Thuộc thẩm quyền Sở", agency_id=other.agency_id)
    await walk.moves(forward, Who.CLERK)
    if not isinstance(walk.sender, Typist):
        await walk.told(other.name)
    await walk.reads(CaseState.FORWARDED, other.name)
    handler = await service.desk.officer(ELSEWHERE, Who.HANDLER)
    await walk.moves(Step(move=MoveName.ASSIGN, assignee=handler.account_id), Who.HEAD)
    await walk.reads(CaseState.ASSIGNED)
    await walk.moves(Step(move=MoveName.START), Who.HANDLER)
    await walk.reads(CaseState.IN_PROGRESS)
    await walk.moves(Step(move=MoveName.SUBMIT, answer=FIRST), Who.HANDLER)
    assert plain(FIRST) not in plain(await walk.reads(CaseState.AWAITING_APPROVAL))
    await walk.moves(Step(move=MoveName.SEND_BACK, why="Chưa nói rõ ngày"), Who.APPROVER)
    assert "ngay" not in plain(await walk.reads(CaseState.IN_PROGRESS)).partition("Chua noi ro")[2]
    await walk.moves(Step(move=MoveName.SUBMIT, answer=BETTER), Who.HANDLER)
    await walk.moves(Step(move=MoveName.APPROVE), Who.APPROVER)
    await walk.told(BETTER, "1 đến 5", "CHUA")
    await walk.reads(CaseState.ANSWERED, BETTER)
    await walk.sender.says("CHUA giấy vẫn sai tên")
    await walk.reads(CaseState.REOPENED)
    await answered(walk, LAST)
    await walk.told(LAST)
    await walk.reads(CaseState.ANSWERED, LAST)
    rated = await walk.sender.says("4")
    if not isinstance(walk.sender, (Typist, Program)):
        assert "đánh giá" in rated.lower() or "danh gia 4/5" in plain(rated).lower()
    await walk.moves(Step(move=MoveName.PUBLISH, publication=Publication(question=EDITED)), Who.HEAD)
    if not isinstance(walk.sender, Typist):
        await walk.told("công khai, không kèm họ tên")
    await walk.reads(CaseState.PUBLISHED, LAST)
    (entry,) = await entries(service)
    assert (entry.question, entry.answer, entry.name, entry.reopened) == (EDITED, LAST, "", 1)
    async with service.core.database.transaction(Role.WORKER) as connection:
        until = (await walk.case()).object_until
        assert until is not None
        watching = Watching(lambda: service.core.registry.calendar)
        assert await watching.turn(connection, today=until + timedelta(days=1)) == (0, 1)
        await connection.execute("UPDATE feedback_case SET object_until = $1", civil_day(utc_now()) - timedelta(days=1))
    await walk.reads(CaseState.CLOSED, LAST)
    await walk.sender.says("CHUA vẫn chưa được")  # too late
    await walk.reads(CaseState.CLOSED)
    async with service.core.database.connection(Role.OPERATOR) as connection:
        assert await connection.fetchval("SELECT score FROM case_rating") == 4


@pytest.mark.parametrize(
    ("words", "reason", "where"),
    [
        ("Tôi khiếu nại quyết định thu hồi đất số 12 của xã", RefusalReason.COMPLAINT, "Ban Tiếp công dân"),
        ("Tôi tố cáo cán bộ nhận tiền của dân", RefusalReason.DENUNCIATION, "thanh tra"),
    ],
)
async def test_a_complaint_is_told_where_it_belongs(
    service: Service, words: str, reason: RefusalReason, where: str
) -> None:
    walk = await begun(service, words)
    await walk.moves(Step(move=MoveName.REFUSE, reason=reason, why="Xin gửi trong 90 ngày."), Who.CLERK)
    await walk.told(where, "90 ngày")
    await walk.reads_words(where, "90 ngày")
    assert (await walk.case()).state is CaseState.REFUSED


async def test_who_takes_it_back_reads_so_and_hears_no_more(service: Service) -> None:
    walk = await begun(service)
    await walk.sender.says("RUT")
    await walk.reads(CaseState.WITHDRAWN)
    await walk.sender.says("quên nói thêm")
    await walk.reads(CaseState.WITHDRAWN)


async def test_two_who_share_a_case_read_one_answer_and_apart_again_each_their_own(service: Service) -> None:
    one, other = await begun(service), await begun(service, f"{TEXT} Xin sớm trả lời.")
    clerk = await service.desk.officer(one.office(await one.case()), Who.CLERK)
    gathering, first, second = Gathering(service.core.seal), await one.case(), await other.case()
    async with service.desk.office(one.office(first)) as connection:
        assert [each.case_id for each in await gathering.alike(connection, first.case_id)] == [second.case_id]
        await gathering.merge(connection, second.case_id, first.case_id, clerk)
    await other.sender.says("lời riêng của người thứ hai")
    await answered(one, FIRST)
    for walk in (one, other):
        await walk.told(FIRST)
        await walk.reads(CaseState.ANSWERED, FIRST)
    assert "thu hai" not in plain(await one.sender.looks())
    await other.sender.says("CHUA việc của tôi khác")
    async with service.core.database.connection(Role.WORKER) as connection:
        filed = await connection.fetchval("SELECT id FROM feedback WHERE number = $1", other.sender.number)
    async with service.desk.office(one.office(first)) as connection:
        await gathering.split(connection, first.case_id, [filed], clerk)
    await answered(other, LAST)
    await other.told(LAST)
    await other.reads(CaseState.ANSWERED, LAST)
    assert plain(LAST) not in plain(await one.reads(CaseState.REOPENED, "xem lại"))


async def test_a_confidential_case_is_read_by_its_sender_and_never_published(service: Service) -> None:
    walk = await begun(service)
    case = await walk.case()
    head = await service.desk.officer(walk.office(case), Who.HEAD)
    async with service.desk.office(walk.office(case)) as connection:
        await service.feedback.cases.keep_confidential(
            connection, case.case_id, head, version=case.version, confidential=True
        )
    await answered(walk, FIRST)
    await walk.told(FIRST)
    await walk.reads(CaseState.ANSWERED, FIRST)
    with pytest.raises(Invalid, match="confidential"):
        await walk.moves(Step(move=MoveName.PUBLISH, publication=Publication(question=EDITED)), Who.HEAD)
    assert await entries(service) == []


async def test_a_name_is_published_where_its_owner_agrees_and_goes_when_taken_back(service: Service) -> None:
    walk = await begun(service)
    await walk.sender.agrees(MayPublish.NAMED)
    await answered(walk, FIRST)
    await walk.told(FIRST)
    await walk.moves(Step(move=MoveName.PUBLISH, publication=Publication(named=True)), Who.HEAD)
    (entry,) = await entries(service)
    assert entry.question is not None
    assert entry.question.endswith(TEXT)  # a letter begins with its subject
    assert (entry.answer, entry.name) == (FIRST, NAME)
    if not isinstance(walk.sender, Typist):
        await walk.told("công khai, kèm họ tên")
    await walk.reads(CaseState.PUBLISHED, FIRST)
    await walk.sender.agrees(MayPublish.NO)
    assert [entry.name for entry in await entries(service)] == [None]
