"""The pages of cases as a browser shows them: narrow and wide, by day and by night, empty and full."""

from collections.abc import AsyncIterator
from unicodedata import normalize

import pytest
from playwright.async_api import Browser

from console.roles import OfficerRole
from database.pool import Role
from feedback_intake.cases import Step
from feedback_intake.filing import Filed
from feedback_intake.moves import MoveName, Who
from feedback_intake.ratings import Ratings
from feedback_intake.register import Publication
from service.wiring import Core
from tests.browser.conftest import OpenPage, windows
from tests.browser.signed_in import LONG_ADDRESS, seen, sign_in
from tests.console.cases import APPROVER, CLERK, HANDLER, HEAD
from tests.console.officers import OFFICE, House, open_house
from tests.feedback_intake.desk import TEXT, CaseDesk

LONG = normalize(
    "NFD",
    "Tôi là Nguyễn Thị Hoàng Anh Thư ở xã Phượng Mao. " + "Bộ phận một cửa hẹn nhiều lần mà chưa trả kết quả. " * 9,
)


@pytest.fixture
async def house(core: Core) -> AsyncIterator[House]:
    """The console, with officers of one office."""
    async with open_house(core) as opened:
        await opened.hires(LONG_ADDRESS, *OfficerRole, office="H05.16")
        for name, role in (("an", CLERK), ("binh", HANDLER), ("chi", APPROVER), ("dung", HEAD)):
            await opened.hires(f"{name}@bacninh.gov.vn", role)
        yield opened


@pytest.fixture
async def open_console(browser: Browser, house: House) -> AsyncIterator[OpenPage]:
    """Opens a window on the console."""
    async with windows(browser, house.url) as open_it:
        yield open_it


async def publish_and_rate(desk: CaseDesk, case_id: int) -> None:
    """The case is answered, published, and rated twice by the controlling body."""
    for step in (Step(move=MoveName.START), Step(move=MoveName.SUBMIT, answer=LONG)):
        await desk.moves(case_id, step, office=OFFICE)
    await desk.moves(case_id, Step(move=MoveName.APPROVE), office=OFFICE, role=Who.APPROVER)
    publication = Publication(question="Người dân hỏi vì sao hồ sơ trễ hẹn. " * 8)
    await desk.moves(case_id, Step(move=MoveName.PUBLISH, publication=publication), office=OFFICE)
    ratings, above = Ratings(desk.seal, lambda: desk.calendar), await desk.officer("H05", Who.HEAD)
    assert above.account_id
    async with desk.office("H05") as connection:
        await ratings.rate_control(connection, case_id, above.account_id, 2, reason=LONG)
        (first,) = await ratings.control_of(connection, case_id)
        await ratings.rate_control(connection, case_id, above.account_id, 4, reason=LONG, replaces=first.rating_id)


async def fill(house: House, n: int) -> list[Filed]:
    """`n` cases of an office, some late, one waiting for approval, one answered and one gathering two senders."""
    desk = CaseDesk(database=house.core.database, seal=house.core.seal)
    filed = [
        await desk.files(LONG if k % 3 == 0 else TEXT, phone=f"+8490{1000000 + k}", office=OFFICE) for k in range(n)
    ]
    for one in filed[:2]:
        for step in (Step(move=MoveName.START), Step(move=MoveName.SUBMIT, answer=LONG)):
            await desk.moves(one.case_id, step, office=OFFICE)
    if n > 1:
        await desk.moves(filed[1].case_id, Step(move=MoveName.APPROVE), office=OFFICE, role=Who.APPROVER)
    if n > 3:
        await publish_and_rate(desk, filed[3].case_id)
    async with house.core.database.transaction(Role.WORKER) as connection:
        await connection.execute(
            "UPDATE feedback_case SET answer_due_on = '2026-11-02', escalated = 1 + id % 3 WHERE id % 4 = 0"
        )
        await connection.execute("UPDATE feedback SET resembles = 'complaint' WHERE id % 5 = 0")
    return filed


@pytest.mark.parametrize(
    ("width", "scheme", "rows"), [(360, "dark", 50), (768, "light", 50), (1280, "light", 1), (1280, "dark", 0)]
)
async def test_the_pages_of_cases_fit(open_console: OpenPage, house: House, width: int, scheme: str, rows: int) -> None:
    filed = await fill(house, rows)
    page = await open_console(width=width, color_scheme=scheme)
    await sign_in(page)
    mark = f"{width}-{scheme}-{rows}"
    for path, name in (
        ("/console/phan-anh?tab=unit", "cases"),
        ("/console/phan-anh?tab=unit&late=1&channel=sms&lang=en", "cases-narrowed-en"),
        ("/console/phe-duyet?lang=vi", "approvals"),
        ("/console/ghi-nhan", "typing"),
        ("/console/so-lieu-phan-anh", "figures"),
        ("/console/thoi-han-phan-anh", "terms"),
        ("/console/mau-tra-loi", "templates"),
    ):
        await page.goto(path)
        await seen(page, f"{name}-{mark}")
    for one, state in zip(filed[:3], ("waiting", "answered", "new"), strict=False):
        await page.goto(f"/console/phan-anh/{one.case_id}")
        await seen(page, f"case-{state}-{mark}")
    if rows > 3:
        await page.goto("/console/da-cong-khai/1")
        await seen(page, f"published-one-{mark}")
        await page.goto(f"/console/phan-anh/{filed[3].case_id}")
        await seen(page, f"case-rated-{mark}")
    if rows > 2:
        await page.goto(f"/console/phan-anh/{filed[2].case_id}?viec=refuse")
        await seen(page, f"case-refuse-{mark}")
        await page.goto(f"/console/phe-duyet/{filed[0].case_id}?lang=en")
        await seen(page, f"approval-en-{mark}")
        await page.goto(f"/console/phe-duyet/{filed[1].case_id}/cong-khai?lang=vi")
        await seen(page, f"publication-{mark}")
