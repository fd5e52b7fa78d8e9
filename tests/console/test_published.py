"""What was published and is taken out again: by whom, out of which lists, and that the chain still holds."""

import re

from console.roles import OfficerRole
from database.pool import Role
from feedback_intake.cases import Step
from feedback_intake.chain import Verdict, Verifier
from feedback_intake.filing import MayPublish
from feedback_intake.moves import MoveName, Who
from feedback_intake.published import Reading, Wanted
from feedback_intake.register import Publication
from tests.console.cases import APPROVER, CLERK, HANDLER, HEAD, Counter
from tests.feedback_intake.desk import ELSEWHERE

EDITED = "Một công dân phản ánh hồ sơ trễ hẹn ba lần."


async def published(counter: Counter, *, named: bool = False) -> int:
    """Somebody filed, was answered, and it was published; the case."""
    case_id = (await counter.files()).case_id
    if named:
        async with counter.house.core.database.transaction(Role.WORKER) as connection:
            await connection.execute(
                "UPDATE feedback SET may_publish = $2, name_sealed = $3 WHERE case_id = $1",
                case_id,
                MayPublish.NAMED,
                counter.house.core.seal.seal("Nguyễn Thị Bưởi"),
            )
    for step in (Step(move=MoveName.START), Step(move=MoveName.SUBMIT, answer="Đã có kết quả. Chúng tôi xin lỗi.")):
        await counter.desk.moves(case_id, step, role=Who.HANDLER)
    await counter.desk.moves(case_id, Step(move=MoveName.APPROVE), role=Who.APPROVER)
    publication = Publication(question=EDITED, named=named)
    await counter.desk.moves(case_id, Step(move=MoveName.PUBLISH, publication=publication), role=Who.APPROVER)
    return case_id


async def verdict(counter: Counter) -> Verdict:
    chain = Reading(counter.house.core.database).chain()
    return Verifier().read([line async for line in chain])


async def test_an_approver_takes_an_entry_out_and_the_chain_holds(counter: Counter) -> None:
    case_id = await published(counter)
    approver = await counter.officer("chi", APPROVER)
    assert "/console/da-cong-khai/1" in (await approver.get(f"/console/phan-anh/{case_id}")).html
    assert EDITED in (await approver.get("/console/da-cong-khai?q=tre+hen")).text
    assert (await approver.get("/console/da-cong-khai?q=%231")).place == "/console/da-cong-khai/1"
    unsaid = await approver.post("/console/da-cong-khai/1/go", what="text", note="Số điện thoại trong câu hỏi")
    assert (unsaid.status, "Xin chọn lý do." in unsaid.text) == (422, True)
    assert "Số điện thoại trong câu hỏi</textarea>" in unsaid.text
    gone = await approver.post(
        "/console/da-cong-khai/1/go", what="text", reason="personal_data", note="Số điện thoại trong câu hỏi"
    )
    assert "Đã gỡ khỏi sổ công khai." in gone.text
    assert EDITED not in gone.text
    reading = Reading(counter.house.core.database)
    assert (await reading.newest()).entries == []
    assert (await reading.newest(Wanted(text="trễ hẹn"))).entries == []
    assert await reading.listed(0, 99) == []  # what the sitemap has
    left = await reading.entry(1)
    assert left is not None
    assert (left.question, left.answer, left.removal) == (None, None, "personal_data")
    found = await verdict(counter)
    assert (found.entries, found.faults) == (1, ())
    shown = (await approver.get(f"/console/phan-anh/{case_id}")).text
    assert "Số điện thoại trong câu hỏi" in shown
    assert "Đã gỡ nội dung" in shown
    async with counter.house.core.database.connection(Role.OPERATOR) as connection:
        facts = await connection.fetchval("SELECT facts FROM audit WHERE action = 'feedback.unpublish'")
    assert facts == '{"entry":1,"what":"text","reason":"personal_data"}'


async def test_a_name_goes_and_the_rest_stays(counter: Counter) -> None:
    await published(counter, named=True)
    head = await counter.officer("dung", HEAD)
    assert "Nguyễn Thị Bưởi" in (await head.get("/console/da-cong-khai/1")).text
    gone = await head.post("/console/da-cong-khai/1/go", what="name", reason="withdrawn")
    assert "Nguyễn Thị Bưởi" not in gone.text
    assert EDITED in gone.text
    assert "Theo yêu cầu của người gửi" in gone.text
    assert (await verdict(counter)).faults == ()


async def test_who_may_not_publish_takes_nothing_out(counter: Counter) -> None:
    await published(counter)
    handler = await counter.officer("binh", HANDLER)
    stranger = await counter.officer("xa", APPROVER, HEAD, office=ELSEWHERE)
    for browser in (handler, stranger):
        await browser.get("/console/toi")
        assert (await browser.get("/console/da-cong-khai/1")).status == 404
        answer = await browser.post("/console/da-cong-khai/1/go", what="text", reason="mistake")
        assert answer.status == 404
    assert EDITED not in (await stranger.get("/console/da-cong-khai")).text
    above = await counter.officer("tren", OfficerRole.APPROVER, office="H05")
    assert EDITED in (await above.get("/console/da-cong-khai")).text
    for odd in ("x", "0", "9" * 18, "9" * 40):
        assert (await above.get(f"/console/da-cong-khai/{odd}")).status == 404
    assert (await verdict(counter)).removals == 0


async def test_a_mistake_in_what_is_published_is_put_right_and_both_stand_in_the_chain(counter: Counter) -> None:
    case_id = await published(counter)
    approver = await counter.officer("chi", APPROVER)
    place = "/console/da-cong-khai/1/sua"
    assert f'href="{place}"' in (await approver.get("/console/da-cong-khai/1")).html
    begun = await approver.get(place)
    assert f">{EDITED}</textarea>" in begun.text
    answer = re.search(r'name="answer"[^>]*>([^<]*)</textarea>', begun.text)
    assert answer
    same = await approver.post(place, question=EDITED, answer=answer[1], reason="mistake")
    assert (same.status, "Nội dung chưa có gì thay đổi." in same.text) == (422, True)
    unsaid = await approver.post(place, question="Hồ sơ trễ hẹn hai lần.", answer=answer[1])
    assert (unsaid.status, "Xin chọn lý do." in unsaid.text) == (422, True)
    assert ">Hồ sơ trễ hẹn hai lần.</textarea>" in (await approver.get(place)).text, "what was typed waits"
    done = await approver.post(place, question="Hồ sơ trễ hẹn hai lần.", answer=answer[1], reason="mistake")
    assert "Đã công khai bản sửa." in done.text
    entries = (await Reading(counter.house.core.database).newest()).entries
    assert [(entry.n, entry.question) for entry in entries] == [(2, "Hồ sơ trễ hẹn hai lần.")]
    found = await verdict(counter)
    assert (found.entries, found.faults) == (2, ())
    assert (await approver.get(place)).status == 404, "a newer one stands in its place"
    assert "Đã sửa nội dung công khai" in (await approver.get(f"/console/phan-anh/{case_id}")).text


async def test_who_may_not_publish_corrects_nothing(counter: Counter) -> None:
    await published(counter)
    for name, role in (("an", CLERK), ("binh", HANDLER)):
        officer = await counter.officer(name, role)
        assert (await officer.get("/console/da-cong-khai/1/sua")).status == 404
        refused = await officer.post("/console/da-cong-khai/1/sua", question="x", answer="y", reason="mistake")
        assert refused.status in {403, 404}
    assert (await Reading(counter.house.core.database).newest()).entries[0].question == EDITED
