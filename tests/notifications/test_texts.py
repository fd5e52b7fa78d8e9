"""What notices say: the truth allowed, in one segment, with where to ask and how to stop."""

from datetime import UTC, date, datetime, timedelta
from itertools import product

import pytest
import smsutil
from hypothesis import given
from hypothesis import strategies as st

from domain.agency import Agency, AgencyLevel, DisclosurePolicy
from domain.contact import ChannelName
from domain.dossier import Dossier, PublicDossier
from domain.language import Language
from domain.status import STAGE_OF, Stage, Status
from lookup.disclosure import Answer, Freshness, Level, disclose
from lookup.reference_data import agencies, day_overrides
from lookup.wording import Words
from lookup.working_time import WorkingCalendar
from notifications.kinds import EventKind
from notifications.texts import News, digest, notice, sms_number

ZALO = ChannelName("zalo")
VI, EN = Language.VIETNAMESE, Language.ENGLISH
CODE = "H05.16-261102-0001"
LONGEST_USUAL_CODE = "000.00.00.H05-20261102-1234567"
NOW = datetime(2026, 11, 12, 3, tzinfo=UTC)
DUE = datetime(2026, 11, 20, 10, tzinfo=UTC)
LATE = datetime(2026, 11, 6, 10, tzinfo=UTC)
LONG_AGO = datetime(2020, 1, 6, 10, tzinfo=UTC)
CALENDAR = WorkingCalendar(overrides=day_overrides())


def an_office(
    phone: str = "0222 3822 016",
    *,
    name: str = "Trung tâm Phục vụ hành chính công Bắc Ninh",
    disclosure: DisclosurePolicy = DisclosurePolicy.STRICT,
) -> Agency:
    """An office as the registry knows it."""
    return Agency(
        agency_id=1,
        code="H05.16",
        name=name,
        name_en="",
        level=AgencyLevel.DEPARTMENT,
        parent_id=None,
        phone=phone,
        address="",
        disclosure=disclosure,
        valid_from=date(2025, 7, 1),
        valid_to=None,
    )


def an_answer(
    status: Status,
    *,
    code: str = CODE,
    level: Level = Level.PROVEN,
    due_at: datetime | None = DUE,
    asked: str | None = None,
    office: Agency | None = None,
) -> Answer:
    """What may be said of a dossier in `status` on 12 November 2026."""
    public = PublicDossier(
        code=code,
        version=3,
        status=status,
        status_at=NOW,
        received_at=NOW - timedelta(days=10),
        due_at=due_at,
        finished_at=NOW if status in {Status.COMPLETED, Status.DELIVERED} else None,
        agency_id=1,
        recorded_at=NOW,
        read_at=NOW,
    )
    dossier = Dossier(
        public=public,
        applicant_name="Nguyễn Văn An",
        procedure_name=None,
        asked_of_applicant=asked,
        delivered_at=None,
        history=(),
    )
    return disclose(
        dossier,
        level,
        agency=office or an_office(),
        freshness=Freshness(as_of=NOW, fresh=True),
        calendar=CALENDAR,
        now=NOW,
    )


def sms(answer: Answer, before: Status | None = None, language: Language = VI) -> str:
    """The notice as SMS."""
    return notice(answer, News(before=before), channel=ChannelName.SMS, language=language)


def assert_one_plain_segment(text: str) -> None:
    """One GSM-7 segment, as the oracle counts."""
    split = smsutil.split(text)
    assert (split.encoding, len(split.parts)) == ("gsm0338", 1), (len(text), text)


def test_the_notice_of_the_tour() -> None:
    assert sms(an_answer(Status.PROCESSING)) == (
        f"HS {CODE}: dang giai quyet, dung han. Hen tra 20/11/2026. Hoi: 02223822016. Tat tin: BO {CODE}"
    )


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("level", [Level.CODE, Level.PROVEN])
@pytest.mark.parametrize("status", Status)
def test_every_notice_is_one_plain_segment(status: Status, level: Level, language: Language) -> None:
    befores = (None, *Status)
    dues = (None, DUE, LATE, LONG_AGO)
    asked = (None, "bản sao Giấy khai sinh", "Bản sao “Giấy chứng nhận” – 02 bản; ảnh 4×6; 出生证明", "x" * 300)
    offices = (
        an_office(),
        an_office("", name="Trung tâm Phục vụ hành chính công tỉnh Bắc Ninh và các chi nhánh trực thuộc"),
        an_office("", name=""),
        an_office(disclosure=DisclosurePolicy.OPEN),
    )
    for before, due_at, wanted, office in product(befores, dues, asked, offices):
        answer = an_answer(status, code=LONGEST_USUAL_CODE, level=level, due_at=due_at, asked=wanted, office=office)
        assert_one_plain_segment(sms(answer, before, language))


@pytest.mark.parametrize("row", [row for row in agencies() if row.phone], ids=lambda row: row.code)
def test_every_shipped_offices_number_is_told_in_one_segment(row: Agency) -> None:
    office = an_office(row.phone, name=row.name)
    for status in Status:
        text = sms(an_answer(status, code=LONGEST_USUAL_CODE, office=office))
        assert_one_plain_segment(text)
        assert f"Hoi: {sms_number(row.phone)}." in text


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("channel", [ChannelName.SMS, ChannelName("zalo")])
def test_every_notice_says_which_file_where_to_ask_and_how_to_stop(
    channel: ChannelName, status: Status, language: Language
) -> None:
    text = notice(an_answer(status), News(), channel=channel, language=language)
    assert text.count(CODE) == 2
    assert text.endswith(f"BO {CODE}")
    assert "3822" in text
    assert "{" not in text


def test_no_two_statuses_are_told_in_the_same_words() -> None:
    for language, channel in product(Language, (ChannelName.SMS, ChannelName("zalo"))):
        told = {notice(an_answer(status), News(), channel=channel, language=language) for status in Status}
        assert len(told) == len(Status)


def test_lateness_is_told_with_its_length_and_an_apology() -> None:
    # 6 November 2026 is a Friday, 12 November a Thursday.
    late = an_answer(Status.PROCESSING, due_at=LATE)
    assert "qua han 4 ngay lam viec. Xin loi Ong/Ba." in sms(late)
    assert "4 working days late. We are sorry." in sms(late, language=EN)
    assert "quá hạn 4 ngày làm việc. Chúng tôi xin lỗi." in notice(
        late, News(), channel=ChannelName("zalo"), language=VI
    )
    assert "Hen tra" not in sms(late)


def test_lateness_of_days_off_alone_is_told_without_a_number() -> None:
    friday, sunday = datetime(2026, 11, 6, 10, tzinfo=UTC), datetime(2026, 11, 8, 3, tzinfo=UTC)
    answer = an_answer(Status.PROCESSING, due_at=friday)
    on_sunday = disclose(
        Dossier(
            public=PublicDossier(
                code=CODE,
                version=1,
                status=Status.PROCESSING,
                status_at=friday,
                received_at=None,
                due_at=friday,
                finished_at=None,
                agency_id=1,
                recorded_at=friday,
                read_at=sunday,
            ),
            applicant_name=None,
            procedure_name=None,
            asked_of_applicant=None,
            delivered_at=None,
            history=(),
        ),
        Level.PROVEN,
        agency=answer.agency,
        freshness=Freshness(as_of=sunday, fresh=True),
        calendar=CALENDAR,
        now=sunday,
    )
    assert "qua han tra ket qua. Xin loi Ong/Ba." in sms(on_sunday)


def test_a_new_due_date_is_told_with_the_old_one_and_an_apology() -> None:
    put_off = News(event=EventKind.NEW_DUE_DATE, due_before=date(2026, 11, 13))
    answer = an_answer(Status.PROCESSING)
    text = notice(answer, put_off, channel=ChannelName.SMS, language=VI)
    assert "lui hen tra tu 13/11/2026 sang 20/11/2026. Xin loi Ong/Ba." in text
    assert_one_plain_segment(text)
    full = notice(answer, put_off, channel=ZALO, language=VI)
    assert "Hẹn trả kết quả lùi từ 13/11/2026 sang 20/11/2026. Chúng tôi xin lỗi Ông/Bà." in full
    longest = an_answer(Status.PROCESSING, code=LONGEST_USUAL_CODE + "-2026")
    text = notice(longest, put_off, channel=ChannelName.SMS, language=VI)
    assert "hen tra moi 20/11/2026. Xin loi Ong/Ba." in text
    assert_one_plain_segment(text)
    went_back = News(event=EventKind.NEW_DUE_DATE, due_before=date(2026, 11, 13), before=Status.DELIVERED)
    assert "chuyển lại" not in notice(answer, went_back, channel=ZALO, language=VI)  # it did so before
    sooner = News(event=EventKind.NEW_DUE_DATE, due_before=date(2026, 11, 27))
    assert "Xin loi" not in notice(answer, sooner, channel=ChannelName.SMS, language=VI)


def test_a_date_is_told_to_who_has_proven_a_right_to_it() -> None:
    for event in (EventKind.NEW_DUE_DATE, EventKind.DUE_TOMORROW):
        news = News(event=event, due_before=date(2026, 11, 13))
        for channel in (ChannelName.SMS, ZALO):
            assert "20/11/2026" not in notice(
                an_answer(Status.PROCESSING, level=Level.CODE), news, channel=channel, language=VI
            )
            assert "20/11/2026" in notice(an_answer(Status.PROCESSING), news, channel=channel, language=VI)


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("code", [CODE, LONGEST_USUAL_CODE])
def test_that_the_time_for_papers_is_over_is_one_plain_segment(code: str, language: Language) -> None:
    news = News(event=EventKind.SUPPLEMENT_OVERDUE, due_before=date(2026, 11, 20))
    answer = an_answer(Status.SUPPLEMENT_REQUIRED, code=code, asked="Giấy khai sinh")
    text = notice(answer, news, channel=ChannelName.SMS, language=language)
    assert "20/11/2026" in text
    assert_one_plain_segment(text)
    assert "20/11/2026" in notice(answer, news, channel=ZALO, language=language)


def test_what_may_follow_when_papers_do_not_come_is_said_where_there_is_room() -> None:
    news = News(event=EventKind.SUPPLEMENT_OVERDUE, due_before=date(2026, 11, 20))
    answer = an_answer(Status.SUPPLEMENT_REQUIRED)
    said = "da het han bo sung giay to ngay 20/11/2026. Co quan co the khong giai quyet tiep."
    assert said in notice(answer, news, channel=ChannelName.SMS, language=VI)


@pytest.mark.parametrize("language", Language)
def test_a_digest_names_as_many_files_as_one_segment_holds_and_counts_the_others(language: Language) -> None:
    codes = [f"H05.16-261102-{n:04}" for n in range(1, 12)]
    text = digest(codes, channel=ChannelName.SMS, language=language)
    assert_one_plain_segment(text)
    named = sum(code in text for code in codes)
    assert named >= 3
    assert f" {11 - named} " in text
    assert all(code in digest(codes, channel=ZALO, language=language) for code in codes)
    assert_one_plain_segment(digest([LONGEST_USUAL_CODE] * 30, channel=ChannelName.SMS, language=language))


def test_what_is_asked_is_told_where_it_fits_and_asked_about_where_not() -> None:
    short = sms(an_answer(Status.SUPPLEMENT_REQUIRED, asked="Bản sao Giấy khai sinh."))
    assert "can Ong/Ba bo sung: Ban sao Giay khai sinh. Hoi:" in short
    for too_much in ("Giấy khai sinh, " * 20, "出生证明"):
        text = sms(an_answer(Status.SUPPLEMENT_REQUIRED, asked=too_much))
        assert "can Ong/Ba bo sung giay to. Hoi: 02223822016." in text


BACKWARDS = [
    (Status.COMPLETED, Status.PROCESSING),
    (Status.DELIVERED, Status.COMPLETED),
    (Status.STOPPED, Status.PROCESSING),
    (Status.PROCESSING, Status.ACCEPTED),
    (Status.REJECTED, Status.ACCEPTED),
    (Status.DELIVERED, Status.SUPPLEMENT_REQUIRED),
]
FORWARDS = [
    (None, Status.ACCEPTED),
    (Status.ACCEPTED, Status.PROCESSING),
    (Status.SUPPLEMENT_REQUIRED, Status.PROCESSING),
    (Status.PROCESSING, Status.SUPPLEMENT_REQUIRED),
    (Status.PAYMENT_REQUIRED, Status.PROCESSING),
    (Status.PROCESSING, Status.COMPLETED),
    (Status.PROCESSING, Status.STOPPED),
]


@pytest.mark.parametrize("level", [Level.CODE, Level.PROVEN])
@pytest.mark.parametrize(("before", "now"), BACKWARDS)
def test_going_back_is_told_as_such(before: Status, now: Status, level: Level) -> None:
    answer = an_answer(now, level=level)
    assert sms(answer, before).startswith(f"HS {CODE} chuyen lai: ")
    assert sms(answer, before, EN).startswith(f"File {CODE} moved back: ")
    assert notice(answer, News(before=before), channel=ChannelName("zalo"), language=VI).startswith(
        f"Hồ sơ {CODE} chuyển lại: "
    )


@pytest.mark.parametrize(("before", "now"), FORWARDS)
def test_going_on_is_not_told_as_going_back(before: Status | None, now: Status) -> None:
    assert sms(an_answer(now), before).startswith(f"HS {CODE}: ")


def test_an_unproven_follower_learns_the_stage_only() -> None:
    """No status within the stage, no date, no request, no name: what the code alone would show (level L0)."""
    for channel in (ChannelName.SMS, ChannelName("zalo")):
        told: dict[Stage, set[str]] = {}
        for status in Status:
            answer = an_answer(status, level=Level.CODE, asked="bản sao Giấy khai sinh")
            text = notice(answer, News(), channel=channel, language=VI)
            told.setdefault(STAGE_OF[status], set()).add(text)
            assert "20/11/2026" not in text
            assert "khai sinh" not in text
            assert "Nguy" not in text
        assert all(len(texts) == 1 for texts in told.values())
        assert len(told) == len(Stage)


def test_an_unproven_follower_learns_the_due_date_where_the_agency_is_open() -> None:
    office = an_office(disclosure=DisclosurePolicy.OPEN)
    answer = an_answer(Status.PROCESSING, level=Level.CODE, office=office)
    assert "Hen tra 20/11/2026." in sms(answer)
    assert "Hẹn trả: thứ Sáu, 20/11/2026." in notice(answer, News(), channel=ChannelName("zalo"), language=VI)


def test_an_unproven_follower_learns_of_lateness() -> None:
    assert "qua han" in sms(an_answer(Status.PROCESSING, level=Level.CODE, due_at=LATE))
    assert "dung han" in sms(an_answer(Status.PROCESSING, level=Level.CODE))


def test_a_channel_with_accents_gets_the_full_text() -> None:
    asked = an_answer(Status.SUPPLEMENT_REQUIRED, asked="bản sao Giấy khai sinh")
    assert notice(asked, News(), channel=ChannelName("zalo"), language=VI).splitlines() == [
        f"Hồ sơ {CODE}: Cần bổ sung giấy tờ.",
        "Cơ quan cần: bản sao Giấy khai sinh.",
        "Xin nộp giấy tờ còn thiếu tại nơi đã nộp hồ sơ. Sau khi đủ giấy tờ, thời hạn được tính lại.",
        "Hỏi: Trung tâm Phục vụ hành chính công Bắc Ninh, 0222 3822 016.",
        f"Tắt tin về hồ sơ này: nhắn BO {CODE}",
    ]


def test_a_code_too_long_for_one_segment_is_still_told_whole() -> None:
    code = "X" * 64
    text = sms(an_answer(Status.COMPLETED, code=code))
    assert text.count(code) == 2


@pytest.mark.parametrize(
    ("written", "dialled"),
    [
        ("0222 3822 016", "02223822016"),
        ("0222.3822016", "02223822016"),
        ("(0222) 3822-016", "02223822016"),
        ("+84 222 3822 016", "+842223822016"),
        ("1022", "1022"),
        ("0222 3822 016; 0222 3822 017", "02223822016"),
        ("02223822016/17", "02223822016"),
        ("02223822016 - 1022", "02223822016"),
        ("gọi ông An", ""),
        ("", ""),
    ],
)
def test_the_first_number_is_told_as_it_is_dialled(written: str, dialled: str) -> None:
    assert sms_number(written) == dialled


@given(asked=st.text(max_size=200), name=st.text(max_size=80), phone=st.text(max_size=30))
def test_nothing_an_office_writes_makes_a_notice_fail_or_cost_more(asked: str, name: str, phone: str) -> None:
    text = sms(an_answer(Status.SUPPLEMENT_REQUIRED, asked=asked, office=an_office(phone, name=name)))
    assert_one_plain_segment(text)


def test_the_catalogues_hold_what_is_said_and_nothing_else() -> None:
    """Each key is asked for by name in the code, whole or as the stem of a status or stage."""
    expected = {"opening", "opening.back", "ask", "stop", "late", "late.days"}
    sms_keys = {f"sms.{key}" for key in expected} | {f"sms.status.{status.name.lower()}" for status in Status}
    sms_keys |= {f"sms.status.{status}.due" for status in ("accepted", "processing")}
    sms_keys |= {f"sms.status.{status}.asked" for status in ("supplement_required", "payment_required")}
    sms_keys |= {f"sms.stage.{stage}" for stage in Stage}
    sms_keys |= {f"sms.stage.{stage}.{more}" for stage in ("received", "in_progress") for more in ("due", "late")}
    dates = {"due_tomorrow", "digest", "digest.others", "supplement_overdue.next"}
    dates |= {f"{key}{more}" for key in ("put_off", "brought_forward") for more in ("", ".from")}
    sms_keys |= {f"sms.{key}" for key in dates}
    full_keys = {f"full.{key}" for key in (*expected, *dates, "asked", "due")}
    choice_keys = {"choice.details", "choice.mute", "sms.supplement_overdue"}
    letter_keys = {"apology.letter", "apology.reason", "apology.history"}
    for language in Language:  # why a wording is refused is said by `wordings.…`, as tests/console/test_refusals has it
        said = {key for key in Words("notifications").keys(language) if not key.startswith("wordings.")}
        assert said == sms_keys | full_keys | choice_keys | letter_keys
