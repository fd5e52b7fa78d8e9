"""What an officer does with a confidential case whose row they may not see a moment later goes through all the same."""

import pytest

from tests.console.cases import CLERK, HANDLER, HEAD, Counter, case, send
from tests.console.officers import House
from tests.console.test_case_typing import SHEET
from tests.feedback_intake.desk import ELSEWHERE, CaseDesk


@pytest.fixture
def counter(house: House) -> Counter:
    """The console with people who file."""
    core = house.core
    return Counter(house=house, desk=CaseDesk(database=core.database, seal=core.seal))


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
    assert passed.status == 404, "it is the other office's now, and its heads'"
    async with counter.desk.office(ELSEWHERE) as connection:
        held = await connection.fetchrow("SELECT state, holder_agency FROM feedback_case WHERE id = $1", filed.case_id)
    assert (held["state"], held["holder_agency"]) == ("forwarded", await counter.desk.agency(ELSEWHERE))
