"""Where an officer begins: the list opens where there is work, and what was begun can be gone on with."""

from tests.console.cases import CLERK, HANDLER, Counter, case, send
from tests.console.test_case_typing import SHEET

UNASSIGNED = 'href="/console/phan-anh?tab=unassigned" aria-current="page"'
MINE = 'href="/console/phan-anh?tab=mine" aria-current="page"'


async def test_a_handler_without_cases_is_shown_what_is_nobodys(counter: Counter) -> None:
    handler = await counter.officer("binh", HANDLER)
    assert MINE in (await handler.get("/console/phan-anh")).text
    filed = await counter.files()
    shown = (await handler.get("/console/phan-anh")).text
    assert UNASSIGNED in shown
    assert filed.number in shown
    assert MINE in (await handler.get("/console/phan-anh?tab=mine")).text


async def test_each_thing_that_was_begun_is_on_the_first_page(counter: Counter) -> None:
    filed, clerk = await counter.files(), await counter.officer("an", CLERK)
    assert "Bản nháp chưa gửi" not in (await clerk.get("/console")).text
    await clerk.get("/console/ghi-nhan")
    await send(clerk, "/console/ghi-nhan", **SHEET, draft="1")
    await clerk.get(f"{case(filed)}?viec=refuse")
    await send(clerk, case(filed, "viec", "refuse"), why="Không rõ", draft="1")
    await clerk.get("/console/nhap-ho-so")
    await clerk.post("/console/nhap-ho-so/dan", table="Mã hồ sơ\tTrạng thái\nH05.16-1\tlạ")
    begun = (await clerk.get("/console")).text.split("start-unfinished")[-1]
    assert 'href="/console/ghi-nhan"' in begun
    assert f'href="{case(filed)}?viec=refuse#viec"' in begun
    assert 'href="/console/nhap-ho-so"' in begun
