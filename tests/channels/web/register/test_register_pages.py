"""The register as people read it: found by words and filters, page by page, with its figures."""

import json

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback_intake import published
from feedback_intake.register import Register, RemovalReason, What
from tests.channels.web.register.conftest import RegisterSite
from tests.feedback_intake.desk import ELSEWHERE, HERE
from tests.feedback_intake.many_entries import fill
from tests.feedback_intake.test_register import ANSWER, EDITED

PAGE = 20


def entries_in(page: str) -> list[int]:
    """The numbers of the entries a list shows."""
    return [int(part.split('"')[0]) for part in page.split('<h2 lang="vi"><a href="/cong-khai/')[1:]]


async def test_an_empty_register_says_so(register: RegisterSite) -> None:
    page = await register.reads("/cong-khai")
    assert "Chưa có nội dung nào được công khai." in page
    assert entries_in(page) == []


async def test_anybody_reads_question_and_answer(register: RegisterSite) -> None:
    await register.publishes()
    page = await register.reads("/cong-khai")
    assert entries_in(page) == [1]
    entry = await register.reads("/cong-khai/1")
    for text in (EDITED, ANSWER, "Không nêu tên", "Đúng hạn", "Người gửi còn có thể có ý kiến về câu trả lời."):
        assert text in entry
    assert "Not named" in await register.reads("/cong-khai/1?lang=en")


@pytest.mark.parametrize("words", ["trễ hẹn", "TRE HEN", "hẹn  trễ", "xin lỗi", "tre\u0302\u0303 he\u0323n", "ba lần."])
async def test_words_are_found_however_they_are_typed(register: RegisterSite, words: str) -> None:
    await register.publishes()
    async with register.client.get("/cong-khai", params={"q": words}) as response:
        assert entries_in(await response.text()) == [1]
        assert response.headers["X-Robots-Tag"] == "noindex"


@pytest.mark.parametrize("words", ["không thấy đâu", "tre hen bay", "'; drop table x --", "!!!", "a & | ! ( :*", "<->"])
async def test_words_that_are_nowhere_find_nothing_and_say_what_to_do(register: RegisterSite, words: str) -> None:
    await register.publishes()
    async with register.client.get("/cong-khai", params={"q": words}) as response:
        page = await response.text()
    assert response.status == 200
    assert entries_in(page) == []
    assert "Xin thử ít từ hơn" in page


async def test_filters_and_pages_lead_to_every_entry_once(register: RegisterSite) -> None:
    await fill(register.core.database.url, 130, offices=40)
    seen: list[int] = []
    path: str | None = "/cong-khai?kind=feedback&time=on"
    while path:
        page = await register.reads(path)
        seen += entries_in(page)
        older = page.split('rel="next" href="')
        path = older[1].split('"')[0].replace("&amp;", "&") if len(older) > 1 else None
    assert seen == [n for n in range(130, 0, -1) if n % 4 and n % 11]


async def test_an_office_is_found_by_code_and_by_name_with_those_below_it(register: RegisterSite) -> None:
    await register.publishes()
    above = register.core.registry.agency_by_code("H05")
    here = register.core.registry.agency_by_code(HERE)
    assert above is not None
    assert here is not None
    for typed, found in (("h05.16", [1]), (here.name.upper(), [1]), ("H05", [1]), ("H26", [])):
        async with register.client.get("/cong-khai", params={"agency": typed}) as response:
            assert entries_in(await response.text()) == found, typed
    async with register.client.get("/cong-khai", params={"agency": "uỷ ban"}) as response:
        assert "Ông/Bà muốn nói cơ quan nào?" in await response.text()
    async with register.client.get("/cong-khai", params={"agency": "Sở Phép Thuật"}) as response:
        assert "Không có cơ quan nào tên như vậy." in await response.text()


async def test_a_common_and_a_rare_word_are_found_also_far_behind_the_newest(register: RegisterSite) -> None:
    await fill(register.core.database.url, 5_100, length=20, offices=10)
    assert entries_in(await register.reads("/cong-khai?q=ho+so"))[0] > 5_000
    assert entries_in(await register.reads("/cong-khai?q=hiemco")) == [5017, 17]
    assert entries_in(await register.reads("/cong-khai?q=hiemco&before=5017")) == [17]
    assert entries_in(await register.reads("/cong-khai?q=hiemco&time=late")) == []


async def test_a_long_search_ends_early_and_goes_on_where_it_ended(
    register: RegisterSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(register.core.database.url, 5_100, length=20, offices=10)
    monkeypatch.setattr(published, "SEARCHED_FOR", -1.0)
    monkeypatch.setattr(published, "WINDOW", 50)
    page = await register.reads("/cong-khai?q=hiemco")
    assert entries_in(page) == []
    assert "Còn câu trả lời cũ hơn chưa tìm đến." in page
    assert "before=5051" in page
    data = json.loads(await register.reads("/cong-khai.json?q=hiemco"))
    assert (data["entries"], "before=5051" in data["next"]) == ([], True)
    page = await register.reads("/cong-khai?q=hiemco&before=5051")
    assert entries_in(page) == [5017]
    assert "Tìm tiếp" in page


async def test_a_province_has_the_entries_of_all_below_it_also_when_the_tree_changes(register: RegisterSite) -> None:
    await register.publishes()
    here, other = await register.desk.agency(HERE), await register.desk.agency(ELSEWHERE)
    assert entries_in(await register.reads(f"/cong-khai?q=trễ+hẹn&agency={ELSEWHERE}")) == []
    owner = await asyncpg.connect(register.core.database.url)
    await owner.execute("INSERT INTO agency_reach (scope_id, agency_id) VALUES ($1, $2)", other, here)
    assert entries_in(await register.reads(f"/cong-khai?q=trễ+hẹn&agency={ELSEWHERE}")) == [1]
    assert entries_in(await register.reads(f"/cong-khai?agency={ELSEWHERE}")) == [1]
    await owner.execute("DELETE FROM agency_reach WHERE scope_id = $1 AND agency_id = $2", other, here)
    await owner.close()
    assert entries_in(await register.reads(f"/cong-khai?q=trễ+hẹn&agency={ELSEWHERE}")) == []
    for office in (HERE, "H05"):
        assert entries_in(await register.reads(f"/cong-khai?q=trễ+hẹn&agency={office}")) == [1]


@given(high=st.integers(1, 1 << 20))
def test_blocks_follow_each_other_without_a_gap(high: int) -> None:
    seen = 0
    while high > 0:
        size, block = published._block_below(high)
        assert block << size < high <= (block + 1) << size
        high, seen = block << size, seen + 1
    assert seen <= 8 + 8


@pytest.mark.parametrize("year", ["2019", "2098"])
async def test_a_year_without_entries_is_empty(register: RegisterSite, year: str) -> None:
    await register.publishes()
    assert entries_in(await register.reads(f"/cong-khai?year={year}")) == []
    assert entries_in(await register.reads("/cong-khai?year=2026&before=99999999999999999")) == [1]


async def test_what_was_removed_is_gone_and_says_why(register: RegisterSite) -> None:
    await register.publishes()
    async with register.desk.office(HERE) as connection:
        await Register(register.desk.seal).remove(connection, 1, What.TEXT, RemovalReason.WITHDRAWN)
    page = await register.reads("/cong-khai/1", status=410)
    assert "Gỡ theo yêu cầu của người gửi." in page
    assert EDITED not in page
    assert entries_in(await register.reads("/cong-khai")) == []


@pytest.mark.parametrize(
    "path", ["/cong-khai/2", "/cong-khai/999999999999999", "/cong-khai/co-quan/X99", "/cong-khai/x"]
)
async def test_what_is_not_there_is_not_found(register: RegisterSite, path: str) -> None:
    await register.reads(path, status=404)


async def test_an_offices_figures_stand_side_by_side(register: RegisterSite) -> None:
    await register.publishes()
    assert "Số liệu 12 tháng qua" in await register.reads("/cong-khai/co-quan")
    await register.counts()
    page = await register.reads(f"/cong-khai/co-quan/{HERE}")
    for text in (
        "Trả lời đúng hạn",
        "<strong>100%</strong>",
        "Người gửi chưa đồng ý",
        "<strong>0%</strong>",
        "Đọc 1 nội dung",
    ):
        assert text in page
    english = await register.reads("/cong-khai/co-quan?lang=en")
    assert "Rated by the controlling body" in english


async def test_only_pages_of_the_register_may_be_found_by_searching_the_web(register: RegisterSite) -> None:
    await register.publishes()
    for path, robots in (("/cong-khai", "all"), ("/cong-khai/1", "all"), ("/cong-khai?q=a", "noindex")):
        async with register.client.get(path) as response:
            assert response.headers["X-Robots-Tag"] == robots
    said = await register.reads("/robots.txt")
    assert "Disallow: /\n" in said
    assert said.endswith("Sitemap: https://motma.example/sitemap.xml\n")
