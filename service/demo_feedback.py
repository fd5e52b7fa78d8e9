"""Demo feedback: filed, worked on, answered, published and rated through the very moves officers and citizens make."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from database.pool import SET_TENANT, Role
from domain.civil_time import civil_day, utc_now
from domain.contact import ChannelName
from feedback_intake.cases import SENDER, Actor, Step
from feedback_intake.filing import Feedback, FeedbackKind, Filed, MayPublish
from feedback_intake.moves import Content, MoveName, RefusalReason, Who
from feedback_intake.numbers import new_number
from feedback_intake.ratings import HandlingRating
from feedback_intake.register import Publication
from service.demo import AGENCY
from service.feedback import FeedbackService
from service.wiring import Core

ACCOUNTS = "SELECT email, id FROM account WHERE email = ANY ($1::text[])"
_FEEDBACK, _PROPOSAL = FeedbackKind.FEEDBACK, FeedbackKind.PROPOSAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One case: what was said, how far it came, and how its sender rated the answer (0: not)."""

    said: str
    days_ago: int
    kind: FeedbackKind = _FEEDBACK
    content: Content = Content.DELAY
    answer: str = ""
    published: str = ""  # the question as the office edited it
    consent: MayPublish = MayPublish.ANONYMOUS
    score: int = 0
    objection: str = ""
    refused: bool = False


STORIES: Final = (
    Story(
        said="Tôi nộp hồ sơ cấp đổi giấy chứng nhận từ đầu tháng mà đã hẹn lại hai lần, chưa có kết quả.",
        days_ago=9,
        answer="Hồ sơ chậm vì phải đo lại ranh giới thửa đất. Kết quả đã có. Chúng tôi xin lỗi vì chưa báo sớm.",
        published="Công dân nộp hồ sơ cấp đổi giấy chứng nhận từ đầu tháng, đã hẹn lại hai lần, chưa có kết quả.",
        score=4,
    ),
    Story(
        said="Sao phải nộp bản sao giấy khai sinh khi dữ liệu đã có trên hệ thống dân cư?",
        days_ago=12,
        content=Content.UNREALISTIC,
        answer="Từ nay bộ phận một cửa tự tra cứu dữ liệu dân cư. Công dân không phải nộp bản sao giấy khai sinh nữa.",
        published="Vì sao phải nộp bản sao giấy khai sinh khi dữ liệu đã có trên hệ thống dân cư?",
        score=5,
    ),
    Story(
        said="Đề nghị mở cửa nhận hồ sơ sáng thứ Bảy cho người đi làm xa.",
        days_ago=20,
        kind=_PROPOSAL,
        content=Content.PROPOSAL,
        answer="Bộ phận một cửa nhận hồ sơ sáng thứ Bảy tuần đầu và tuần thứ ba mỗi tháng, từ 7 giờ 30 đến 11 giờ.",
        published="Đề nghị nhận hồ sơ sáng thứ Bảy cho người đi làm xa.",
        score=5,
    ),
    Story(
        said="Cán bộ hướng dẫn ba lần, mỗi lần một khác, tôi phải đi lại nhiều.",
        days_ago=45,
        answer="Chúng tôi đã lập danh mục giấy tờ thống nhất và dán tại quầy. Mong Ông/Bà thông cảm.",
        published="Công dân được hướng dẫn ba lần, mỗi lần một khác, phải đi lại nhiều.",
        score=2,
    ),
    Story(
        said="Hai văn bản của tỉnh quy định khác nhau về giấy tờ chứng minh chỗ ở.",
        days_ago=16,
        content=Content.INCONSISTENT,
        answer="Văn bản ban hành sau được áp dụng. Chúng tôi đã đề nghị bãi bỏ văn bản cũ.",
        published="Hai văn bản của tỉnh quy định khác nhau về giấy tờ chứng minh chỗ ở.",
        score=4,
    ),
    Story(
        said="Nộp hồ sơ trên mạng bị báo lỗi khi tải tệp lớn, không ai trả lời điện thoại.",
        days_ago=10,
        answer="Tệp tối đa nay là 10 MB. Số điện thoại hỗ trợ có người trực trong giờ hành chính.",
        published="Nộp hồ sơ trên mạng bị báo lỗi khi tải tệp lớn; gọi điện không có người trả lời.",
        score=3,
        objection="Tôi gọi lại vẫn không có ai nghe máy.",
    ),
    Story(
        said="Xin cho biết vì sao lệ phí lần này cao hơn lần trước?",
        days_ago=6,
        content=Content.OTHER,
        answer="Mức thu mới áp dụng từ tháng này theo nghị quyết của Hội đồng nhân dân, niêm yết tại quầy.",
        consent=MayPublish.NO,
    ),
    Story(said="Chờ ở quầy hơn một giờ dù đã lấy số từ sớm.", days_ago=3),
    Story(said="Biển chỉ dẫn lối vào cho xe lăn bị che khuất.", days_ago=1, content=Content.OTHER),
    Story(said="mua đất nền giá rẻ liên hệ ngay", days_ago=2, refused=True),
)


class DemoFeedback:
    """Seeds it, for an office whose demo officers are there already."""

    def __init__(self, core: Core, feedback: FeedbackService) -> None:
        self._core = core
        self._feedback = feedback
        self._officers: dict[Who, Actor] = {}
        self._office = 0

    async def seed(self) -> int:
        """All of `STORIES`; how many cases."""
        agency = self._core.registry.agency_by_code(AGENCY)
        if agency is None:
            return 0
        self._office = agency.agency_id
        roles = {f"{who}@demo.example": who for who in (Who.CLERK, Who.HANDLER, Who.APPROVER)}
        async with self._core.database.transaction(Role.OPERATOR) as connection:
            rows = await connection.fetch(ACCOUNTS, list(roles))
        self._officers = {
            roles[row["email"]]: Actor(roles=frozenset({roles[row["email"]]}), account_id=row["id"]) for row in rows
        }
        for story in STORIES:
            await self._tell(story)
        return len(STORIES)

    async def _tell(self, story: Story) -> None:
        filed = await self._file(story)
        if story.refused:
            await self._move(filed, Who.CLERK, Step(move=MoveName.REFUSE, why="Quảng cáo.", reason=RefusalReason.SPAM))
            return
        await self._move(filed, Who.CLERK, Step(move=MoveName.CLASSIFY, content=story.content))
        if not story.answer:
            return
        await self._move(filed, Who.HANDLER, Step(move=MoveName.START))
        await self._move(filed, Who.HANDLER, Step(move=MoveName.SUBMIT, answer=story.answer))
        if not story.score:
            return  # waits for approval
        await self._move(filed, Who.APPROVER, Step(move=MoveName.APPROVE))
        publication = Publication(question=story.published)
        await self._move(filed, Who.APPROVER, Step(move=MoveName.PUBLISH, publication=publication))
        async with self._core.database.transaction(Role.WORKER) as connection:
            await self._feedback.ratings.rate_handling(
                connection, HandlingRating(number=filed.number, score=story.score)
            )
            if story.objection:
                step = Step(move=MoveName.REOPEN, why=story.objection)
                await self._feedback.cases.move(connection, filed.case_id, step, SENDER)

    async def _file(self, story: Story) -> Filed:
        today = civil_day(utc_now())
        feedback = Feedback(
            number=new_number(today),
            kind=story.kind,
            text=story.said,
            agency_id=self._office,
            may_publish=story.consent,
            received_on=today - timedelta(days=story.days_ago),
        )
        async with self._core.database.transaction(Role.WORKER) as connection:
            return await self._feedback.filing.file(connection, None, feedback, channel=ChannelName("form"))

    async def _move(self, filed: Filed, who: Who, step: Step) -> None:
        async with self._core.database.transaction(Role.CONSOLE) as connection:
            await connection.execute(SET_TENANT, str(self._office), "off")
            await self._feedback.cases.move(connection, filed.case_id, step, self._officers[who])


STATEMENTS = (ACCOUNTS,)
