"""Signing in and out: what is told to whom, second proofs, limits on guessing, sessions that end."""

from datetime import UTC, datetime
from time import perf_counter

import asyncpg
import pytest

from console.accounts import disable, set_totp
from console.roles import OfficerRole
from console.totp import code_at, new_secret, step_of
from database.pool import Role
from service.wiring import Core
from tests.console.officers import PASSWORD, Browser, House, open_house

EMAIL = "an@bacninh.gov.vn"
REFUSED = "Thư điện tử và mật khẩu không khớp"


def code_now(secret: str, ahead: int = 0) -> str:
    return code_at(secret, step_of(datetime.now(UTC)) + ahead)


async def with_app(house: House, email: str = EMAIL) -> str:
    """An account with an authenticator app; its secret."""
    account_id = await house.hires(email, OfficerRole.CLERK)
    secret = new_secret()
    async with house.core.database.transaction(Role.OPERATOR) as connection:
        await set_totp(connection, account_id, house.core.seal.seal(secret))
    return secret


async def test_an_officer_signs_in_and_out(house: House) -> None:
    await house.hires(EMAIL, OfficerRole.CLERK)
    browser = house.browser()
    assert (await browser.get("/console")).place == "/console/vao"
    shown = await browser.signs_in(EMAIL)
    assert shown.place == "/console"
    assert "Cán bộ một cửa" in shown.text
    assert shown.headers["Cache-Control"] == "no-store"
    assert (await browser.post("/console/ra")).place == "/console/vao"
    assert (await browser.get("/console")).place == "/console/vao"


async def test_it_leads_to_the_page_that_was_wanted(house: House) -> None:
    await house.hires(EMAIL, OfficerRole.CLERK)
    browser = house.browser()
    assert (await browser.get("/console/toi?lang=en")).place == "/console/vao?next=/console/toi?lang%3Den"
    shown = await browser.post("/console/vao", email=EMAIL, password=PASSWORD, next="/console/toi?lang=en")
    assert shown.place == "/console/toi?lang=en"


@pytest.mark.parametrize(
    "wanted", ["//evil.example", "https://evil.example", "/console/../x", "/\\evil", "/consoles", "/console/\r\nx"]
)
async def test_it_leads_nowhere_else(house: House, wanted: str) -> None:
    await house.hires(EMAIL, OfficerRole.CLERK)
    browser = house.browser()
    await browser.get("/console/vao")
    assert (await browser.post("/console/vao", email=EMAIL, password=PASSWORD, next=wanted)).place == "/console"


async def test_whatever_is_wrong_is_told_in_the_same_words(house: House) -> None:
    await house.hires(EMAIL, OfficerRole.CLERK)
    gone = await house.hires("binh@bacninh.gov.vn", OfficerRole.CLERK)
    async with house.core.database.transaction(Role.OPERATOR) as connection:
        await disable(connection, gone)
    pages = set()
    for email, password in (
        (EMAIL, "sai mật khẩu rồi"),
        ("khong-co@bacninh.gov.vn", PASSWORD),
        ("binh@bacninh.gov.vn", PASSWORD),
        ("không phải địa chỉ", PASSWORD),
        ("", ""),
        ("\x00\ud800".encode("utf-8", "surrogatepass").decode("utf-8", "replace"), "\x00"),
    ):
        shown = await house.browser().signs_in(email, password)
        assert shown.status == 401
        assert REFUSED in shown.text
        without_typed = shown.text.replace(f'value="{email}"', 'value=""')
        pages.add(without_typed[without_typed.index("<h1>") : without_typed.index("<form")])
    assert len(pages) == 1


async def test_it_takes_as_long_whoever_it_is(house: House) -> None:
    await house.hires(EMAIL, OfficerRole.CLERK)

    async def takes(email: str) -> float:
        browser = house.browser()
        await browser.get("/console/vao")
        began = perf_counter()
        await browser.post("/console/vao", email=email, password="một câu hoàn toàn khác", next="")
        return perf_counter() - began

    known = min([await takes(EMAIL) for _ in range(4)])
    unknown = min([await takes("khong-co@bacninh.gov.vn") for _ in range(4)])
    assert 0.5 < unknown / known < 2


async def test_guessing_ends_soon_and_tells_nothing(house: House) -> None:
    await house.hires(EMAIL, OfficerRole.CLERK)
    for email in (EMAIL, "khong-co@bacninh.gov.vn"):
        statuses = [(await house.browser().signs_in(email, "sai mật khẩu rồi")).status for _ in range(6)]
        assert statuses == [401] * 5 + [429]
    shown = await house.browser().signs_in(EMAIL)
    assert "Đã thử quá nhiều lần" in shown.text


async def test_who_mistypes_now_and_then_is_not_held_up(house: House) -> None:
    await house.hires(EMAIL, OfficerRole.CLERK)
    for _ in range(4):
        browser = house.browser()
        assert (await browser.signs_in(EMAIL, "sai mật khẩu rồi")).status == 401
        assert (await browser.signs_in(EMAIL)).status in {200, 429}


async def test_a_second_step_is_asked_of_who_has_one(house: House) -> None:
    secret = await with_app(house)
    browser = house.browser()
    assert (await browser.signs_in(EMAIL)).place == "/console/vao/ma"
    assert (await browser.get("/console/toi")).place.startswith("/console/vao/ma")
    refused = await browser.post("/console/vao/ma", code="000000", next="/console")
    assert refused.status == 401
    assert (await browser.post("/console/vao/ma", code=code_now(secret), next="/console")).place == "/console"


async def test_a_code_is_good_once(house: House) -> None:
    secret = await with_app(house)
    code = code_now(secret)
    one, other = house.browser(), house.browser()
    for browser in (one, other):
        await browser.signs_in(EMAIL)
    assert (await one.post("/console/vao/ma", code=code, next="")).place == "/console"
    assert (await other.post("/console/vao/ma", code=code, next="")).status == 401


async def test_codes_cannot_be_tried_out(house: House) -> None:
    await with_app(house)
    statuses = []
    for _ in range(3):
        browser = house.browser()
        await browser.signs_in(EMAIL)
        statuses += [(await browser.post("/console/vao/ma", code="000000", next="")).status for _ in range(3)]
    assert statuses == [401] * 5 + [429] * 4


async def test_a_session_is_of_no_use_in_another_browser(house: House) -> None:
    browser = await house.officer(OfficerRole.CLERK)
    browser.name = "curl/8"
    assert (await browser.get("/console")).place == "/console/vao"
    browser.name = house.browser().name
    assert (await browser.get("/console")).place == "/console/vao"  # it was ended, not only refused


@pytest.mark.parametrize(
    "later",
    [
        "UPDATE session SET seen_at = seen_at - interval '31 minutes'",
        "UPDATE session SET ends_at = now()",
        "UPDATE account SET disabled_at = now()",
    ],
)
async def test_a_session_ends(house: House, later: str) -> None:
    browser = await house.officer(OfficerRole.CLERK)
    async with house.core.database.transaction(Role.GATE) as connection:
        await connection.execute(later)
    assert (await browser.get("/console")).place == "/console/vao"


async def test_a_role_that_ended_is_gone_with_the_next_page(house: House) -> None:
    browser = await house.officer(OfficerRole.CLERK)
    async with house.core.database.transaction(Role.OPERATOR) as connection:
        await connection.execute("UPDATE account_role SET ended_at = now()")
    assert "chưa có vai trò nào" in (await browser.get("/console")).text


async def test_the_store_knows_sessions_by_digest_only(house: House, database_url: str) -> None:
    browser = await house.officer(OfficerRole.CLERK)
    (cookie,) = [cookie for cookie in browser.http.cookie_jar if cookie.key == "officer"]
    owner = await asyncpg.connect(database_url)
    try:
        rows = await owner.fetch("SELECT s::text FROM session s")
    finally:
        await owner.close()
    assert cookie.value not in "".join(row[0] for row in rows)
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"


async def test_somebody_elses_password_must_be_changed_first(house: House) -> None:
    await house.hires(EMAIL, OfficerRole.CLERK, given=True)
    browser = house.browser()
    shown = await browser.signs_in(EMAIL)
    assert shown.place == "/console/toi"
    assert "do người khác đặt" in shown.text
    new = "nắng hạ vàng sân đình"

    async def changes(repeated: str) -> int:
        shown = await browser.post(
            "/console/toi/mat-khau", password=PASSWORD, new_password=new, repeated_password=repeated
        )
        return shown.status

    assert await changes("khác") == 422
    assert await changes(new) == 200
    assert (await browser.get("/console")).place == "/console"
    assert (await house.browser().signs_in(EMAIL, new)).place == "/console"


async def test_a_strong_role_needs_two_proofs_in_production(core: Core) -> None:
    async with open_house(core, production=True) as house:
        await house.hires(EMAIL, OfficerRole.ADMINISTRATOR)
        browser = house.browser()
        assert (await browser.signs_in(EMAIL)).place == "/console/toi"
        secret = await sets_up_app(browser)
        assert (await browser.get("/console")).place == "/console"
        other = house.browser()
        assert (await other.signs_in(EMAIL)).place == "/console/vao/ma"
        assert (await other.post("/console/vao/ma", code=code_now(secret, 1), next="")).place == "/console"


async def sets_up_app(browser: Browser) -> str:
    """Goes through the account page as a person would; the secret."""
    shown = await browser.post("/console/toi/ung-dung")
    secret = shown.text.partition('<code class="secret">')[2].partition("<")[0]
    sealed = shown.text.partition('name="sealed" value="')[2].partition('"')[0]
    assert len(secret) == 32
    wrong = await browser.post("/console/toi/ung-dung/xong", sealed=sealed, code="12")
    assert wrong.status == 422
    assert secret in wrong.text
    done = await browser.post("/console/toi/ung-dung/xong", sealed=sealed, code=code_now(secret))
    assert "Đã bật bước thứ hai" in done.text
    return secret


async def test_what_is_rare_asks_for_a_fresh_proof(house: House) -> None:
    browser = await house.officer(OfficerRole.CLERK)
    async with house.core.database.transaction(Role.GATE) as connection:
        await connection.execute("UPDATE session SET proven_at = now() - interval '11 minutes'")
    await browser.get("/console/toi")
    assert (await browser.post("/console/toi/ung-dung")).place == "/console/xac-nhan?next=/console/toi"
    assert (await browser.post("/console/xac-nhan", password="sai", next="/console/toi")).status == 401
    assert (await browser.post("/console/xac-nhan", password=PASSWORD, next="/console/toi")).place == "/console/toi"
    assert 'class="secret"' in (await browser.post("/console/toi/ung-dung")).text


async def test_an_officer_ends_sessions_elsewhere(house: House) -> None:
    browser = await house.officer(OfficerRole.CLERK)
    other = house.browser("Mozilla/5.0 (Linux; Android 14) Chrome/142 Mobile")
    await other.signs_in(EMAIL)
    assert "Chrome, Android" in (await browser.get("/console/toi")).text
    assert "Đã đăng xuất nơi đó" in (await browser.post("/console/toi/phien", all="1")).text
    assert (await other.get("/console")).place == "/console/vao"
    assert (await browser.get("/console")).place == "/console"
