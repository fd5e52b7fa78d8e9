"""Refusals and faults, in words that help and tell nothing else."""

import pytest

from domain.errors import TooMany, Unavailable
from lookup.disclosure import Answer
from tests.channels.web.conftest import OpenSite, Site
from tests.channels.web.reading import CODE, headline, page, text_of
from tests.channels.web.sample_answers import APPLICANT, SECRET
from tests.channels.web.timing import minutes


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
