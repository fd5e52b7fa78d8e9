"""The page and the JSON of a number: what the number alone tells, what proof tells, what is done there."""

from collections.abc import AsyncIterator
from html import unescape

import pytest

from feedback_intake.cases import Step
from feedback_intake.moves import CaseState, MoveName, Who
from feedback_intake.progress import link_of
from service.wiring import Core
from tests.channels.story import CODE, PHONE
from tests.channels.test_feedback_by_number import answer, files, moves
from tests.channels.test_telling_the_office import rows
from tests.channels.web.corner import Corner, open_corner

COMPLAINT = "Cán bộ hẹn ba lần mà vẫn chưa xong"
UNKNOWN = "PA-261122-000001"


@pytest.fixture
async def corner(core: Core) -> AsyncIterator[Corner]:
    """The pages in front of the whole service, a dossier on file."""
    async with open_corner(core) as opened:
        await opened.office.files()
        yield opened


async def test_the_number_alone_shows_the_state_and_proof_shows_the_words(corner: Corner) -> None:
    number = await files(corner.phone(PHONE))
    typed = number.lower().replace("-", " ")
    page = unescape(await (await corner.client.get("/tra-cuu", params={"code": typed})).text())
    assert "Đã nhận, chờ phân loại" in page
    assert COMPLAINT not in page
    assert '<svg viewBox="0 0 3' not in page.partition("own-symbol")[0].partition("the-number")[2]
    answers = [
        await corner.client.post("/tra-cuu", data={"code": asked, "proof": proof})
        for asked, proof in ((number, "0000"), (UNKNOWN, "0000"), (number, "x" * 60), (number, "9" * 80))
    ]
    assert {response.status for response in answers} == {404}
    pages = [(await response.text()).replace(number, UNKNOWN) for response in answers]
    assert len(set(pages)) == 1
    response = await corner.client.post("/tra-cuu", data={"code": number, "proof": PHONE[-4:]})
    page = unescape(await response.text())
    assert COMPLAINT in page
    assert response.headers["Cache-Control"] == "no-store"
    missing = await corner.client.post("/tra-cuu", data={"code": number, "proof": " "})
    assert missing.status == 422


async def test_the_api_speaks_of_numbers_as_of_codes(corner: Corner) -> None:
    number = await files(corner.phone(PHONE))
    told = await (await corner.client.get(f"/api/v1/lookup/{number}?lang=en")).json()
    dossier = await (await corner.client.get(f"/api/v1/lookup/{CODE}")).json()
    assert dossier.keys() <= told.keys()
    assert (told["code"], told["kind"], told["stage"], told["state"]) == (number, "feedback", "received", "received")
    assert told["agency"]["code"] == "H05.16"
    assert "text" not in told
    proven = await (await corner.client.post("/api/v1/lookup", json={"code": number, "proof": PHONE[-4:]})).json()
    assert (proven["text"], proven["acts"]) == (COMPLAINT, ["add", "feedback", "proposal", "withdraw"])
    refusals = [
        await corner.client.post("/api/v1/lookup", json={"code": asked, "proof": proof})
        for asked, proof in ((number, "0000"), (UNKNOWN, "0000"), (number, "é" * 300))
    ]
    bodies = {await refusal.text() for refusal in refusals}
    assert ({refusal.status for refusal in refusals}, len(bodies)) == ({404}, 1)
    unknown = await corner.client.get(f"/api/v1/lookup/{UNKNOWN}")
    assert (unknown.status, await unknown.text()) == (404, bodies.pop())


async def test_all_that_a_sender_may_do_is_done_on_the_page(corner: Corner) -> None:
    number = await files(corner.phone(PHONE))
    core, link = corner.core, f"/g/{link_of(corner.core.seal, number)}"

    async def does(act: str, words: str = "", **more: str) -> int:
        data = {"act": act, "words": words, **more}
        response = await corner.client.post(link, data=data, allow_redirects=False)
        if response.status == 422:
            assert words in unescape(await response.text())
        return response.status

    assert await does("add", "Ở quầy số 3") == 303
    assert await does("add", " ") == 422
    assert await does("object", "Vẫn chưa") == 422
    assert await does("rate", "sớm quá", score="5") == 422
    assert await does("publish", may_publish="anonymous") == 303
    assert await does("publish", may_publish="everything") == 404
    assert await does("no such act") == 404
    await moves(core, number, Step(move=MoveName.ASK, why="Ngày nào?"), Who.CLERK)
    assert await does("add", "Ngày 2/11") == 303
    await answer(core, number, "Đã xong.")
    page = unescape(await (await corner.client.get(link)).text())
    assert page.index("Đã xong.") < page.index("Ngày nào?")
    assert await does("rate", "tốt", score="9") == 422
    assert await does("rate", "tốt", score="4") == 303
    assert await does("object", "Giấy vẫn sai tên") == 303
    assert await does("withdraw") == 303
    (case,) = await rows(core, "feedback_case")
    (kept,) = await rows(core, "feedback")
    (rating,) = await rows(core, "case_rating")
    assert (case["state"], kept["may_publish"], rating["score"]) == (CaseState.WITHDRAWN, "anonymous", 4)


async def test_other_sites_and_wrong_links_do_nothing(corner: Corner) -> None:
    number = await files(corner.phone(PHONE))
    link = f"/g/{link_of(corner.core.seal, number)}"
    data = {"act": "withdraw"}
    assert (await corner.client.post(link, data=data, headers={"Sec-Fetch-Site": "cross-site"})).status == 403
    for wrong in (f"/g/{number}", f"{link}x", f"/g/{UNKNOWN}.{link.partition('.')[2]}", "/g/é", "/g/%00"):
        assert (await corner.client.post(wrong, data=data)).status == 404
        assert (await corner.client.get(wrong)).status == 404
    (case,) = await rows(corner.core, "feedback_case")
    assert case["state"] == CaseState.RECEIVED
