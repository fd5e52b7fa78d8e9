"""The controlling body rates how a case was handled: once, changeable, and who may."""

import re

from console.roles import OfficerRole
from database.pool import Role
from feedback_intake.cases import Step
from feedback_intake.moves import MoveName, Who
from tests.console.cases import HEAD, Counter, case
from tests.console.officers import Browser

CONTROLLER = OfficerRole.CONTROLLER
_REPLACES = re.compile(r'name="replaces" value="(\d*)"')


async def answered(counter: Counter) -> str:
    """Somebody filed and was answered; the address of the case."""
    filed = await counter.files()
    for step in (Step(move=MoveName.START), Step(move=MoveName.SUBMIT, answer="Kết quả có ngày mai.")):
        await counter.desk.moves(filed.case_id, step, role=Who.HANDLER)
    await counter.desk.moves(filed.case_id, Step(move=MoveName.APPROVE), role=Who.APPROVER)
    return case(filed)


def replaces(browser: Browser) -> str:
    """Which rating the open page's form would take the place of."""
    assert browser.shown
    found = _REPLACES.search(browser.shown.text)
    assert found
    return found[1]


async def test_a_case_is_rated_once_and_the_change_keeps_the_earlier(counter: Counter) -> None:
    url = await answered(counter)
    controller = await counter.officer("kiem", CONTROLLER, office="H05")
    await controller.get(url)
    unsaid = await controller.post(f"{url}/danh-gia", reason="Trả lời chung chung", replaces="")
    assert (unsaid.status, "Xin chọn một mức." in unsaid.text) == (422, True)
    assert "Trả lời chung chung</textarea>" in unsaid.text
    await controller.post(f"{url}/danh-gia", score="2", reason="Trả lời chung chung", replaces="")
    other = await counter.officer("soat", CONTROLLER, office="H05")
    await other.get(url)
    await controller.get(url)
    first = replaces(controller)
    shown = await controller.post(f"{url}/danh-gia", score="4", reason="Đã trả lời lại", replaces=first)
    assert "Đã lưu đánh giá." in shown.text
    late = await other.post(f"{url}/danh-gia", score="1", reason="Chậm", replaces=first)
    assert (late.status, "Người khác vừa đánh giá" in late.text) == (409, True)
    assert "Chậm</textarea>" in late.text
    head = await counter.officer("dung", HEAD)
    page = (await head.get(url)).text
    assert page.index("Đã trả lời lại") < page.index("Trả lời chung chung")
    assert "Lưu đánh giá" not in page
    async with counter.house.core.database.connection(Role.OPERATOR) as connection:
        rows = await connection.fetch("SELECT score, replaced_at IS NULL AS counts FROM control_rating ORDER BY id")
    assert [(row["score"], row["counts"]) for row in rows] == [(2, False), (4, True)]


async def test_nobody_rates_the_own_office_or_without_the_role(counter: Counter) -> None:
    url = await answered(counter)
    own = await counter.officer("kiem", CONTROLLER)
    assert "danh-gia" not in (await own.get(url)).html
    refused = await own.post(f"{url}/danh-gia", score="5", replaces="")
    assert (refused.status, "Chỉ cơ quan cấp trên" in refused.text) == (403, True)
    above = await counter.officer("tren", HEAD, office="H05")
    await above.get(url)
    assert (await above.post(f"{url}/danh-gia", score="5", replaces="")).status == 404
    elsewhere = await counter.officer("xa", CONTROLLER, office="H26")
    await elsewhere.get("/console/toi")
    assert (await elsewhere.post(f"{url}/danh-gia", score="5", replaces="")).status == 404


async def test_figures_show_shares_of_enough_ratings_only(counter: Counter) -> None:
    controller = await counter.officer("kiem", CONTROLLER, office="H05")
    for n in range(5):
        url = await answered(counter)
        await controller.get(url)
        await controller.post(f"{url}/danh-gia", score="5", replaces="")
        await controller.get(url)
        await controller.post(f"{url}/danh-gia", score="4" if n else "1", replaces=replaces(controller))
        shown = " ".join((await controller.get("/console/so-lieu-phan-anh")).text.split())
        assert f"{n + 1} đánh giá" in shown
        assert ("80,0%" in shown) == (n == 4)
