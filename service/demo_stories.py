"""What people said in the demo, and how far each case came: every state, late ones, senders of every kind."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from feedback_intake.cases import Step
from feedback_intake.filing import FeedbackKind, MayPublish
from feedback_intake.moves import Content, MoveName, RefusalReason, Who
from feedback_intake.register import Publication

Turn = tuple[Who, Step]


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One case: what was said when and by which way, the moves of officers and sender, and how content they were.

    `score` and `control` 0: not rated. `control` is the
    controlling body's; `objection` reopens it after the rating.
    """

    said: str
    days_ago: int
    way: Sequence[Turn] = ()
    channel: str = "form"
    kind: FeedbackKind = FeedbackKind.FEEDBACK
    consent: MayPublish = MayPublish.ANONYMOUS
    name: str = ""
    phone: str = ""
    score: int = 0
    control: int = 0
    objection: str = ""
    note: str = ""
    confidential: bool = False


def _sorted(content: Content) -> tuple[Turn, ...]:
    return ((Who.CLERK, Step(move=MoveName.CLASSIFY, content=content)),)


def _begun(content: Content) -> tuple[Turn, ...]:
    return (*_sorted(content), (Who.HANDLER, Step(move=MoveName.START)))


def _written(answer: str, content: Content) -> tuple[Turn, ...]:
    return (*_begun(content), (Who.HANDLER, Step(move=MoveName.SUBMIT, answer=answer)))


def _answered(answer: str, content: Content = Content.DELAY) -> tuple[Turn, ...]:
    return (*_written(answer, content), (Who.APPROVER, Step(move=MoveName.APPROVE)))


def _published(question: str, answer: str, content: Content = Content.DELAY) -> tuple[Turn, ...]:
    step = Step(move=MoveName.PUBLISH, publication=Publication(question=question))
    return (*_answered(answer, content), (Who.APPROVER, step))


_ASSIGNED: Final = (Who.CLERK, Step(move=MoveName.ASSIGN))  # to the demo's handler
_FORWARDED: Final = Step(move=MoveName.FORWARD, why="Việc này do Sở Y tế giải quyết.")  # to the office next door

STORIES: Final = (
    Story(
        said="Tôi nộp hồ sơ cấp đổi giấy chứng nhận từ đầu tháng mà đã hẹn lại hai lần, chưa có kết quả.",
        days_ago=9,
        way=_published(
            "Công dân nộp hồ sơ cấp đổi giấy chứng nhận từ đầu tháng, đã hẹn lại hai lần, chưa có kết quả.",
            "Hồ sơ chậm vì phải đo lại ranh giới thửa đất. Kết quả đã có. Chúng tôi xin lỗi vì chưa báo sớm.",
        ),
        name="Ngô Thị Mai",
        phone="+84912345601",
        score=4,
        control=4,
    ),
    Story(
        said="Sao phải nộp bản sao giấy khai sinh khi dữ liệu đã có trên hệ thống dân cư?",
        days_ago=12,
        way=_published(
            "Vì sao phải nộp bản sao giấy khai sinh khi dữ liệu đã có trên hệ thống dân cư?",
            "Từ nay bộ phận một cửa tự tra cứu dữ liệu dân cư. Công dân không phải nộp bản sao giấy khai sinh nữa.",
            Content.UNREALISTIC,
        ),
        score=5,
        control=5,
    ),
    Story(
        said="Đề nghị mở cửa nhận hồ sơ sáng thứ Bảy cho người đi làm xa.",
        days_ago=20,
        channel="email",
        way=_published(
            "Đề nghị nhận hồ sơ sáng thứ Bảy cho người đi làm xa.",
            "Bộ phận một cửa nhận hồ sơ sáng thứ Bảy tuần đầu và tuần thứ ba mỗi tháng, từ 7 giờ 30 đến 11 giờ.",
            Content.PROPOSAL,
        ),
        kind=FeedbackKind.PROPOSAL,
        score=5,
        control=5,
    ),
    Story(
        said="Cán bộ hướng dẫn ba lần, mỗi lần một khác, tôi phải đi lại nhiều.",
        days_ago=45,
        way=_published(
            "Công dân được hướng dẫn ba lần, mỗi lần một khác, phải đi lại nhiều.",
            "Chúng tôi đã lập danh mục giấy tờ thống nhất và dán tại quầy. Mong Ông/Bà thông cảm.",
        ),
        score=2,
        control=3,
    ),
    Story(
        said="Hai văn bản của tỉnh quy định khác nhau về giấy tờ chứng minh chỗ ở.",
        days_ago=16,
        way=_published(
            "Hai văn bản của tỉnh quy định khác nhau về giấy tờ chứng minh chỗ ở.",
            "Văn bản ban hành sau được áp dụng. Chúng tôi đã đề nghị bãi bỏ văn bản cũ.",
            Content.INCONSISTENT,
        ),
        score=4,
        control=4,
    ),
    Story(
        said="Nộp hồ sơ trên mạng bị báo lỗi khi tải tệp lớn, không ai trả lời điện thoại.",
        days_ago=10,
        channel="zalo",
        way=_published(
            "Nộp hồ sơ trên mạng bị báo lỗi khi tải tệp lớn; gọi điện không có người trả lời.",
            "Tệp tối đa nay là 10 MB. Số điện thoại hỗ trợ có người trực trong giờ hành chính.",
        ),
        score=3,
        objection="Tôi gọi lại vẫn không có ai nghe máy.",
    ),
    Story(
        said="Cảm ơn cán bộ một cửa đã gọi nhắc tôi bổ sung giấy tờ. Mong có thêm ghế chờ cho người già.",
        days_ago=8,
        channel="sms",
        way=_answered("Chúng tôi đã kê thêm mười hai ghế ở sảnh chờ từ thứ Hai tuần này.", Content.OTHER),
        consent=MayPublish.NO,
        phone="+84912345602",
        score=5,
    ),
    Story(
        said="Giấy hẹn ghi nhầm tên đường, tôi phải xin cấp lại.",
        days_ago=7,
        way=(
            *_answered("Giấy hẹn đã được in lại đúng tên đường. Chúng tôi xin lỗi vì sai sót."),
            (Who.CLOCK, Step(move=MoveName.CLOSE)),
        ),
        consent=MayPublish.NO,
        score=4,
    ),
    Story(
        said="Xin cho biết vì sao lệ phí lần này cao hơn lần trước?",
        days_ago=6,
        way=_written(
            "Mức thu mới áp dụng từ tháng này theo nghị quyết của Hội đồng nhân dân, niêm yết tại quầy.", Content.OTHER
        ),
        consent=MayPublish.NO,
        note="Đã đối chiếu với bảng thu niêm yết tại quầy số 3.",
    ),
    Story(
        said="Hồ sơ tách thửa của gia đình tôi nộp đã lâu, hỏi ba nơi ba câu trả lời khác nhau.",
        days_ago=31,
        channel="visit",
        way=(
            *_written("Đề nghị liên hệ Chi nhánh Văn phòng Đăng ký đất đai.", Content.DELAY),
            (Who.APPROVER, Step(move=MoveName.SEND_BACK, why="Trả lời chưa đúng điều người dân hỏi: bao giờ xong?")),
        ),
        name="Hoàng Văn Phúc",
        phone="+84912345603",
        note="Văn phòng Đăng ký đất đai hẹn gửi kết quả đo đạc trong tuần.",
    ),
    Story(
        said="Chờ ở quầy hơn một giờ dù đã lấy số từ sớm.",
        days_ago=29,
        channel="telegram",
        way=(*_sorted(Content.DELAY), _ASSIGNED),
    ),
    Story(
        said="Biển chỉ dẫn lối vào cho xe lăn bị che khuất.", days_ago=5, way=_begun(Content.OTHER), channel="messenger"
    ),
    Story(said="Máy lấy số tự động hỏng từ tuần trước.", days_ago=4, way=_sorted(Content.OTHER), channel="phone"),
    Story(
        said="Tôi muốn hỏi về hồ sơ của mẹ tôi, cán bộ nói chưa nhận được.",
        days_ago=3,
        way=((Who.CLERK, Step(move=MoveName.ASK, why="Xin Ông/Bà cho biết mã hồ sơ ghi trên giấy hẹn.")),),
        channel="zalo",
    ),
    Story(
        said="Phòng khám gần nhà xin giấy phép mãi chưa được.",
        days_ago=2,
        way=((Who.CLERK, _FORWARDED),),
        channel="letter",
    ),
    Story(said="Tôi nộp nhầm, xin rút lại ý kiến này.", days_ago=2, way=((Who.SENDER, Step(move=MoveName.WITHDRAW)),)),
    Story(
        said="mua đất nền giá rẻ liên hệ ngay",
        days_ago=2,
        way=((Who.CLERK, Step(move=MoveName.REFUSE, why="Quảng cáo.", reason=RefusalReason.SPAM)),),
    ),
    Story(
        said="Cán bộ ở quầy số 2 gợi ý bồi dưỡng để làm nhanh. Tôi đề nghị giữ kín tên.",
        days_ago=1,
        confidential=True,
        consent=MayPublish.NO,
    ),
    Story(said="Trang nộp hồ sơ không mở được trên điện thoại đời cũ.", days_ago=1, channel="web"),
    Story(said="Sáng nay quầy tiếp nhận mở cửa muộn ba mươi phút.", days_ago=0, channel="sms", phone="+84912345604"),
)
