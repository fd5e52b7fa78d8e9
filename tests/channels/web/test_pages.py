"""What a citizen sees, in every state, and what nobody must see."""

import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from importlib.resources import files

import pytest
from aiohttp import ClientResponse
from markupsafe import escape

from channels.web.enquiries import TypedInstead
from domain.errors import TooMany, Unavailable
from domain.language import Language
from lookup.disclosure import Answer
from lookup.wording import Words
from tests.channels.web.conftest import OpenSite, Site
from tests.channels.web.sample_answers import APPLICANT, OFFICE, SAMPLES, SECRET
from tests.channels.web.timing import minutes

CODE = SAMPLES["in_progress"].code
UNKNOWN = "H05.16-261102-9999"
PRIVATE = (APPLICANT, "Nguyễn", "N*** V** A*", "Lê Thị Cán Bộ", "ghi chú nội bộ", "hôn nhân")
SAY = Words("channels.web").say
VI, EN = Language.VIETNAMESE, Language.ENGLISH


async def text_of(response: ClientResponse) -> str:
    """The page as a reader reads it, tags and all, entities resolved."""
    return unescape(await response.text()).replace("\u00a0", " ")


async def page(site: Site, code: str, **query: str) -> str:
    response = await site.client.get("/tra-cuu", params={"code": code, **query})
    assert response.status == 200
    return await text_of(response)


async def proven(site: Site, code: str, proof: str = SECRET) -> ClientResponse:
    return await site.client.post("/tra-cuu", data={"code": code, "proof": proof})


def headline(html: str) -> str:
    found = re.search("<h1>(.*?)</h1>", html)
    assert found
    return found[1]


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
        ("rejected", "Hồ sơ không được tiếp nhận."),
        ("withdrawn", "Hồ sơ đã được rút theo yêu cầu của Ông/Bà."),
        ("stopped", "Cơ quan đã dừng giải quyết hồ sơ."),
        ("no_due_date", "Hồ sơ đang được giải quyết."),
    ],
)
async def test_the_sentence_says_where_it_is(site: Site, name: str, words: str) -> None:
    assert headline(await text_of(await proven(site, SAMPLES[name].code))) == words


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


# --- hostile input ---

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' autofocus onfocus=alert(1) x='",
    "{{7*7}}{% raw %}",
    "javascript:alert(1)",
    "</title><svg/onload=alert(1)>",
    "\u202egnp.exe\u2066",
    "<!--<a href='",
]


class Elements(HTMLParser):
    """What a browser would make of a page: anything that runs, or loads from where it should not."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        addresses = [given.get(name) or "" for name in ("href", "src", "action")]
        runs = any(name.startswith("on") or name == "style" for name in given)
        strays = any(a and not re.match(r"/(?!/)|#|(?:tel|sms):[0-9+]", a) for a in addresses)
        inline = tag == "script" and not (given.get("src") or "").startswith("/static/motma.")
        if runs or strays or inline or tag in {"img", "iframe", "object", "embed", "base", "style"}:
            self.found.append(f"<{tag} {attrs}>")


@pytest.mark.parametrize("hostile", HOSTILE)
async def test_what_is_typed_is_shown_as_text(site: Site, hostile: str) -> None:
    for response in (
        await site.client.get("/tra-cuu", params={"code": hostile}),
        await site.client.post("/tra-cuu", data={"code": CODE, "proof": hostile}),
        await site.client.post("/tra-cuu", data={"code": hostile, "proof": hostile}),
        await site.client.get("/", params={"instead": hostile, "lang": hostile}),
    ):
        assert response.status in {200, 404, 422}
        assert Elements(await response.text()).found == []


@pytest.mark.parametrize("hostile", HOSTILE)
async def test_what_is_stored_is_shown_as_text(site: Site, hostile: str) -> None:
    office = replace(OFFICE, name=hostile, name_en=hostile, phone=hostile, address=hostile)
    sample = replace(SAMPLES["supplement"], office=office, asked=hostile, applicant=hostile, procedure=hostile)
    site.desk.samples[sample.code] = sample
    for response in (
        await proven(site, sample.code),
        await site.client.get("/tra-cuu", params={"code": sample.code, "lang": "en"}),
    ):
        html = await response.text()
        assert response.status == 200
        assert Elements(html).found == []
        assert str(escape(hostile)) in html


# --- refusals and faults ---


async def test_a_page_of_another_site_cannot_ask_for_a_reader(site: Site) -> None:
    foreign = [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}]
    for headers in (*foreign, {"Origin": "https://evil.example"}, {"Origin": "null"}):
        response = await site.client.post("/tra-cuu", data={"code": CODE, "proof": SECRET}, headers=headers)
        assert response.status == 403
        assert "N*** V**" not in await response.text()
    own = str(site.client.make_url("/")).rstrip("/")
    for headers in ({"Sec-Fetch-Site": "same-origin"}, {"Origin": own}):
        response = await site.client.post("/tra-cuu", data={"code": CODE, "proof": SECRET}, headers=headers)
        assert response.status == 200


async def test_a_form_too_large_is_refused(site: Site) -> None:
    response = await site.client.post("/tra-cuu", data={"code": CODE, "proof": "9" * 5000})
    assert response.status == 413
    assert headline(await text_of(response)) == "Nội dung gửi quá dài."


async def test_only_forms_are_taken(site: Site) -> None:
    response = await site.client.post("/tra-cuu", json={"code": CODE, "proof": SECRET})
    assert response.status == 415
    response = await site.client.post(
        "/tra-cuu", data=b"code=%ff\xff&proof=1", headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert response.status == 400


async def test_an_address_without_end_is_refused(site: Site) -> None:
    response = await site.client.get("/tra-cuu", params={"code": "A" * 4000})
    assert response.status == 422
    response = await site.client.get("/tra-cuu", params={"code": "A" * 20_000})
    assert 400 <= response.status < 500


async def test_no_such_page_and_no_such_method_are_pages_too(site: Site) -> None:
    response = await site.client.get("/khong-co")
    assert response.status == 404
    assert headline(await text_of(response)) == "Không có trang này."
    response = await site.client.put("/tra-cuu")
    assert response.status == 405
    assert "POST" in response.headers["Allow"]
    assert "Content-Security-Policy" in response.headers


async def test_too_many_look_ups_say_when_to_come_back(open_site: OpenSite) -> None:
    site = await open_site(limit="2/minute")
    for _ in range(2):
        await page(site, CODE)
    response = await site.client.get("/tra-cuu", params={"code": CODE})
    assert response.status == 429
    assert 1 <= int(response.headers["Retry-After"]) <= 30
    assert "giây" in await text_of(response)
    assert (await site.client.get("/")).status == 200


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (Unavailable("The store is away."), 503, "Hồ sơ của Ông/Bà vẫn an toàn."),
        (TooMany("Too often.", after=minutes(59.5)), 429, "60 phút"),
        (RuntimeError(f"secret of {APPLICANT}"), 500, "Có lỗi ở phía chúng tôi"),
    ],
)
async def test_a_fault_is_told_in_words_that_help(
    site: Site, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, words: str
) -> None:
    async def fails(code: str) -> Answer | None:
        raise error

    monkeypatch.setattr(site.desk, "by_code", fails)
    response = await site.client.get("/tra-cuu", params={"code": CODE})
    html = await text_of(response)
    assert response.status == status
    assert words in html
    assert str(error) not in html
    assert ("Retry-After" in response.headers) is (status != 500)
    assert (response.headers["X-Request-Id"] in html) is (status == 500)


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
