"""What a citizen sees, in every state, and what nobody must see."""

import re
from importlib.resources import files

import pytest

from channels.web.enquiries import TypedInstead
from domain.language import Language
from lookup.wording import Words
from tests.channels.web.conftest import OpenSite, Site
from tests.channels.web.reading import CODE, UNKNOWN, headline, page, proven, text_of
from tests.channels.web.sample_answers import APPLICANT, OFFICE, SAMPLES, SECRET

PRIVATE = (APPLICANT, "Nguyễn", "N*** V** A*", "Lê Thị Cán Bộ", "ghi chú nội bộ", "hôn nhân")
SAY = Words("channels.web").say
VI, EN = Language.VIETNAMESE, Language.ENGLISH


# --- the first page ---


async def test_the_first_page_asks_for_one_thing(site: Site) -> None:
    response = await site.client.get("/")
    html = await text_of(response)
    assert response.status == 200
    assert headline(html) == "Hồ sơ của Ông/Bà đến đâu rồi?"
    assert html.count("<input") == 1
    assert '<html lang="vi">' in html
    assert "HS, dấu cách, mã hồ sơ gửi 8088" in html


async def test_a_reader_of_english_is_remembered(site: Site) -> None:
    response = await site.client.get("/", params={"lang": "en"})
    cookie = response.cookies["lang"]
    assert (cookie.value, cookie["samesite"], cookie["httponly"], cookie["path"]) == ("en", "Lax", True, "/")
    assert headline(await page(site, CODE)) == "Your file is being handled and is on time."


async def test_behind_https_the_cookie_is_bound_to_the_host(open_site: OpenSite) -> None:
    site = await open_site(secure=True)
    response = await site.client.get("/", params={"lang": "en"})
    assert response.cookies["__Host-lang"]["secure"] is True
    assert "includeSubDomains" in response.headers["Strict-Transport-Security"]


async def test_no_number_no_talk_of_texting(open_site: OpenSite) -> None:
    site = await open_site(sms_number=None)
    assert "sms:" not in await text_of(await site.client.get("/"))
    assert "sms:" not in await page(site, CODE)


# --- the answer ---


async def test_a_code_alone_shows_where_it_is_and_whom_to_ask(site: Site) -> None:
    html = await page(site, CODE)
    assert headline(html) == "Hồ sơ đang được giải quyết, đúng hạn."
    assert OFFICE.name in html
    assert 'href="tel:02223822016"' in html
    assert OFFICE.address in html
    assert "Thông tin tính đến 14:05, 20/11/2026." in html
    assert 'href="sms:8088?&body=THEO%20DOI%20H05.16-261102-0001"' in html


@pytest.mark.parametrize("name", SAMPLES)
async def test_a_code_alone_shows_nothing_that_is_the_holders(site: Site, name: str) -> None:
    html = await page(site, SAMPLES[name].code)
    for private in (*PRIVATE, SAMPLES[name].asked or APPLICANT, "02/11/2026", "/tra-cuu/live?token"):
        assert private not in html
    assert ("26/11/2026" in html) is (name == "open_policy")


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("name", SAMPLES)
async def test_the_holder_sees_the_way_it_came(site: Site, name: str, language: Language) -> None:
    sample = SAMPLES[name]
    response = await site.client.post(f"/tra-cuu?lang={language}", data={"code": sample.code, "proof": SECRET})
    html = await text_of(response)
    assert response.status == 200
    assert "no-store" in response.headers["Cache-Control"]
    assert "N*** V** A*" in html
    assert "hôn nhân" in html
    assert ("07:55, 02/11/2026" if language is VI else "07:55, 2 Nov 2026") in html
    assert APPLICANT not in html
    assert "Lê Thị Cán Bộ" not in html
    assert "ghi chú nội bộ" not in html
    assert "None" not in html
    assert html.count('aria-current="step"') == 1


async def test_the_holder_of_a_late_file_hears_an_apology_and_by_how_much(site: Site) -> None:
    html = await text_of(await proven(site, SAMPLES["late"].code))
    assert headline(html) == "Hồ sơ đã quá hạn 3 ngày làm việc. Chúng tôi xin lỗi."
    assert "Đã hẹn trả: thứ Ba, 17/11/2026" in html
    assert "hỏi lý do và ngày hẹn mới" in html


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("received", "Cơ quan đã tiếp nhận hồ sơ, đúng hạn."),
        ("supplement", "Cơ quan cần Ông/Bà bổ sung: Bản sao Giấy khai sinh."),
        ("supplement_long", "Cơ quan cần Ông/Bà bổ sung giấy tờ."),
        ("payment", "Cơ quan cần Ông/Bà: Nộp lệ phí 50.000 đồng."),
        ("done", "Hồ sơ đã có kết quả, sớm hơn hẹn."),
        ("done_late", "Hồ sơ đã có kết quả, trễ hẹn 2 ngày làm việc. Chúng tôi xin lỗi."),
        ("delivered", "Ông/Bà đã nhận kết quả."),
        ("delivered_late", "Ông/Bà đã nhận kết quả. Hồ sơ xong trễ hẹn 1 ngày làm việc, chúng tôi xin lỗi."),
        ("rejected", "Hồ sơ không được tiếp nhận."),
        ("withdrawn", "Hồ sơ đã được rút theo yêu cầu của Ông/Bà."),
        ("stopped", "Cơ quan đã dừng giải quyết hồ sơ."),
        ("no_due_date", "Hồ sơ đang được giải quyết."),
    ],
)
async def test_the_sentence_says_where_it_is(site: Site, name: str, words: str) -> None:
    assert headline(await text_of(await proven(site, SAMPLES[name].code))) == words


@pytest.mark.parametrize("name", ["done_late", "delivered_late"])
async def test_what_was_finished_late_is_told_as_over(site: Site, name: str) -> None:
    for html in (await page(site, SAMPLES[name].code), await text_of(await proven(site, SAMPLES[name].code))):
        assert "trễ hẹn" in headline(html)
        assert "quá hạn" not in html.lower()
        assert "ngày hẹn mới" not in html


async def test_a_long_list_of_what_is_asked_stands_below_the_sentence(site: Site) -> None:
    html = await text_of(await proven(site, SAMPLES["supplement_long"].code))
    assert "Sơ đồ vị trí thửa đất" in html[html.index("</h1>") :]
    assert "Việc Ông/Bà cần làm" in html


async def test_an_old_picture_says_that_it_is_old(site: Site) -> None:
    html = await page(site, SAMPLES["stale"].code)
    assert "Thông tin tính đến 11:05, 18/11/2026." in html
    assert "tạm thời chưa gửi cập nhật" in html


async def test_what_was_skipped_is_absent_from_the_journey(site: Site) -> None:
    steps = re.findall(r'<span class="step">(.*?)</span>', await text_of(await proven(site, SAMPLES["rejected"].code)))
    assert steps == ["Đã nhận", "Kết thúc"]
    steps = re.findall(r'<span class="step">(.*?)</span>', await page(site, SAMPLES["supplement"].code))
    assert steps == ["Đã nhận", "Chờ Ông/Bà", "Đang giải quyết", "Có kết quả", "Kết thúc"]


async def test_a_way_back_is_told_as_it_went(site: Site) -> None:
    html = await text_of(await proven(site, SAMPLES["back_in_progress"].code))
    steps = re.findall(r'<span class="step">(.*?)</span>', html)
    assert steps[:4] == ["Đã nhận", "Đang giải quyết", "Chờ Ông/Bà", "Đang giải quyết"]


async def test_the_code_copies_as_one_string(site: Site) -> None:
    html = await page(site, CODE)
    found = re.search(r'<span class="code"[^>]*>(.*?)</p>', html, re.DOTALL)
    assert found
    assert re.sub("<[^>]*>|\\s", "", found[1].split("<button")[0]) == CODE


async def test_a_closed_file_is_not_offered_for_following(site: Site) -> None:
    assert "THEO DOI" not in await page(site, SAMPLES["delivered"].code)


async def test_nothing_new_costs_a_phone_no_page(site: Site) -> None:
    first = await site.client.get("/tra-cuu", params={"code": CODE})
    again = await site.client.get("/tra-cuu", params={"code": CODE}, headers={"If-None-Match": first.headers["ETag"]})
    assert again.status == 304
    assert await again.read() == b""
    # A browser takes over these headers for the page it has: another policy would lock it out of its own style.
    same = ("Content-Security-Policy", "Cache-Control", "Vary", "ETag", "Content-Language", "X-Robots-Tag")
    assert [again.headers[name] for name in same] == [first.headers[name] for name in same]


# --- not found, not proven ---


async def test_an_unknown_code_and_a_wrong_proof_cannot_be_told_apart(site: Site) -> None:
    unknown, wrong = await proven(site, UNKNOWN), await proven(site, CODE, "000000")
    assert unknown.status == wrong.status == 404
    varying = {"date", "x-request-id", "content-length"}
    assert {k: v for k, v in unknown.headers.items() if k.lower() not in varying} == {
        k: v for k, v in wrong.headers.items() if k.lower() not in varying
    }
    assert (await unknown.text()).replace(UNKNOWN, CODE) == await wrong.text()
    assert headline(await text_of(unknown)) == "Không tìm thấy hồ sơ khớp với thông tin này."


async def test_a_proof_too_long_to_be_one_is_just_wrong(site: Site) -> None:
    assert (await proven(site, CODE, "9" * 65)).status == 404


async def test_a_forgotten_proof_is_asked_for_again(site: Site) -> None:
    response = await proven(site, CODE, "  ")
    assert response.status == 422
    html = await text_of(response)
    assert "Xin nhập mã tra cứu hoặc 4 số cuối điện thoại." in html
    assert 'aria-invalid="true"' in html


async def test_an_unknown_code_by_get_helps(site: Site) -> None:
    response = await site.client.get("/tra-cuu", params={"code": UNKNOWN})
    assert response.status == 404
    assert "gọi cơ quan nơi Ông/Bà đã nộp" in await text_of(response)


async def test_a_receipt_number_is_recognised_by_its_look(site: Site) -> None:
    response = await site.client.get("/tra-cuu", params={"code": "123456ABCD"})
    assert response.status == 404
    assert "giống số biên nhận" in await text_of(response)


# --- something else was typed ---


@pytest.mark.parametrize(
    ("typed", "kind"),
    [
        ("001085012345", TypedInstead.CITIZEN_ID),
        ("001 085 012 345", TypedInstead.CITIZEN_ID),
        ("0901234567", TypedInstead.PHONE),
        ("+84 901 234 567", TypedInstead.PHONE),
        ("1.005129", TypedInstead.PROCEDURE_CODE),
        ("https://mot-ma.example/r/AbCdEfGhIjKlMnOpQrStUvWx", TypedInstead.RECEIPT_LINK),
    ],
)
async def test_something_else_than_a_code_is_named_and_not_kept(site: Site, typed: str, kind: TypedInstead) -> None:
    for response in (
        await site.client.get("/tra-cuu", params={"code": typed}, allow_redirects=False),
        await site.client.post("/tra-cuu", data={"code": typed, "proof": "1234"}, allow_redirects=False),
    ):
        assert (response.status, response.headers["Location"]) == (303, f"/?instead={kind}")
    response = await site.client.get(response.headers["Location"])
    html = await text_of(response)
    assert response.status == 422
    assert SAY(VI, f"instead.{kind}") in html
    assert typed not in html
    assert 'value=""' in html


async def test_a_number_in_unreadable_text_leaves_the_address_line(site: Site) -> None:
    response = await site.client.get(
        "/tra-cuu", params={"code": "xin 001-085-012-34 5 a b c d 12"}, allow_redirects=False
    )
    assert response.status == 303
    assert "085" not in response.headers["Location"]


async def test_unreadable_text_may_be_mended(site: Site) -> None:
    response = await site.client.get("/tra-cuu", params={"code": "xin chào"})
    html = await text_of(response)
    assert response.status == 422
    assert 'value="xin chào"' in html
    assert SAY(VI, "instead.nothing") in html


async def test_a_secret_typed_beside_the_code_leaves_the_address_line(site: Site) -> None:
    response = await site.client.get("/tra-cuu", params={"code": f"{CODE} {SECRET}"}, allow_redirects=False)
    assert (response.status, response.headers["Location"]) == (303, f"/tra-cuu?code={CODE}")


@pytest.mark.parametrize(
    "typed", ["h05.16-261102-0001", "H05.16 – 261102 – 0001", "H05.16-261102-1", " Mã HS: H05.16-261102-0001."]
)
async def test_a_code_is_read_as_it_was_meant(site: Site, typed: str) -> None:
    response = await site.client.get("/tra-cuu", params={"code": typed})
    assert response.status == 200
    assert CODE in await text_of(response)


async def test_without_a_code_one_starts_again(site: Site) -> None:
    response = await site.client.get("/tra-cuu", allow_redirects=False)
    assert (response.status, response.headers["Location"]) == (303, "/")


async def test_an_unknown_remark_is_no_remark(site: Site) -> None:
    response = await site.client.get("/", params={"instead": "<script>"})
    assert response.status == 200
    assert "<script>" not in await response.text()


# --- headers ---


async def test_every_page_is_sealed_off(site: Site) -> None:
    responses = [
        await site.client.get("/"),
        await site.client.get("/tra-cuu", params={"code": CODE}),
        await site.client.get("/tra-cuu", params={"code": UNKNOWN}),
        await site.client.get("/nowhere"),
        await proven(site, CODE),
    ]
    for response in responses:
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "Server" not in response.headers
        html = await response.text()
        assert not re.search(r'(?:src|href)="(?:https?:)?//', html)
        assert "style=" not in html
        assert not re.search(r"<script(?! src=)|<style", html)
    assert responses[0].headers["X-Robots-Tag"] == "all"
    assert all("noindex" in response.headers["X-Robots-Tag"] for response in responses[1:])


# --- the shell ---


async def test_the_page_can_be_installed(site: Site) -> None:
    response = await site.client.get("/manifest.webmanifest")
    manifest = await response.json(content_type="application/manifest+json")
    assert manifest["start_url"] == "/"
    assert (await site.client.get(manifest["icons"][0]["src"])).status == 200


async def test_the_offline_worker_may_fetch_from_here_only(site: Site) -> None:
    response = await site.client.get("/sw.js")
    assert response.headers["Content-Security-Policy"] == "default-src 'self'"
    assert response.headers["Cache-Control"] == "no-cache"
    assert "no-store" in await response.text()


def test_no_words_lie_unused() -> None:
    """Words are named in templates and code by their key, some families of them by how the key begins."""
    root = files("channels.web")
    sources = [p.read_text() for p in root.iterdir() if p.name.endswith(".py")]
    sources += [p.read_text() for p in root.joinpath("templates").iterdir()]
    text = "".join(sources)
    keys = Words("channels.web").keys(VI)
    parts = ("headline.", "instead.", "problem.", "fact.", "journey.", "badge.", "wait.")
    assert [
        key for key in keys if f"'{key}'" not in text and f'"{key}"' not in text and not key.startswith(parts)
    ] == []
