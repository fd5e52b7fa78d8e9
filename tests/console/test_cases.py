"""Cases in the console: lists, the way of a case through several hands, conflicts, drafts, who may read what."""

import re

from console.roles import OfficerRole
from database.pool import Role
from domain.civil_time import civil_day, utc_now
from tests.console.cases import APPROVER, CLERK, HANDLER, HEAD, Counter, case, send
from tests.console.officers import Browser
from tests.feedback_intake.desk import ELSEWHERE, TEXT

_VERSION = re.compile(r'name="version" value="(\d+)"')
_SEEN = re.compile(r'name="seen" value="(\d+)"')


def hidden(browser: Browser) -> dict[str, str]:
    """What the open page's forms carry of the case's version."""
    assert browser.shown
    version, seen = _VERSION.search(browser.shown.text), _SEEN.search(browser.shown.text)
    assert version
    return {"version": version[1], "seen": seen[1] if seen else "0"}


async def moves(browser: Browser, url: str, name: str, **fields: str) -> str:
    """Open a case and make a move; the page after it."""
    await browser.get(f"{url}?viec={name}")
    shown = await send(browser, f"{url}/viec/{name}", **hidden(browser), **fields)
    assert shown.status == 200, shown.text
    return shown.text


async def test_a_case_goes_through_several_hands(counter: Counter) -> None:
    filed = await counter.files()
    clerk, handler = await counter.officer("an", CLERK), await counter.officer("binh", HANDLER)
    approver = await counter.officer("chi", APPROVER)
    shown = await clerk.get("/console/phan-anh")
    assert filed.number in shown.text
    assert "hẹn ba lần" in shown.text
    url = case(filed)
    assert "Chậm trễ" in await moves(clerk, url, "classify", content="delay")
    assert "Đã phân công" in await moves(clerk, url, "assign", assignee=str(await counter.account("binh")))
    assert filed.number in (await handler.get("/console/phan-anh?tab=mine")).text
    await moves(handler, url, "start")
    assert "Đã trình duyệt" in await moves(handler, url, "submit", answer="Chúng tôi xin lỗi. Kết quả có ngày mai.")
    assert "Kết quả có ngày mai" in (await approver.get(f"/console/phe-duyet/{filed.case_id}")).text
    back = await send(
        approver,
        f"{url}/viec/send_back?tu=duyet",
        **hidden(approver),
        fault="off_topic",
        why="Xin nói vì sao chậm.",
    )
    assert back.place.startswith("/console/phe-duyet?")
    shown = await handler.get(f"{url}?viec=submit")
    assert "Trả lời lạc đề. Xin nói vì sao chậm." in shown.text
    assert "Kết quả có ngày mai.</textarea>" in shown.text  # what was sent back is there to be mended
    await moves(handler, url, "submit", answer="Hồ sơ chậm vì thiếu chữ ký. Kết quả có ngày mai.")
    await approver.get(f"/console/phe-duyet/{filed.case_id}")
    assert (await send(approver, f"{url}/viec/approve?tu=duyet", **hidden(approver))).status == 200
    assert any("thieu chu ky" in text for text in await counter.desk.told())
    assert "Đã trả lời" in (await handler.get(url)).text


async def test_nobody_approves_the_answer_they_wrote(counter: Counter) -> None:
    filed = await counter.files()
    head = await counter.officer("dung", HEAD)
    url = case(filed)
    await moves(head, url, "start")
    await moves(head, url, "submit", answer="Đã giải quyết xong.")
    assert "một người khác phải duyệt" in (await head.get(f"/console/phe-duyet/{filed.case_id}")).text
    await head.get(url)
    refused = await send(head, f"{url}/viec/approve", **hidden_of(await latest(counter, filed.case_id)))
    assert refused.status == 403
    assert "Người duyệt phải khác người soạn" in refused.text


async def latest(counter: Counter, case_id: int) -> int:
    async with counter.house.core.database.connection(Role.OPERATOR) as connection:
        version: int = await connection.fetchval("SELECT version FROM feedback_case WHERE id = $1", case_id)
    return version


def hidden_of(version: int) -> dict[str, str]:
    return {"version": str(version), "seen": "0"}


async def test_a_conflict_says_what_changed_and_keeps_what_was_typed(counter: Counter) -> None:
    filed = await counter.files()
    one, other = await counter.officer("an", CLERK), await counter.officer("binh", CLERK)
    url = case(filed)
    await one.get(f"{url}?viec=forward")
    fields = hidden(one)
    await moves(other, url, "classify", content="delay")
    shown = await send(one, f"{url}/viec/forward", **fields, agency=ELSEWHERE, why="Việc của sở ấy, theo quy định mới.")
    assert shown.status == 409
    assert "Có người vừa thay đổi" in shown.text
    assert "Phân loại" in shown.text[shown.text.index("Có người vừa thay đổi") :]
    assert "Việc của sở ấy, theo quy định mới." in shown.text
    # Sent once more it counts.
    done = await send(one, f"{url}/viec/forward", **hidden(one), agency=ELSEWHERE, why="Việc của sở ấy.")
    assert "Đã chuyển" in done.text


async def test_what_was_typed_survives_signing_out_and_mistakes(counter: Counter) -> None:
    filed = await counter.files()
    clerk = await counter.officer("an", CLERK)
    url = case(filed)
    await clerk.get(f"{url}?viec=ask")
    wrong = await send(clerk, f"{url}/viec/refuse", **hidden(clerk), reason="", why="Nội dung này thuộc việc khác.")
    assert wrong.status == 422
    assert "Xin chọn lý do" in wrong.text
    assert "Nội dung này thuộc việc khác." in wrong.text
    await send(clerk, f"{url}/viec/ask", **hidden(clerk), why="Bà nộp hồ sơ ở đâu?", draft="1")
    await clerk.post("/console/ra")
    await clerk.signs_in("an@bacninh.gov.vn")
    shown = await clerk.get(f"{url}?viec=ask")
    assert "Bà nộp hồ sơ ở đâu?</textarea>" in shown.text
    assert "bản nháp" in shown.text
    await send(clerk, f"{url}/viec/ask", **hidden(clerk), why="Bà nộp hồ sơ ở đâu?")
    assert "Bà nộp hồ sơ ở đâu?</textarea>" not in (await clerk.get(url)).text


async def test_an_office_that_was_typed_by_name_is_found_or_asked_for(counter: Counter) -> None:
    filed = await counter.files()
    clerk = await counter.officer("an", CLERK)
    url = case(filed)
    await clerk.get(f"{url}?viec=forward")
    shown = await send(clerk, f"{url}/viec/forward", **hidden(clerk), agency="sở", why="Việc của nơi khác.")
    assert shown.status == 422
    assert "Có nhiều cơ quan khớp" in shown.text
    codes = re.findall(r'name="agency_code" value="([^"]+)"', shown.text)
    assert len(codes) > 1
    done = await send(
        clerk,
        f"{url}/viec/forward",
        **hidden(clerk),
        agency="sở",
        agency_code=ELSEWHERE,
        why="Việc của nơi khác.",
    )
    assert "Đã chuyển" in done.text
    # The office has seen it and goes on seeing it; it moves it no more.
    assert "?viec=" not in (await clerk.get(url)).text


async def test_confidential_cases_show_to_the_assignee_and_heads_only(counter: Counter) -> None:
    filed = await counter.files("Cán bộ ở đây đòi tiền tôi.", confidential=True)
    clerk, head = await counter.officer("an", CLERK), await counter.officer("dung", HEAD)
    handler, other = await counter.officer("binh", HANDLER), await counter.officer("giang", HANDLER)
    url = case(filed)
    for browser in (clerk, handler, other):
        assert (await browser.get(url)).status == 404
        assert (await browser.post(f"{url}/ghi-chu", note="x")).status == 404
        for tab in ("unit", "unassigned", "mine"):
            assert filed.number not in (await browser.get(f"/console/phan-anh?tab={tab}")).text
        assert (
            filed.number not in (await browser.post("/console/phan-anh/tim", q=filed.number)).text.split("</form>")[-1]
        )
    assert "đòi tiền" in (await head.get(url)).text
    await moves(head, url, "assign", assignee=str(await counter.account("binh")))
    assert "đòi tiền" in (await handler.get(url)).text
    assert (await other.get(url)).status == 404


async def test_alike_cases_do_not_show_what_is_confidential(counter: Counter) -> None:
    one = await counter.files()
    await counter.files(TEXT, phone="+84901234568", confidential=True)
    other = await counter.files(TEXT, phone="+84901234569")
    clerk = await counter.officer("an", CLERK)
    shown = (await clerk.get(case(one))).text
    alike = shown[shown.index("Phản ánh giống nhau") :]
    assert other.number in alike
    assert alike.count("100%") == 1


async def test_cases_are_merged_and_split_again(counter: Counter) -> None:
    one, other = await counter.files(), await counter.files(phone="+84901234568")
    clerk = await counter.officer("an", CLERK)
    await clerk.get(case(one))
    merged = await clerk.post(case(one, "gop"), into=other.number)
    assert merged.place.startswith(case(other))
    assert one.number in merged.text
    assert (await clerk.get(case(one))).place.startswith(case(other))
    ids = re.findall(r'name="feedback" value="(\d+)"', (await clerk.get(case(other))).text)
    assert len(ids) == 2
    refused = await clerk.post(case(other, "tach"), feedback="")
    assert refused.status == 422
    split = await clerk.post(case(other, "tach"), feedback=ids[1])
    assert "Đã tách" in split.text


async def test_officers_of_another_office_find_nothing(counter: Counter) -> None:
    filed = await counter.files()
    stranger = await counter.officer("xa", CLERK, HANDLER, APPROVER, HEAD, office=ELSEWHERE)
    url = case(filed)
    missing = await stranger.get("/console/phan-anh/999999")
    for address in (
        url,
        f"{url}/tep/1",
        f"/console/phe-duyet/{filed.case_id}",
        f"/console/phe-duyet/{filed.case_id}/cong-khai",
    ):
        answer = await stranger.get(address)
        assert answer.status == missing.status == 404
    for address in ("viec/classify", "viec/approve", "ghi-chu", "bao-mat", "gop", "tach"):
        answer = await stranger.post(f"{url}/{address}", content="delay", note="x", into=filed.number, version="1")
        assert answer.status == 404, address
    assert filed.number not in (await stranger.get("/console/phan-anh?tab=unit")).text


async def test_an_officer_of_one_sector_sees_their_own_only(counter: Counter) -> None:
    filed = await counter.files()
    await counter.house.hires("dat@bacninh.gov.vn", HANDLER, sector="Đất đai")
    narrow = counter.house.browser()
    await narrow.signs_in("dat@bacninh.gov.vn")
    assert filed.number not in (await narrow.get("/console/phan-anh?tab=unit")).text
    assert (await narrow.get(case(filed))).status == 404
    # What was given into their hands they see all the same.
    async with counter.house.core.database.transaction(Role.WORKER) as connection:
        await connection.execute(
            "UPDATE feedback_case SET assignee = $2 WHERE id = $1", filed.case_id, await counter.account("dat")
        )
    assert filed.number in (await narrow.get("/console/phan-anh?tab=mine")).text
    assert (await narrow.get(case(filed))).status == 200


async def test_every_view_is_in_the_record(counter: Counter) -> None:
    filed = await counter.files()
    clerk = await counter.officer("an", CLERK)
    await clerk.get(case(filed))
    async with counter.house.core.database.connection(Role.OPERATOR) as connection:
        rows = await connection.fetch("SELECT action, subject FROM audit WHERE action LIKE 'feedback%'")
    assert [(row["action"], row["subject"]) for row in rows] == [("feedback.view", filed.number)]


async def test_roles_without_feedback_have_no_such_pages(counter: Counter) -> None:
    filed = await counter.files()
    operator = await counter.officer("van", OfficerRole.OPERATOR)
    for address in (
        "/console/phan-anh",
        case(filed),
        "/console/phe-duyet",
        "/console/ghi-nhan",
        "/console/mau-tra-loi",
    ):
        assert (await operator.get(address)).status == 404
    controller = await counter.officer("kiem", OfficerRole.CONTROLLER)
    assert (await controller.get(case(filed))).status == 200
    assert "?viec=" not in (await controller.get(case(filed))).text
    await controller.get(case(filed))
    assert (await controller.post(case(filed, "viec", "classify"), content="delay", version="1")).status == 403


async def test_lists_are_narrowed(counter: Counter) -> None:
    late = await counter.files(phone="+84901111111")
    new = await counter.files(phone="+84902222222")
    async with counter.house.core.database.transaction(Role.WORKER) as connection:
        await connection.execute("UPDATE feedback_case SET answer_due_on = '2026-01-05' WHERE id = $1", late.case_id)
    clerk = await counter.officer("an", CLERK)
    shown = (await clerk.get("/console/phan-anh?tab=unit&late=1")).text
    assert late.number in shown
    assert new.number not in shown
    both = (await clerk.get("/console/phan-anh?tab=unit")).text
    assert both.index(late.number) < both.index(new.number)
    assert late.number not in (await clerk.get("/console/phan-anh?tab=unit&channel=letter")).text
    assert late.number in (await clerk.get("/console/phan-anh?tab=unit&channel=sms&kind=feedback&state=received")).text
    found = await clerk.post("/console/phan-anh/tim", q="0901 111 111")
    assert found.place.startswith(case(late))
    assert (await clerk.post("/console/phan-anh/tim", q=new.number.lower())).place.startswith(case(new))
    for odd in ("\x00", "⁠' OR 1=1", "PA-000000-000000", "9" * 120):
        assert (await clerk.post("/console/phan-anh/tim", q=odd)).status == 200
    for odd in ("sau=99999999-1", "sau=x", "state=x&kind=y&channel=z&agency=Q&late=2", "sau=20260101-" + "9" * 40):
        assert (await clerk.get(f"/console/phan-anh?tab=unit&{odd}")).status == 200


async def test_days_are_counted_as_people_say_them(counter: Counter) -> None:
    filed, clerk = await counter.files(), await counter.officer("an", CLERK)
    today = civil_day(utc_now())
    calendar = counter.house.core.registry.calendar
    tomorrow = calendar.next_working_day(today)
    said = {
        tomorrow: ("Còn 1 ngày làm việc", "1 working day left"),
        calendar.add_working_days(today, 3): ("Còn 3 ngày làm việc", "3 working days left"),
    }
    for due, words in said.items():
        async with counter.house.core.database.transaction(Role.WORKER) as connection:
            await connection.execute("UPDATE feedback_case SET answer_due_on = $2 WHERE id = $1", filed.case_id, due)
        for language, phrase in zip(("vi", "en"), words, strict=True):
            assert phrase in (await clerk.get(f"{case(filed)}?lang={language}")).text
