"""Signing in with an identity provider: by the protocol, and not by anything that resembles it."""

from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import pytest
from yarl import URL

from console.accounts import disable
from console.elsewhere import ElsewhereSettings
from console.roles import OfficerRole
from database.pool import Role
from service.wiring import Core
from tests.console.identity_provider import (
    CLIENT,
    SECRET,
    Claims,
    Provider,
    by_nobody,
    by_shared_secret,
    by_somebody_else,
    open_provider,
)
from tests.console.officers import Answer, Browser, House, open_house

EMAIL = "an@bacninh.gov.vn"
FAILED = "Không đăng nhập được qua hệ thống kia"


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with open_provider() as opened:
        yield opened


@pytest.fixture
async def house(core: Core, provider: Provider) -> AsyncIterator[House]:
    settings = ElsewhereSettings(issuer=provider.issuer, client_id=CLIENT, client_secret=SECRET, name="Cổng tỉnh")
    async with open_house(core, elsewhere=settings) as opened:
        yield opened


async def goes_there(house: House, browser: Browser, *, wanted: str = "/console") -> str:
    """To the provider and to the address it sends the browser back to, as a path of ours."""
    headers = {"User-Agent": browser.name}
    leave = f"{house.url}/console/vao/don-vi?next={wanted}"
    async with browser.http.get(leave, headers=headers, allow_redirects=False) as there:
        assert there.status == 303
        address = there.headers["Location"]
    async with browser.http.get(address, allow_redirects=False) as back:
        place = urlsplit(back.headers["Location"])
    return f"{place.path}?{place.query}"


async def signs_in(house: House, browser: Browser, *, wanted: str = "/console") -> Answer:
    return await browser.get(await goes_there(house, browser, wanted=wanted))


async def test_an_officer_signs_in_elsewhere(house: House, provider: Provider) -> None:
    await house.hires(EMAIL, OfficerRole.CLERK)
    browser = house.browser()
    assert "Đăng nhập qua Cổng tỉnh" in (await browser.get("/console/vao")).text
    assert (await signs_in(house, browser, wanted="/console/ho-so")).place == "/console/ho-so"
    # From now on found by who it is there, whatever the address.
    provider.person = {"sub": "u-1", "email": "khac@bacninh.gov.vn", "email_verified": True}
    assert (await signs_in(house, house.browser())).place == "/console"
    # And nobody else takes the account by its address.
    provider.person = {"sub": "u-2", "email": EMAIL, "email_verified": True}
    assert FAILED in (await signs_in(house, house.browser())).text


@pytest.mark.parametrize(
    "person",
    [
        {"sub": "u-1", "email": EMAIL},
        {"sub": "u-1", "email": EMAIL, "email_verified": "true"},
        {"sub": "u-1", "email": EMAIL, "email_verified": False},
        {"sub": "u-1", "email": "khong-co@bacninh.gov.vn", "email_verified": True},
        {"sub": "u-1"},
        {"sub": "", "email": EMAIL, "email_verified": True},
        {"sub": 7, "email": EMAIL, "email_verified": True},
    ],
)
async def test_who_has_no_account_gets_none(house: House, provider: Provider, person: Claims) -> None:
    await house.hires(EMAIL, OfficerRole.CLERK)
    provider.person = person
    shown = await signs_in(house, house.browser())
    assert shown.status == 401
    assert FAILED in shown.text


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("iss", "https://evil.example"),
        ("aud", "someone-else"),
        ("aud", ["motma", "someone-else"]),
        ("exp", 1),
        ("exp", None),
        ("nonce", "another"),
        ("nonce", None),
        ("iat", None),
    ],
)
async def test_a_token_for_something_else_is_refused(
    house: House, provider: Provider, claim: str, value: object
) -> None:
    await house.hires(EMAIL, OfficerRole.CLERK)
    provider.lie = lambda claims: {k: v for k, v in {**claims, claim: value}.items() if v is not None}
    assert FAILED in (await signs_in(house, house.browser())).text


@pytest.mark.parametrize("sign", [by_shared_secret, by_nobody, by_somebody_else, lambda _claims: "a.b.c"])
async def test_a_token_that_is_not_the_providers_is_refused(house: House, provider: Provider, sign: object) -> None:
    await house.hires(EMAIL, OfficerRole.CLERK)
    provider.sign = sign  # type: ignore[assignment]
    assert FAILED in (await signs_in(house, house.browser())).text


async def test_an_answer_is_good_once_and_in_its_own_browser(house: House) -> None:
    await house.hires(EMAIL, OfficerRole.CLERK)
    browser, other = house.browser(), house.browser()
    back = await goes_there(house, browser)
    assert FAILED in (await other.get(back)).text  # somebody else's link signs nobody in
    assert (await browser.get(back)).place == "/console"
    again = house.browser()
    again.http.cookie_jar.update_cookies(browser.http.cookie_jar.filter_cookies(URL(house.url)))
    back = await goes_there(house, again)
    wrong = back.replace(parse_qs(urlsplit(back).query)["state"][0], "x" * 32)
    assert FAILED in (await again.get(wrong)).text
    foreign = (await goes_there(house, again)).replace("iss=http", "iss=https")
    assert FAILED in (await again.get(foreign)).text


async def test_a_disabled_account_stays_outside(house: House) -> None:
    account = await house.hires(EMAIL, OfficerRole.CLERK)
    async with house.core.database.transaction(Role.OPERATOR) as connection:
        await disable(connection, account)
    assert FAILED in (await signs_in(house, house.browser())).text


async def test_a_provider_that_is_down_keeps_nobody_from_the_password(house: House, provider: Provider) -> None:
    await house.hires(EMAIL, OfficerRole.CLERK)
    provider.down = True
    browser = house.browser()
    assert (await browser.get("/console/vao/don-vi")).status == 503
    assert (await browser.signs_in(EMAIL)).place == "/console"


async def test_the_providers_second_proof_counts(core: Core, provider: Provider) -> None:
    settings = ElsewhereSettings(issuer=provider.issuer, client_id=CLIENT, client_secret=SECRET)
    async with open_house(core, elsewhere=settings) as house:
        await house.hires(EMAIL, OfficerRole.ADMINISTRATOR)
        provider.person["amr"] = ["pwd", "otp"]
        assert (await signs_in(house, house.browser())).place == "/console"
        async with core.database.transaction(Role.GATE) as connection:
            proofs = await connection.fetchval("SELECT proofs FROM session ORDER BY id DESC LIMIT 1")
    assert proofs == ["elsewhere+"]
