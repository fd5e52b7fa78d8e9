"""What an officer does with a confidential case whose row they may not see a moment later goes through all the same."""

from console.roles import OfficerRole
from tests.console.cases import CLERK, HANDLER, HEAD, Counter, case, send
from tests.console.test_case_typing import SHEET
from tests.feedback_intake.desk import ELSEWHERE

CONTROLLER = OfficerRole.CONTROLLER


async def test_a_clerk_makes_a_case_confidential_and_sees_it_no_more(counter: Counter) -> None:
    filed = await counter.files()
    clerk, head = await counter.officer("an", CLERK), await counter.officer("dung", HEAD)
    assert (await clerk.get(case(filed))).status == 200
    done = await clerk.post(case(filed, "bao-mat"), confidential="1", version="1")
    assert done.status == 200
    assert filed.number not in done.text.split("</form>")[-1]
    assert (await clerk.get(case(filed))).status == 404
    assert (await head.get(case(filed))).status == 200


async def test_a_confidential_letter_is_typed_in_by_a_clerk(counter: Counter) -> None:
    clerk = await counter.officer("an", CLERK)
    for agency in ("", ELSEWHERE):
        await clerk.get("/console/ghi-nhan")
        shown = await send(clerk, "/console/ghi-nhan", **SHEET, confidential="1", agency=agency)
        assert shown.place.startswith("/console/ghi-nhan/"), shown.text
        confirmed = await clerk.post(shown.place.partition("?")[0] + "/doc-lai")
        assert "Người gửi đã xác nhận" in confirmed.text


async def test_the_assignee_passes_a_confidential_case_on(counter: Counter) -> None:
    filed = await counter.files(confidential=True)
    head, handler = await counter.officer("dung", HEAD), await counter.officer("binh", HANDLER)
    await head.get(case(filed))
    await head.post(case(filed, "viec", "assign"), version="1", seen="0", assignee=str(await counter.account("binh")))
    assert (await handler.get(case(filed))).status == 200
    passed = await handler.post(
        case(filed, "viec", "forward"), version="2", seen="0", agency=ELSEWHERE, why="Không thuộc thẩm quyền."
    )
    assert passed.status == 200
    assert "Nay cơ quan đó giải quyết" in passed.text
    assert filed.number not in passed.text
    assert (await handler.get(case(filed))).status == 404, "it is the other office's now, and its heads'"
    async with counter.desk.office(ELSEWHERE) as connection:
        held = await connection.fetchrow("SELECT state, holder_agency FROM feedback_case WHERE id = $1", filed.case_id)
    assert (held["state"], held["holder_agency"]) == ("forwarded", await counter.desk.agency(ELSEWHERE))


async def test_the_assignee_of_a_confidential_case_splits_it_and_stays_with_the_rest(counter: Counter) -> None:
    filed, other = await counter.files(confidential=True), await counter.files(confidential=True)
    head, handler = await counter.officer("dung", HEAD), await counter.officer("binh", HANDLER)
    await head.get(case(filed))
    await head.post(case(other, "gop"), into=filed.number)
    account = str(await counter.account("binh"))
    await head.post(case(filed, "viec", "assign"), version="2", seen="0", assignee=account)
    await handler.get(case(filed))
    left = await handler.post(case(filed, "tach"), feedback=str(other.feedback_id))
    assert (left.status, left.place.partition("?")[0]) == (200, case(filed))
    assert other.number not in left.text


async def test_figures_and_exports_count_confidential_cases_for_heads_alone(counter: Counter) -> None:
    await counter.files()
    hidden = await counter.files(confidential=True)
    head, controller = await counter.officer("dung", HEAD), await counter.officer("giang", CONTROLLER)
    for officer, received in ((head, 2), (controller, 1)):
        page = await officer.get("/console/so-lieu-phan-anh")
        assert f'<span class="number">{received}</span>' in page.text
        taken = await officer.post("/console/so-lieu-phan-anh/xuat", format="csv")
        assert (hidden.number in taken.text) is (officer is head)
