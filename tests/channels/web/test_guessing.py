"""While codes are being guessed: one refusal for all of them, and the slip's secret answered all the same."""

import statistics
from time import perf_counter

from cache.budgets import MISSES_PER_PREFIX
from tests.channels.web.conftest import Site
from tests.channels.web.reading import CODE, UNKNOWN, headline, text_of
from tests.channels.web.sample_answers import SAMPLES, SECRET

PAGE = "/tra-cuu"
API = "/api/v1/lookup"
KNOWN = SAMPLES["late"].code  # the first one stands on every page's picture of a slip
OTHER_DAY = SAMPLES["received"].code
_OF_THE_MOMENT = {"x-request-id", "date", "retry-after"}


async def guess(site: Site) -> None:
    """Ask for unknown codes of one office and day until they are refused."""
    for number in range(MISSES_PER_PREFIX.burst + 1):
        response = await site.client.get(f"{API}/H05.16-261102-8{number:03}")
    assert response.status == 429


async def test_the_page_asks_for_the_secret_and_takes_it(site: Site) -> None:
    await guess(site)
    response = await site.client.get(PAGE, params={"code": CODE})
    html = await text_of(response)
    assert response.status == 429
    assert headline(html) == "Xin nhập thêm mã tra cứu."
    assert "Mã tra cứu trên giấy hẹn vẫn dùng được" in html
    assert f'value="{CODE}"' in html
    assert 60 < int(response.headers["Retry-After"]) <= 180
    assert response.headers["Cache-Control"] == "no-store"
    proven = await site.client.post(PAGE, data={"code": CODE, "proof": SECRET})
    assert proven.status == 200
    unproven = await site.client.post(PAGE, data={"code": CODE, "proof": ""})
    assert unproven.status == 429


async def test_known_and_unknown_codes_are_refused_alike(site: Site) -> None:
    await guess(site)
    for path in (PAGE + "?code={}", API + "/{}", "/tra-cuu/live?code={}"):
        answers, sizes = [], list[int]()
        for code in (KNOWN, UNKNOWN):
            response = await site.client.get(path.format(code))
            headers = {name: value for name, value in response.headers.items() if name.lower() not in _OF_THE_MOMENT}
            sizes.append(int(headers.pop("Content-Length", 0)))
            answers.append((response.status, headers, (await response.text()).replace(code, "")))
        assert answers[0] == answers[1]
        assert abs(sizes[0] - sizes[1]) < 16  # compressed, one code takes a byte more than another
        assert answers[0][0] == 429


async def test_known_and_unknown_codes_are_refused_in_the_same_time(site: Site) -> None:
    """G41: medians less than 2 ms apart."""
    await guess(site)
    took: dict[str, list[float]] = {CODE: [], UNKNOWN: []}
    for _ in range(300):
        for code, times in took.items():
            began = perf_counter()
            await (await site.client.get(f"{API}/{code}")).read()
            times.append(perf_counter() - began)
    hit, miss = (statistics.median(times) for times in took.values())
    assert abs(hit - miss) < 0.002


async def test_an_answer_kept_as_bytes_is_refused_too(site: Site) -> None:
    for code in (CODE, OTHER_DAY):
        site.at_hand[code] = SAMPLES["in_progress" if code == CODE else "received"].dossier().public
        assert (await site.client.get(f"{API}/{code}")).status == 200
    await guess(site)
    assert (await site.client.get(f"{API}/{CODE}")).status == 429
    assert (await site.client.get(f"{API}/{OTHER_DAY}")).status == 200


async def test_the_api_says_that_a_proof_is_answered(site: Site) -> None:
    await guess(site)
    refused = await site.client.get(f"{API}/{CODE}")
    told = (await refused.json())["error"]
    assert told["code"] == "too_many_requests"
    assert "look-up secret on the slip" in told["message"]
    proven = await site.client.post(API, json={"code": CODE, "proof": SECRET})
    assert proven.status == 200
