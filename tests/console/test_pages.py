"""Every page: opened by whom it is for, hidden from others, changed only by forms of ours, safe with any text."""

import re
from datetime import UTC, datetime
from unicodedata import normalize
from urllib.parse import quote

import asyncpg
import pytest

from console.places import PLACES
from console.roles import ALLOWS, OfficerRole
from database.pool import Role
from domain.status import Status
from domain.vietnamese import clean
from lookup.changes import DossierFacts, Outcome, Tenant
from lookup.quarantine import Unclear, keep
from tests.channels.story import CODE, Office
from tests.channels.web.test_hostile_input import HOSTILE, Elements
from tests.console.officers import OFFICE, PASSWORD, Browser, House

EVERYTHING = tuple(OfficerRole)
ASKING = ("nhat-ky?ve=", "co-quan?q=", "thu-tuc?q=", "tai-khoan?q=", "thu-hong?loai=", "ho-so?truoc=", "khoa?done=")


async def tables(url: str) -> dict[str, str]:
    """What each table holds, as a digest: what a crawl must leave alone. Acts and the times of sessions are noted."""
    owner = await asyncpg.connect(url)
    try:
        names = await owner.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        tables = sorted({row["tablename"] for row in names} - {"audit", "audit_head", "session"})
        digest = "SELECT coalesce(sum(hashtextextended(t::text, 0)), 0)::text FROM {} t"
        return {table: await owner.fetchval(digest.format(table)) for table in tables}
    finally:
        await owner.close()


@pytest.mark.parametrize("role", list(OfficerRole))
async def test_a_role_opens_its_pages_and_no_others(house: House, role: OfficerRole) -> None:
    browser = await house.officer(role, email=f"{role}@bacninh.gov.vn")
    for page in PLACES:
        shown = await browser.get(page.url)
        allowed = page.needs is None or page.needs in ALLOWS[role]
        assert shown.status == (200 if allowed else 404), page.name
        if page.group is not None:
            assert (f'href="{page.url}"' in (await browser.get("/console")).text) == allowed


@pytest.mark.parametrize("language", ["vi", "en"])
async def test_every_page_in_both_languages_at_every_level(house: House, language: str) -> None:
    for office in ("VN", "H05", "H05.16", "H05.16.11"):
        browser = await house.officer(*EVERYTHING, email=f"{office}@bacninh.gov.vn", office=office)
        for page in PLACES:
            shown = await browser.get(f"{page.url}?lang={language}")
            assert shown.status == 200, (office, page.name)
            assert f'<html lang="{language}">' in shown.text
            assert shown.headers["Cache-Control"] == "no-store"
            assert "unsafe-inline" not in shown.headers["Content-Security-Policy"]
            assert not re.search(r"\son\w+=|<style|style=|<script(?! src=\"/static/)", shown.text)
            assert not re.search(r'(?:src|href|action)="(?:https?:)?//', shown.text)


async def test_no_form_is_taken_from_elsewhere(house: House, database_url: str) -> None:
    browser = await house.officer(*EVERYTHING)
    await browser.get("/console")
    token, before = browser.token, await tables(database_url)
    posts = [re.sub(r"{\w+}", "1", page.url + below) for page in PLACES for below in page.does]
    posts += ["/console/ra", "/console/xac-nhan"]
    for url in posts:
        for headers, form in (
            ({"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, token),
            ({"Sec-Fetch-Site": "same-site"}, token),
            ({"Sec-Fetch-Site": "none"}, token),
            ({"Sec-Fetch-Site": "same-origin"}, ""),
            ({"Sec-Fetch-Site": "same-origin"}, "ký tự lạ"),
            ({"Sec-Fetch-Site": "same-origin"}, "0" * len(token)),
        ):
            browser.token = form
            assert (await browser.post(url, headers=headers)).status == 403, (url, headers)
        sent = {"User-Agent": browser.name, "Origin": "https://evil.example"}
        async with browser.http.post(browser.url + url, data={"form": token}, headers=sent) as response:
            assert response.status == 403
        sent = {"User-Agent": browser.name, "Sec-Fetch-Site": "same-origin"}
        async with browser.http.post(browser.url + url, json={"form": token}, headers=sent) as response:
            assert response.status == 415
    assert await tables(database_url) == before
    assert (await browser.get("/console")).place == "/console"


async def test_signing_in_cannot_be_done_for_somebody(house: House) -> None:
    await house.hires("an@bacninh.gov.vn", OfficerRole.CLERK)
    attacker, victim = house.browser(), house.browser()
    await attacker.get("/console/vao")
    await victim.get("/console/vao")
    victim.token = attacker.token
    shown = await victim.post("/console/vao", email="an@bacninh.gov.vn", password=PASSWORD, next="")
    assert shown.status == 403


async def test_looking_around_changes_nothing(house: House, database_url: str) -> None:
    browser = await house.officer(*EVERYTHING, office="VN")
    seen, ahead = set[str](), ["/console"]
    before = await tables(database_url)
    while ahead:
        path = ahead.pop()
        if path in seen or len(seen) > 60:
            continue
        seen.add(path)
        shown = await browser.get(path)
        assert shown.status == 200, path
        ahead += re.findall(r'href="(/console[^"#]*)"', shown.text)
    assert len(seen) > len(PLACES)
    assert await tables(database_url) == before


async def test_a_dossier_is_found_shown_and_noted(house: House) -> None:
    await Office(house.core).files()
    browser = await house.officer(OfficerRole.CLERK)
    listed = await browser.get("/console/ho-so")
    assert CODE in listed.text
    assert "Nguyễn Văn An" not in listed.text
    shown = await browser.post("/console/ho-so/tim", q=CODE.lower().replace("-", " "))
    assert shown.place == f"/console/ho-so/{CODE}"
    assert "Nguyễn Văn An" in shown.text
    await browser.get("/console/ho-so")
    assert CODE in (await browser.post("/console/ho-so/tim", q="0901 234 567")).text
    assert "Không tìm thấy" in (await browser.post("/console/ho-so/tim", q="không có gì")).text
    assert CODE in (await browser.post("/console/ho-so/tim", q="nguyễn văn an")).text
    assert "Không tìm thấy" in (await browser.post("/console/ho-so/tim", q="Văn An")).text
    auditor = await house.officer(OfficerRole.AUDITOR, email="kiemtra@bacninh.gov.vn", office="H05")
    record = (await auditor.get(f"/console/nhat-ky?ve={CODE}")).text
    assert "Xem hồ sơ" in record
    whole = (await auditor.get("/console/nhat-ky")).text
    assert "0901" not in whole
    assert "nguyễn văn an" not in whole
    assert "tìm theo: họ tên" in whole


async def test_an_office_sees_its_own_part_only(house: House) -> None:
    await Office(house.core).files()
    clerk = await house.officer(OfficerRole.CLERK, email="hue@hue.gov.vn", office="H05.16.11")
    other = house.core.registry.agency_by_code("H26")
    assert other
    stranger = await house.officer(*EVERYTHING, email="hanoi@hanoi.gov.vn", office="H26")
    for browser in (clerk, stranger):
        listed = await browser.get("/console/ho-so")
        assert CODE not in listed.text
        missing = await browser.get(f"/console/ho-so/{CODE}")
        unknown = await browser.get("/console/ho-so/H05.16-261102-9999")
        assert (missing.status, unknown.status) == (404, 404)
        assert missing.text.replace(CODE, "") == unknown.text.replace("H05.16-261102-9999", "")
        await browser.get("/console/ho-so")
        for typed in (CODE, "0901234567", "MC-000001", "NGUYỄN VĂN AN", "nguyen van an"):
            assert "Nguyễn Văn An" not in (await browser.post("/console/ho-so/tim", q=typed)).text


async def test_an_office_works_on_what_its_province_sends(house: House) -> None:
    province, office = (house.core.registry.agency_by_code(code) for code in ("H05", OFFICE))
    assert province
    assert office
    tenant = Tenant(agency_id=province.agency_id, agency_code="H05", test=False, api_key_id="t")
    facts = DossierFacts(
        code=CODE,
        receiving_agency=office.agency_id,
        status=Status.PROCESSING,
        status_at=datetime(2026, 11, 3, 3, tzinfo=UTC),
        applicant_name="Nguyễn Văn An",
        reference="MC-9",
        phone="+84901234567",
    )
    (stored,) = await house.core.writer.store_facts(tenant, [facts])
    assert stored.outcome is Outcome.STORED
    clerk = await house.officer(OfficerRole.CLERK)
    assert CODE in (await clerk.get("/console/ho-so")).text
    assert "Nguyễn Văn An" in (await clerk.get(f"/console/ho-so/{CODE}")).text
    await clerk.get("/console/ho-so")
    address = f"{clerk.url}/console/nhap-ho-so/phieu/{CODE}"
    async with clerk.http.get(address, headers={"User-Agent": clerk.name}) as slip:
        assert (await slip.read()).startswith(b"%PDF")
    for typed in (CODE, "MC-9", "0901234567", "nguyen  VAN an", normalize("NFD", "Nguyễn Văn An")):
        assert "Nguyễn Văn An" in (await clerk.post("/console/ho-so/tim", q=typed)).text
    for office_of in ("H05.16.11", "H26"):
        stranger = await house.officer(OfficerRole.CLERK, email=f"{office_of}@example.vn", office=office_of)
        assert CODE not in (await stranger.get("/console/ho-so")).text
        assert (await stranger.get(f"/console/ho-so/{CODE}")).status == 404


async def test_a_sector_narrows_what_is_seen(house: House) -> None:
    await Office(house.core).files()
    await house.hires("an@bacninh.gov.vn", OfficerRole.CLERK, sector="Lĩnh vực khác")
    browser = house.browser()
    await browser.signs_in("an@bacninh.gov.vn")
    assert CODE not in (await browser.get("/console/ho-so")).text
    for path in (f"/console/ho-so/{CODE}", f"/console/nhap-ho-so/phieu/{CODE}"):
        assert (await browser.get(path)).status == 404


async def test_accounts_are_given_within_ones_own_part(house: House) -> None:
    browser = await house.officer(OfficerRole.ADMINISTRATOR, office="H05")
    await browser.get("/console/tai-khoan")
    fields = {"email": "Moi@BacNinh.gov.vn", "name": "Người Mới", "role": "clerk", "sector": ""}
    outside = await browser.post("/console/tai-khoan/moi", fields, agency="H26")
    assert outside.status == 422
    assert 'value="Người Mới"' in outside.text
    made = await browser.post("/console/tai-khoan/moi", fields, agency="H05.16 · Trung tâm")
    password = re.search(r'class="secret">([^<]+)<', made.text)
    assert password
    newcomer = house.browser()
    assert (await newcomer.signs_in("moi@bacninh.gov.vn", password[1])).place == "/console/toi"
    again = await browser.post("/console/tai-khoan/moi", fields, agency="H05.16")
    assert "đã có tài khoản" in again.text
    stranger = await house.officer(OfficerRole.ADMINISTRATOR, email="hanoi@hanoi.gov.vn", office="H26")
    assert "moi@bacninh.gov.vn" not in (await stranger.get("/console/tai-khoan")).text
    for path in ("", "/ten", "/vai-tro", "/dat-lai", "/khoa"):
        address = f"/console/tai-khoan/1{path}"
        shown = await (stranger.post(address, agency="H26", role="clerk") if path else stranger.get(address))
        assert shown.status in {404, 409}, path
        assert "bacninh" not in shown.text


async def test_a_delegation_ends_with_its_time_and_its_giver(house: House) -> None:
    giver = await house.hires("giao@bacninh.gov.vn", OfficerRole.APPROVER)
    taker = await house.hires("nhan@bacninh.gov.vn", OfficerRole.CLERK)
    administrator = await house.officer(OfficerRole.ADMINISTRATOR, office="H05")
    await administrator.get(f"/console/tai-khoan/{taker}")
    url = f"/console/tai-khoan/{taker}/vai-tro"
    endless = await administrator.post(url, role="approver", agency=OFFICE, delegated_by="giao@bacninh.gov.vn")
    assert "Ủy quyền cần ngày kết thúc" in endless.text
    done = await administrator.post(
        url, role="approver", agency=OFFICE, delegated_by="giao@bacninh.gov.vn", valid_to="31/12/2099"
    )
    assert "thay giao@bacninh.gov.vn" in done.text
    browser = house.browser()
    await browser.signs_in("nhan@bacninh.gov.vn")
    assert (await browser.get("/console/xin-loi")).status == 200
    assert "được ủy quyền" in (await browser.get("/console")).text
    async with house.core.database.transaction(Role.OPERATOR) as connection:
        await connection.execute("UPDATE account_role SET ended_at = now() WHERE account_id = $1", giver)
    assert (await browser.get("/console/xin-loi")).status == 404


async def test_two_people_changing_one_account_are_told(house: House) -> None:
    administrator = await house.officer(OfficerRole.ADMINISTRATOR, office="H05")
    account = await house.hires("moi@bacninh.gov.vn", OfficerRole.CLERK)
    await administrator.get(f"/console/tai-khoan/{account}")
    url = f"/console/tai-khoan/{account}/ten"
    assert (await administrator.post(url, name="Tên Một", version="1")).status == 200
    late = await administrator.post(url, name="Tên Hai", version="1")
    assert late.status == 409
    assert 'value="Tên Hai"' in late.text
    assert "Tên hiện lưu: Tên Một" in late.text


async def test_keys_are_shown_once(house: House) -> None:
    browser = await house.officer(OfficerRole.ADMINISTRATOR)
    await browser.get("/console/khoa")
    assert (await browser.post("/console/khoa/moi", name="", agency="H26", kind="live")).status == 422
    made = await browser.post("/console/khoa/moi", name="Một cửa", agency=OFFICE, kind="live")
    token = re.search(r"motma_live_([0-9a-f]+)_[\w-]+", made.text)
    assert token
    listed = await browser.get("/console/khoa")
    assert token[0] not in listed.text
    assert token[1] in listed.text
    assert "Đã thu hồi" in (await browser.post("/console/khoa/thu-hoi", id=token[1])).text
    stranger = await house.officer(OfficerRole.ADMINISTRATOR, email="hanoi@hanoi.gov.vn", office="H26")
    assert token[1] not in (await stranger.get("/console/khoa")).text
    assert (await stranger.post("/console/khoa/thu-hoi", id=token[1])).status == 404


async def test_an_unknown_word_is_explained_and_read_again(house: House) -> None:
    office = house.core.registry.agency_by_code(OFFICE)
    assert office
    tenant = Tenant(agency_id=office.agency_id, agency_code=OFFICE, test=False, api_key_id="t")
    event = '{"id":"e-1","code":"H05.16-261102-0001","status":"đang chờ ký","at":"2026-11-10T08:00:00+07:00"}'
    unclear = Unclear(route="events", reason="unknown_status", field="status", value="đang chờ ký", payload=event)
    await Office(house.core).files()
    async with house.core.database.tenant(office.agency_id, test=False) as connection:
        await keep(connection, house.core.seal, tenant, [unclear])
    browser = await house.officer(OfficerRole.OPERATOR)
    assert "đang chờ ký" in (await browser.get("/console/tu-cho-nghia")).text
    done = await browser.post("/console/tu-cho-nghia/nghia", agency=OFFICE, raw="đang chờ ký", status="4")
    assert "Mọi dữ liệu đều đã hiểu" in done.text
    async with house.core.database.tenant(office.agency_id, test=False) as connection:
        assert await connection.fetchval("SELECT raw_status FROM dossier_event WHERE event_id = 'e-1'") == "đang chờ ký"


async def test_only_the_systems_owner_corrects_the_calendar(house: House) -> None:
    owner = await house.officer(OfficerRole.OPERATOR, email="vn@example.vn", office="VN")
    local = await house.officer(OfficerRole.OPERATOR, email="h05@example.vn", office="H05")
    day = {"day": "02/01/2027", "kind": "off", "reason": "Nghỉ bù", "source": "QĐ 1"}
    await local.get("/console/lich")
    assert (await local.post("/console/lich/sua", day)).status == 422
    await owner.get("/console/lich")
    assert (await owner.post("/console/lich/sua", day | {"day": "32/01/2027"})).status == 422
    assert "thứ Bảy, 02/01/2027" in (await owner.post("/console/lich/sua", day)).text
    assert "QĐ 1" not in (await owner.post("/console/lich/bo", day="2027-01-02")).text


async def test_rules_ladders_and_words_are_kept(house: House) -> None:
    browser = await house.officer(OfficerRole.OPERATOR)
    await browser.get("/console/thong-bao")
    rule = await browser.post("/console/thong-bao/quy-tac", agency=OFFICE, event="moved_on", procedure="", told="0")
    assert "Chuyển bước" in rule.text
    assert (await browser.post("/console/thong-bao/bac-thang", ladder_agency=OFFICE, rungs="sms,chat")).status == 422
    ladder = await browser.post("/console/thong-bao/bac-thang", ladder_agency=OFFICE, rungs="chat, sms", dong="2000")
    assert "chat → sms" in ladder.text
    assert (await browser.post("/console/thong-bao/quy-tac", agency="H26", event="moved_on", told="0")).status == 422
    words = {"agency": OFFICE, "event": "result_ready", "form_kind": "sms", "language": "vi", "version": ""}
    wrong = await browser.post("/console/cau-chu/luu", words, words="HS xong")
    assert wrong.status == 422
    assert "HS xong" in (await browser.get("/console/cau-chu")).text  # the draft was kept
    good = "HS {code}: da co ket qua. Moi den {office}. {stop}"
    look = await browser.post("/console/cau-chu/luu", words, words=good, look="1")
    assert "1 tin nhắn" in look.text
    saved = await browser.post("/console/cau-chu/luu", words, words=good)
    assert "Đã lưu" in saved.text
    late = await browser.post("/console/cau-chu/luu", words | {"version": "0"}, words=good)
    assert late.status == 409


async def test_what_was_typed_survives_the_end_of_a_session(house: House) -> None:
    browser = await house.officer(OfficerRole.OPERATOR)
    await browser.get("/console/cau-chu")
    async with house.core.database.transaction(Role.GATE) as connection:
        await connection.execute("UPDATE session SET seen_at = seen_at - interval '1 hour'")
    words = {"agency": OFFICE, "event": "result_ready", "form_kind": "sms", "language": "vi"}
    sent = await browser.post("/console/cau-chu/luu", words, words="Cau dai da viet")
    assert sent.place == "/console/vao?next=/console/cau-chu"
    back = await browser.post("/console/vao", email="an@bacninh.gov.vn", password=PASSWORD, next="/console/cau-chu")
    assert "Cau dai da viet" in back.text
    assert "chưa gửi" in back.text


async def hostile_dossier(house: House, text: str, number: int) -> str:
    """A dossier with `text` in every field an agency writes."""
    office = house.core.registry.agency_by_code(OFFICE)
    assert office
    facts = DossierFacts(
        code=f"H05.16-261103-{number:04d}",
        receiving_agency=office.agency_id,
        status=Status.PROCESSING,
        status_at=datetime(2026, 11, 3, 3, tzinfo=UTC),
        procedure_code="1.000001",
        procedure_name=text,
        reference=text[:60] or "x",
        applicant_name=text,
        note=text,
        asked_of_applicant=text,
    )
    tenant = Tenant(agency_id=office.agency_id, agency_code=OFFICE, test=False, api_key_id="t")
    (result,) = await house.core.writer.store_facts(tenant, [facts])
    assert result.outcome is Outcome.STORED
    return facts.code


async def test_hostile_text_stays_text(house: House) -> None:
    browser: Browser = await house.officer(*EVERYTHING)
    for number, text in enumerate((*HOSTILE, "\x00x", "x" * 300)):
        code = await hostile_dossier(house, clean(text), number)
        shown = await browser.get(f"/console/ho-so/{code}")
        assert shown.status == 200
        assert Elements(shown.html).found == []
        answers = [await browser.get("/console/ho-so")]
        answers.append(await browser.post("/console/ho-so/tim", q=text))
        answers.append(await browser.post("/console/khoa/moi", name=text, agency=text, kind=text))
        answers += [await browser.get(f"/console/{path}{quote(text)}") for path in ASKING]
        assert {answer.status for answer in answers} <= {200, 422}
        assert [Elements(answer.html).found for answer in answers] == [[]] * len(answers)
