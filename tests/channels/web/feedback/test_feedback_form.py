"""The form, filled in by people who forget things, press twice, and send what they should not."""

import asyncio
import io
import re
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import pytest
from PIL import Image

from channels.web.feedback.form import MOST_BODY
from database.pool import Database, Role
from domain.contact import ChannelName
from domain.errors import Unavailable
from service.wiring import Core
from tests.channels.story import CODE, PHONE, STRANGER
from tests.channels.web.corner import Corner, open_corner
from tests.feedback_intake.test_attachments import PDF, bomb

TEXT = "Tôi nộp hồ sơ khai sinh từ ngày 2/11, hẹn ba lần mà chưa có kết quả."
PERSON = {"name": "Nguyễn Văn An", "phone": "0901 234 567", "postal_address": "Thôn 3, xã Đông Cứu, Bắc Ninh"}


@pytest.fixture
async def corner(core: Core) -> AsyncIterator[Corner]:
    """The pages in front of the whole service."""
    async with open_corner(core) as opened:
        yield opened


async def token(corner: Corner, query: str = "") -> str:
    page = await (await corner.client.get(f"/gop-y{query}")).text()
    found = re.search(r'name="draft" value="([A-Za-z0-9_-]{32})"', page)
    assert found is not None
    return found[1]


async def send(
    corner: Corner,
    draft: str,
    fields: Mapping[str, str],
    *,
    files: tuple[tuple[str, bytes], ...] = (),
    **more: Any,  # noqa: ANN401
) -> aiohttp.ClientResponse:
    form = aiohttp.FormData({"draft": draft, "go": "send", **fields}, quote_fields=False, default_to_multipart=True)
    for name, content in files:
        form.add_field("files", io.BytesIO(content), filename=name, content_type="application/octet-stream")
    return await corner.client.post("/gop-y", data=form, allow_redirects=False, **more)


async def rows(core: Core, table: str) -> list[dict[str, Any]]:
    async with core.database.connection(Role.OPERATOR) as connection:
        return [dict(row) for row in await connection.fetch(f"SELECT * FROM {table} ORDER BY id")]  # noqa: S608


async def test_feedback_is_sent_and_its_page_says_what_comes_next(corner: Corner) -> None:
    await corner.office.files()
    page = await (await corner.client.get(f"/gop-y?code={CODE}")).text()
    assert f'value="{CODE}"' in page
    draft = await token(corner)
    answer = await send(
        corner, draft, {"text": TEXT, "code": CODE.lower(), **PERSON}, files=(("đơn.pdf", PDF), ("a.jpg", photograph()))
    )
    assert answer.status == 303
    (kept,) = await rows(corner.core, "feedback")
    assert answer.headers["Location"].startswith(f"/g/{kept['number']}.")
    assert (kept["channel"], kept["reply_channel"], kept["reply_proven"]) == ("form", "sms", False)
    assert (kept["may_publish"], kept["dossier_id"] is not None) == ("no", True)
    open_it = corner.core.seal.open
    assert open_it(kept["text_sealed"]) == TEXT
    assert open_it(kept["name_sealed"]) == PERSON["name"]
    assert open_it(kept["address_sealed"]) == PHONE
    response = await corner.client.get(answer.headers["Location"])
    page = await response.text()
    assert response.headers["Cache-Control"] == "no-store"
    for words in ("chậm nhất", "<svg viewBox", TEXT, "đơn.pdf", "a.jpg", "Rút phản ánh"):
        assert words in page
    assert PERSON["name"] not in page
    attached = re.search(r'href="(/g/[^"]+/tep/[0-9]+)"[^>]*>đơn.pdf', page)
    assert attached is not None
    held = await corner.client.get(attached[1])
    assert await held.read() == PDF
    assert held.headers["Content-Disposition"].startswith("attachment;")
    number = kept["number"]
    wrong = attached[1].replace(number, f"{number[:-1]}{(int(number[-1]) + 1) % 10}")
    for address in (wrong, attached[1].rpartition("/")[0] + "/0", attached[1].rpartition("/")[0] + "/é"):
        assert (await corner.client.get(address)).status == 404


def photograph() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (80, 60), (9, 99, 99)).save(out, "PNG")
    return out.getvalue()


async def test_one_thing_is_asked_at_a_time_and_nothing_typed_is_lost(corner: Corner) -> None:
    draft, typed = await token(corner), {"text": TEXT}
    steps: list[tuple[dict[str, str], str]] = [
        ({}, "name-problem"),
        ({"name": PERSON["name"]}, "phone-problem"),
        ({"phone": "12"}, "phone-problem"),
        ({"phone": PERSON["phone"], "email": "không phải"}, "email-problem"),
        ({"email": "", "code": "001099012345"}, "code-problem"),
        ({"code": ""}, "Xin cho biết địa chỉ"),
    ]
    for more, asks in steps:
        typed |= more
        answer = await send(corner, draft, typed)
        page = await answer.text()
        assert answer.status == 422
        assert asks in page
        assert page.count('role="alert"') == 1
        for value in typed.values():
            assert not value or value in page
    assert await rows(corner.core, "feedback") == []
    again = await (await corner.client.get("/gop-y")).text()  # the device remembers
    assert TEXT in again
    assert "viết dở" in again
    answer = await send(corner, draft, {**typed, "sure": "postal_address"})
    assert answer.status == 303
    again = await (await corner.client.get("/gop-y")).text()
    assert TEXT not in again


async def test_a_draft_goes_on_elsewhere_with_its_code_and_the_contact_in_it(corner: Corner) -> None:
    draft = await token(corner)
    answer = await send(corner, draft, {"text": TEXT, "phone": PERSON["phone"], "go": "save"})
    page = await answer.text()
    assert answer.status == 200
    code = re.search(r">([2-9A-Z]{5}-[2-9A-Z]{5})<", page)
    assert code is not None
    corner.client.session.cookie_jar.clear()
    assert TEXT not in await (await corner.client.get("/gop-y")).text()
    for contact, status in (("0987654321", 404), ("an@example.vn", 404), ("", 404), ("+84 901 234 567", 200)):
        answer = await corner.client.post("/gop-y/nhap", data={"code": code[1].lower(), "contact": contact})
        assert answer.status == status
        assert (TEXT in await answer.text()) is (status == 200)
    await corner.client.post("/gop-y/bo", data={})
    assert TEXT not in await (await corner.client.get("/gop-y")).text()


async def test_pressed_twice_it_files_once(corner: Corner) -> None:
    draft = await token(corner)
    answers = await asyncio.gather(*(send(corner, draft, {"text": TEXT, **PERSON}) for _ in range(4)))
    assert {answer.status for answer in answers} == {303}
    assert len({answer.headers["Location"] for answer in answers}) == 1
    assert len(await rows(corner.core, "feedback")) == 1


@pytest.mark.parametrize(
    ("text", "asks", "says"),
    [
        ("Tôi tố cáo cán bộ nhận hối lộ ở quầy số 3", "denunciation", "thanh tra"),
        ("Tôi khiếu nại quyết định số 12 của ủy ban", "complaint", "Ban Tiếp công dân"),
        ("Nhà bên đang cháy, gọi mãi không ai nghe máy", "emergency", "tel:114"),
        ("Vay tiền nhanh, xem http://a.vn http://b.vn", "spam", "quảng cáo"),
        ("The desk was closed all day and nobody came", "language", "tiếng Việt"),
        ("chậm quá", "unclear", "rõ"),
    ],
)
async def test_what_belongs_elsewhere_is_asked_about_and_never_refused(
    corner: Corner, text: str, asks: str, says: str
) -> None:
    draft = await token(corner)
    answer = await send(corner, draft, {"text": text, **PERSON})
    page = await answer.text()
    assert answer.status == 422
    assert f'name="sure" value="{asks}"' in page
    assert says in page
    assert text in page
    answer = await send(corner, draft, {"text": text, **PERSON, "sure": asks})
    assert answer.status == 303
    (kept,) = await rows(corner.core, "feedback")
    assert kept["resembles"] == (asks if asks not in {"language", "unclear"} else None)


async def test_the_office_is_found_by_an_old_name_or_by_questions_and_holds_the_case(corner: Corner) -> None:
    draft = await token(corner)
    page = await (
        await send(corner, draft, {"text": TEXT, "go": "find", "office_name": "bo giao thong van tai"})
    ).text()
    assert 'value="G17"' in page
    assert "trước là Bộ Giao thông vận tải" in page
    assert TEXT in page
    page = await (await send(corner, draft, {"text": TEXT, "go": "guide", "place": "", "subject": "health"})).text()
    assert 'value="G18"' in page
    page = await (await send(corner, draft, {"text": TEXT, "go": "find", "office_name": "không có"})).text()
    assert "Chưa tìm thấy" in page
    answer = await send(corner, draft, {"text": TEXT, **PERSON, "office": "G04"})  # closed: its successor takes it
    assert answer.status == 303
    (case,) = await rows(corner.core, "feedback_case")
    office = corner.core.registry.agency_by_code("G17")
    assert office is not None
    assert case["holder_agency"] == office.agency_id


async def test_no_office_need_be_chosen_and_nothing_is_without_an_owner(corner: Corner) -> None:
    for office in ("", "XYZ", "'; DROP TABLE feedback; --"):
        answer = await send(corner, await token(corner), {"text": TEXT, **PERSON, "office": office})
        assert answer.status == 303
    root = corner.core.registry.agency_by_code("VN")
    assert root is not None
    assert {case["holder_agency"] for case in await rows(corner.core, "feedback_case")} == {root.agency_id}


async def test_files_that_are_not_wanted_are_named_and_the_rest_is_kept(corner: Corner) -> None:
    draft = await token(corner)
    began = time.perf_counter()
    answer = await send(
        corner,
        draft,
        {"text": TEXT, **PERSON},
        files=(("tốt.pdf", PDF), ("bom.png", bomb(20_000)), ("gói.zip", b"PK\x03\x04" + bytes(50))),
    )
    assert time.perf_counter() - began < 3.0  # most of it is the program that cleans the document
    page = await answer.text()
    assert answer.status == 422
    for words in ("tốt.pdf", "bom.png: ảnh này quá lớn", "gói.zip: chỉ nhận ảnh"):
        assert words in page
    drop = re.search(r'name="drop" value="([0-9]+)"', page)
    assert drop is not None
    answer = await send(corner, draft, {"text": TEXT, **PERSON, "drop": drop[1]})
    assert answer.status == 303
    assert await rows(corner.core, "feedback_attachment") == []


async def test_a_flood_of_bytes_is_refused_and_the_words_are_kept(corner: Corner) -> None:
    draft = await token(corner)
    # aiohttp's own client refuses so long a field: the bytes are written out.
    large = f"--b\r\nContent-Disposition: form-data; name=text\r\n\r\n{'ấ' * 2_000_000}\r\n--b--\r\n".encode()
    began = time.perf_counter()
    answer = await corner.client.post(
        "/gop-y", data=io.BytesIO(large), headers={"Content-Type": "multipart/form-data; boundary=b"}
    )
    assert answer.status == 422
    assert len(await answer.read()) < 200_000
    assert time.perf_counter() - began < 2.0
    answer = await send(corner, draft, {"text": "x" * 20_000, "name": "An"})
    page = await answer.text()
    assert answer.status == 422
    assert "quá dài" in page
    assert "x" * 10_000 in page
    answer = await send(corner, draft, {"text": TEXT, **PERSON}, files=(("a.pdf", PDF + bytes(MOST_BODY)),))
    page = await answer.text()
    assert answer.status == 422
    assert TEXT in page
    assert "Nhiều tệp quá" in page


async def test_one_person_cannot_flood_an_office(corner: Corner) -> None:
    statuses = []
    for _ in range(7):
        answer = await send(corner, await token(corner), {"text": TEXT, **PERSON})
        statuses.append(answer.status)
    assert statuses == [303] * 5 + [429] * 2
    page = await answer.text()
    assert TEXT in page
    assert "gửi lại sau" in page
    assert int(answer.headers["Retry-After"]) > 0


async def test_while_the_store_is_away_the_page_keeps_the_words(
    corner: Corner, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = await token(corner)

    def away(*_: object) -> None:
        raise Unavailable("The store cannot be reached at the moment.")

    monkeypatch.setattr(Database, "transaction", away)
    answer = await send(corner, draft, {"text": TEXT, **PERSON}, files=(("a.pdf", PDF),))
    page = await answer.text()
    assert answer.status == 503
    assert TEXT in page
    assert "xin chọn lại tệp" in page
    assert PERSON["postal_address"] in page


async def test_other_sites_cannot_send_the_form(corner: Corner) -> None:
    draft = await token(corner)
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        assert (await send(corner, draft, {"text": TEXT, **PERSON}, headers=headers)).status == 403
    assert await rows(corner.core, "feedback") == []


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"--x\r\nbroken", "multipart/form-data; boundary=x"),
        (b"", "multipart/form-data"),
        (b"--x\r\n\r\n\r\n--x--", "multipart/form-data; boundary=x"),
        (
            b"--x\r\nContent-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64\r\n\r\n\xff\r\n--x--",
            "multipart/form-data; boundary=x",
        ),
        (b"text=%FF%00", "application/x-www-form-urlencoded"),
        (b"{}", "application/json"),
        (b"&" * 100, "application/x-www-form-urlencoded"),
    ],
)
async def test_broken_forms_are_no_fault_of_ours(corner: Corner, body: bytes, kind: str) -> None:
    answer = await corner.client.post("/gop-y", data=body, headers={"Content-Type": kind})
    assert answer.status in {400, 413, 415, 422}


async def test_what_is_typed_is_shown_as_text(corner: Corner) -> None:
    draft, hostile = await token(corner), '"><script>alert(1)</script><textarea></textarea>{{7*7}}'
    page = await (await send(corner, draft, {"text": hostile, "name": hostile, "phone": hostile})).text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "{{7*7}}" in page


async def test_a_stranger_whose_number_was_typed_in_hears_no_word_of_it(corner: Corner) -> None:
    stranger = corner.phone(STRANGER)
    answer = await send(corner, await token(corner), {"text": TEXT, **PERSON, "phone": STRANGER})
    assert answer.status == 303
    (kept,) = await rows(corner.core, "feedback")
    assert [row for row in await rows(corner.core, "message") if row["kind"] == "feedback"] == []
    await stranger.says(kept["number"])  # only who was shown the page knows the number
    assert "Da nhan" in await stranger.hears()
    (kept,) = await rows(corner.core, "feedback")
    assert kept["reply_proven"]
    assert ChannelName(kept["reply_channel"]) == ChannelName.SMS


@pytest.mark.parametrize(
    ("said", "text", "kind"),
    [
        ("proposal", TEXT, "proposal"),
        ("feedback", "Nên mở cửa cả sáng thứ Bảy cho người đi làm", "feedback"),
        ("", "Nên mở cửa cả sáng thứ Bảy cho người đi làm", "proposal"),
        ("something", TEXT, "feedback"),
    ],
)
async def test_the_sender_says_which_of_the_two_it_is_or_the_words_do(
    corner: Corner, said: str, text: str, kind: str
) -> None:
    answer = await send(corner, await token(corner), {"text": text, "kind": said, **PERSON})
    assert [row["kind"] for row in await rows(corner.core, "feedback")] == [kind]
    named, other = ("Kiến nghị", "feedback") if kind == "proposal" else ("Phản ánh", "proposal")
    page = await (await corner.client.get(answer.headers["Location"])).text()
    assert re.search(rf'class="badge">.*</svg>{named}</p>', page)
    changed = await corner.client.post(answer.headers["Location"], data={"act": other}, allow_redirects=False)
    assert changed.status == 303
    assert [row["kind"] for row in await rows(corner.core, "feedback")] == [other]
