"""My dossiers as a person uses them: a phone, the code that comes to it, the list, and what is not told to others."""

import asyncio
import re
from collections.abc import AsyncIterator
from html import unescape

import pytest
from aiohttp import ClientResponse, ClientSession, CookieJar

from cache.limits import Limit
from channels.sms.plain import plain
from channels.sms.segments import segments
from channels.web.devices import pages
from channels.web.devices.proofs import MOST_TRIES, PhoneProofs
from database.pool import Role
from domain.contact import ChannelName, Contact
from domain.language import Language
from domain.status import Status
from notifications.subscriptions import Subscriptions
from service.wiring import Core
from tests.channels.story import CODE, PHONE, STRANGER
from tests.channels.web.corner import Client, Corner, open_corner

SECOND = "H05.16-261102-0002"
OTHERS = "H05.16-261102-0003"


@pytest.fixture
async def corner(core: Core) -> AsyncIterator[Corner]:
    async with open_corner(core) as opened:
        await opened.office.files()
        await opened.office.files(SECOND, status=Status.COMPLETED)
        await opened.office.files(OTHERS, phone="+84912000000")
        yield opened


async def text_of(response: ClientResponse) -> str:
    return unescape(await response.text()).replace("\u00a0", " ")


async def ask(client: Client, phone: str) -> ClientResponse:
    return await client.post("/cua-toi", data={"phone": phone})


async def code_of(corner: Corner, number: str = PHONE) -> str:
    """Ask for a code, and read it on the phone."""
    phone = corner.phone(number)
    response = await ask(corner.client, number)
    assert response.status == 200
    found = re.match(r"([0-9]{6}) la ma", await phone.hears())
    assert found
    return found[1]


async def enter(client: Client, code: str) -> ClientResponse:
    return await client.post("/cua-toi/ma", data={"code": code})


async def rows(corner: Corner, query: str) -> list[tuple[object, ...]]:
    async with corner.core.database.connection(Role.WORKER) as connection:
        return [tuple(row) for row in await connection.fetch(query)]


def another(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06}"


async def test_a_proven_phone_sees_its_dossiers_and_nobody_elses(corner: Corner) -> None:
    response = await enter(corner.client, await code_of(corner))
    html = await text_of(response)
    assert response.status == 200
    assert str(response.url.path) == "/cua-toi"
    assert response.headers["Cache-Control"] == "no-store"
    assert "0901234567" in html
    for code in (CODE, SECOND):
        assert f'value="{code}"' in html
    assert OTHERS not in html
    assert "N*** V** A*" in html
    assert "Nguyễn Văn An" not in html
    assert html.index(SECOND) < html.index(CODE)  # the newest first


async def test_the_device_is_remembered_until_it_is_forgotten(corner: Corner) -> None:
    await enter(corner.client, await code_of(corner))
    assert f'value="{CODE}"' in await text_of(await corner.client.get("/cua-toi"))
    cookies = dict(corner.client.session.cookie_jar.filter_cookies(corner.client.make_url("/cua-toi")))
    response = await corner.client.post("/cua-toi/quen")
    assert CODE not in await text_of(response)
    assert await rows(corner, "SELECT count(*) FROM device") == [(0,)]
    corner.client.session.cookie_jar.update_cookies(cookies)
    assert CODE not in await text_of(await corner.client.get("/cua-toi"))


async def test_a_device_is_forgotten_by_itself(corner: Corner) -> None:
    await enter(corner.client, await code_of(corner))
    async with corner.core.database.connection(Role.WORKER) as connection:
        await connection.execute("UPDATE device SET expires_at = now()")
    assert CODE not in await text_of(await corner.client.get("/cua-toi"))


async def test_nothing_tells_whether_a_phone_has_dossiers(corner: Corner) -> None:
    """The same pages, headers and sizes; only the phone itself learns it. The last digits asked for are alike."""
    seen = []
    for number in (PHONE, "+84987654567"):
        corner.client.session.cookie_jar.clear()
        asked = await corner.client.post("/cua-toi", data={"phone": number}, allow_redirects=False)
        cookie = re.sub(r"=[^;]{32}", "=…", asked.headers["Set-Cookie"])
        shown = await corner.client.get("/cua-toi")
        wrong = [await enter(corner.client, "000000") for _ in range(MOST_TRIES + 1)]
        seen.append(
            (asked.status, cookie, await text_of(shown), [(page.status, await text_of(page)) for page in wrong])
        )
    known, unknown = seen
    assert known == unknown
    assert "Nếu số có đuôi 567 đã đăng ký hồ sơ" in known[2]
    assert len(corner.line.gateway.screen("+84987654567")) == 0
    assert await rows(corner, "SELECT count(*) FROM message WHERE kind = 'code'") == [(1,)]


async def test_five_wrong_codes_kill_the_code(corner: Corner) -> None:
    code = await code_of(corner)
    for left in range(MOST_TRIES - 1, 0, -1):
        response = await enter(corner.client, another(code))
        assert response.status == 422
        assert f"còn nhập được {left} lần" in await text_of(response)
    response = await enter(corner.client, another(code))
    assert "không còn dùng được" in await text_of(response)
    response = await enter(corner.client, code)
    assert response.status == 422
    assert "không còn dùng được" in await text_of(response)
    assert await rows(corner, "SELECT count(*) FROM device") == [(0,)]


async def test_many_tries_at_once_are_no_more_than_five(corner: Corner) -> None:
    code = await code_of(corner)
    wrong = await asyncio.gather(*(enter(corner.client, another(code)) for _ in range(20)))
    assert {response.status for response in wrong} == {422}
    assert await rows(corner, "SELECT tries FROM phone_code") == [(MOST_TRIES,)]
    assert (await enter(corner.client, code)).status == 422


async def test_a_code_is_good_once(corner: Corner) -> None:
    code = await code_of(corner)
    cookies = dict(corner.client.session.cookie_jar.filter_cookies(corner.client.make_url("/cua-toi")))
    await enter(corner.client, code)
    corner.client.session.cookie_jar.clear()
    corner.client.session.cookie_jar.update_cookies(cookies, corner.client.make_url("/cua-toi"))
    assert (await enter(corner.client, code)).status == 422
    assert await rows(corner, "SELECT count(*) FROM device") == [(1,)]


async def test_a_code_is_good_for_the_browser_that_asked(corner: Corner) -> None:
    code = await code_of(corner)
    jar = CookieJar(unsafe=True)
    async with ClientSession(corner.client.make_url("/"), cookie_jar=jar) as elsewhere:
        for asked_there_too in (False, True):
            if asked_there_too:
                await elsewhere.post("/cua-toi", data={"phone": PHONE})
            response = await elsewhere.post("/cua-toi/ma", data={"code": code})
            assert response.status == 422
    assert (await enter(corner.client, code)).status == 200


async def test_a_code_expires(corner: Corner) -> None:
    code = await code_of(corner)
    async with corner.core.database.connection(Role.WORKER) as connection:
        await connection.execute("UPDATE phone_code SET expires_at = now()")
    response = await enter(corner.client, code)
    assert response.status == 422
    assert "không còn dùng được" in await text_of(response)


@pytest.mark.parametrize("typed", ["", "12345", "1234567", "abcdef", "１２３４５６x", "\u0000"])
async def test_what_is_no_code_costs_no_try(corner: Corner, typed: str) -> None:
    await code_of(corner)
    response = await enter(corner.client, typed)
    assert response.status == 422
    assert "đúng 6 chữ số" in await text_of(response)
    assert await rows(corner, "SELECT tries FROM phone_code") == [(0,)]


async def test_a_code_typed_in_groups_is_understood(corner: Corner) -> None:
    code = await code_of(corner)
    assert (await enter(corner.client, f" {code[:3]} {code[3:]} ")).status == 200
    assert await rows(corner, "SELECT count(*) FROM device") == [(1,)]


@pytest.mark.parametrize("phone", ["", "8100", "02223822456", "+14155550123", "<script>", "09\u0000"])
async def test_only_mobile_phones_are_sent_a_code(corner: Corner, phone: str) -> None:
    response = await ask(corner.client, phone)
    assert response.status == 422
    assert "không phải số di động" in await text_of(response)
    assert await rows(corner, "SELECT count(*) FROM phone_code") == [(0,)]


async def test_a_phone_that_stopped_all_notices_still_gets_the_code_it_asked_for(corner: Corner) -> None:
    subscriptions = Subscriptions(corner.core.seal)
    contact = Contact(channel=ChannelName.SMS, address=PHONE)
    async with corner.core.database.transaction(Role.WORKER) as connection:
        await subscriptions.stop_all(connection, contact, source="keyword")
    html = await text_of(await enter(corner.client, await code_of(corner)))
    assert "đã tắt mọi tin nhắn" in html
    assert "TIEP TUC" in html


async def test_one_phone_is_sent_few_codes_whoever_asks(corner: Corner) -> None:
    for _ in range(3):
        assert (await ask(corner.client, PHONE)).status == 200
    response = await ask(corner.client, PHONE)
    assert response.status == 429
    assert int(response.headers["Retry-After"]) > 60
    assert (await ask(corner.client, STRANGER)).status == 200


async def test_one_address_asks_for_few_codes_whatever_the_phone(
    corner: Corner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "CODES_BY_ORIGIN", (Limit.parse("codes_origin_test", "1/hour"),))
    assert (await ask(corner.client, PHONE)).status == 200
    assert (await ask(corner.client, STRANGER)).status == 429
    monkeypatch.undo()
    assert (await ask(corner.client, STRANGER)).status == 200  # the refusal cost the phone nothing


async def test_a_dossier_is_muted_and_followed_again(corner: Corner) -> None:
    html = await text_of(await enter(corner.client, await code_of(corner)))
    assert html.count("Có thay đổi, chúng tôi nhắn tin tới số này.") == 2
    html = await text_of(await corner.client.post("/cua-toi/bao-tin", data={"code": CODE, "wish": "mute"}))
    assert html.count("Hồ sơ này đang tắt tin nhắn.") == 1
    phone = corner.phone(PHONE)
    await corner.office.moves(to=Status.SUPPLEMENT_REQUIRED)
    await corner.office.moves(SECOND, to=Status.DELIVERED)
    assert SECOND in await phone.hears()
    await corner.client.post("/cua-toi/bao-tin", data={"code": CODE, "wish": "follow"})
    await corner.office.moves(to=Status.PROCESSING)
    assert CODE in await phone.hears()
    acts = await rows(corner, "SELECT act FROM consent_act ORDER BY id")
    assert acts == [("mute",), ("follow",)]


async def test_of_a_dossier_only_what_matters_is_told(corner: Corner) -> None:
    await enter(corner.client, await code_of(corner))
    html = await text_of(await corner.client.post("/cua-toi/bao-tin", data={"code": CODE, "wish": "less"}))
    assert html.count("Chúng tôi chỉ nhắn khi Ông/Bà cần làm gì") == 1
    phone = corner.phone(PHONE)
    await corner.office.moves(to=Status.PROCESSING)
    await corner.office.moves(to=Status.SUPPLEMENT_REQUIRED)
    assert "bo sung" in await phone.hears()


@pytest.mark.parametrize(
    ("code", "wish"), [(OTHERS, "mute"), ("H05.16-261102-9999", "mute"), (CODE, "delete"), ("", "")]
)
async def test_nobody_wishes_for_others(corner: Corner, code: str, wish: str) -> None:
    await enter(corner.client, await code_of(corner))
    response = await corner.client.post("/cua-toi/bao-tin", data={"code": code, "wish": wish})
    assert response.status == 404
    assert await rows(corner, "SELECT count(*) FROM subscription") == [(0,)]


async def test_without_a_proof_nothing_is_wished(corner: Corner) -> None:
    response = await corner.client.post("/cua-toi/bao-tin", data={"code": CODE, "wish": "mute"})
    assert response.status == 200
    assert await rows(corner, "SELECT count(*) FROM subscription") == [(0,)]


@pytest.mark.parametrize("cookie", ["", "x", "a" * 43, "a" * 5000, "é" * 32, "../../etc"])
async def test_a_made_up_token_opens_nothing(corner: Corner, cookie: str) -> None:
    for name in ("may-nay", "ma-xac-nhan"):
        headers = {"Cookie": f"{name}={cookie}".encode().decode("latin-1")}
        response = await corner.client.get("/cua-toi", headers=headers)
        assert response.status == 200
        assert CODE not in await text_of(response)


async def test_another_phone_can_be_typed(corner: Corner) -> None:
    await ask(corner.client, STRANGER)
    assert "321" in await text_of(await corner.client.get("/cua-toi"))
    assert 'name="phone"' in await text_of(await corner.client.post("/cua-toi/so-khac"))


async def test_a_foreign_page_can_neither_ask_nor_forget(corner: Corner) -> None:
    for path in ("/cua-toi", "/cua-toi/ma", "/cua-toi/bao-tin", "/cua-toi/quen", "/cua-toi/so-khac"):
        response = await corner.client.post(path, data={}, headers={"Sec-Fetch-Site": "cross-site"})
        assert response.status == 403


async def test_cookies_are_for_these_pages_only(core: Core) -> None:
    async with open_corner(core, secure=True) as corner:
        await corner.office.files()
        phone = corner.phone(PHONE)
        asked = await corner.client.post("/cua-toi", data={"phone": PHONE}, allow_redirects=False)
        code = (await phone.hears())[:6]
        token = asked.cookies["__Secure-ma-xac-nhan"].value
        confirmed = await corner.client.post(
            "/cua-toi/ma",
            data={"code": code},
            headers={"Cookie": f"__Secure-ma-xac-nhan={token}"},
            allow_redirects=False,
        )
    for cookie, age in ((asked.headers["Set-Cookie"], 300), (confirmed.headers.getall("Set-Cookie")[-1], 30 * 86400)):
        for part in ("HttpOnly", "SameSite=Strict", "Secure", "Path=/cua-toi", f"Max-Age={age}"):
            assert part in cookie


@pytest.mark.parametrize("language", list(Language))
async def test_the_code_costs_one_segment_and_is_bound_to_our_host(core: Core, language: Language) -> None:
    proofs = PhoneProofs(core.database, core.seal, core.desk, core.outbox, host="tracuu.bacninh.gov.vn")
    text = proofs._text("012345", language)
    assert segments(plain(text)).count == 1
    assert text.endswith("\n\n@tracuu.bacninh.gov.vn #012345")


async def test_neither_phones_nor_codes_stand_in_the_log_or_in_the_clear(corner: Corner) -> None:
    code = await code_of(corner)
    await enter(corner.client, code)
    kept = str(await rows(corner, "SELECT * FROM device")) + str(await rows(corner, "SELECT * FROM message"))
    for secret in (code, "901234567", "0901234567"):
        assert secret.encode() not in corner.written
        assert f"'{secret}'" not in kept


async def test_old_codes_and_devices_are_swept_away(corner: Corner) -> None:
    await enter(corner.client, await code_of(corner))
    await ask(corner.client, STRANGER)
    async with corner.core.database.connection(Role.WORKER) as connection:
        await connection.execute("UPDATE phone_code SET expires_at = now() - interval '1 hour'")
        await connection.execute("UPDATE device SET expires_at = now() - interval '1 hour'")
    await enter(corner.client, await code_of(corner))
    assert await rows(corner, "SELECT count(*) FROM phone_code") == [(0,)]
    assert await rows(corner, "SELECT count(*) FROM device") == [(1,)]
