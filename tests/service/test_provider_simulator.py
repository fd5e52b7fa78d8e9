"""The provider simulator: a ledger on disk before the answer, faults by switches, receipts as they may come."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from domain.errors import Invalid
from service.__main__ import parser
from service.provider_simulator.faults import Faults, Window, faults_of
from service.provider_simulator.provider import ESMS, SENDSMS, Provider, open_provider
from tests.cache.waiting import until


@pytest.fixture
async def provider(tmp_path: Path) -> AsyncIterator[tuple[str, Provider]]:
    """A provider with which nothing is wrong."""
    async with open_provider(tmp_path / "ledger") as opened:
        yield opened


@pytest.fixture
async def hooks() -> AsyncIterator[tuple[str, list[str]]]:
    """Where receipts come, and what they said."""
    said: list[str] = []

    async def heard(request: web.Request) -> web.Response:
        said.append(request.query_string)
        return web.Response()

    app = web.Application()
    app.router.add_get("/dlr", heard)
    server = TestServer(app)
    await server.start_server()
    yield str(server.make_url("/dlr")), said
    await server.close()


async def sendsms(http: aiohttp.ClientSession, url: str, hook: str, number: int = 7) -> tuple[int, str, str | None]:
    query = {"to": "+84901234567", "text": "Xin chào", "dlr-url": f"{hook}?mid={number}&type=%d&id=%F&reply=%A"}
    async with http.get(url + SENDSMS, params=query) as answer:
        return answer.status, await answer.text(), answer.headers.get("Retry-After")


async def test_what_is_taken_stands_in_the_ledger_without_its_words(
    provider: tuple[str, Provider], tmp_path: Path
) -> None:
    url, opened = provider
    async with aiohttp.ClientSession() as http:
        assert (await sendsms(http, url, "http://127.0.0.1:1/dlr"))[0] == 202
        wanted = {"Phone": "0901234567", "Content": "Xin chào", "RequestId": "8-0123456789abcdef", "CallbackUrl": ""}
        async with http.post(url + ESMS, json=wanted) as answer:
            assert (await answer.json())["CodeResult"] == "100"
        async with http.post(f"{url}/bot1:x/sendMessage", json={"chat_id": 5, "text": "a"}) as answer:
            assert (await answer.json())["ok"] is True
        async with http.get(f"{url}/ledger") as answer:
            told = [msgspec.json.decode(line) for line in (await answer.read()).splitlines()]
    assert [line["reference"] for line in told] == ["7", "8", "telegram:3"]
    assert opened.ledger.times_taken() == {"7": 1, "8": 1, "telegram:3": 1}
    assert "Xin" not in (tmp_path / "ledger").read_text("utf-8")


async def test_each_switch_does_what_it_says(provider: tuple[str, Provider]) -> None:
    url, opened = provider
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.5)) as http:
        answers = {}
        for switches in ({"too_many": 1, "retry_after": 30}, {"broken": 1}, {"odd": 1}, {"rate": 0}):
            async with http.put(f"{url}/faults", json=switches) as turned:
                assert turned.status == 200
            answers[next(iter(switches))] = await sendsms(http, url, "http://127.0.0.1:1/dlr")
            opened.faults = Faults()
        assert [answer[0] for answer in answers.values()] == [429, 503, 200, 429]
        assert (answers["too_many"][2], answers["odd"][1][:2]) == ("30", "4:")
        opened.faults = Faults(silent=1)
        with pytest.raises(TimeoutError):
            await sendsms(http, url, "http://127.0.0.1:1/dlr")
        async with http.put(f"{url}/faults", json={"colour": 1}) as refused:
            assert refused.status == 422
    assert opened.ledger.times_taken() == {"7": 1}
    assert opened.seen["silent"] == 1


async def test_receipts_come_reversed_doubled_and_about_strangers(
    provider: tuple[str, Provider], hooks: tuple[str, list[str]]
) -> None:
    (url, opened), (hook, said) = provider, hooks
    opened.faults = Faults(receipts=True, receipt_after=0, copies=2, reversed_=True, unknown=1)
    async with aiohttp.ClientSession() as http:
        await sendsms(http, url, hook)
        await until(lambda: len(said) == 5)
        assert [line.split("&")[0] for line in said] == ["mid=7"] * 4 + ["mid=4000000000000000000"]
        assert [line.split("&")[1] for line in said] == ["type=1", "type=1", "type=8", "type=8", "type=1"]
        opened.faults = Faults(receipts=True, missing=1)
        await sendsms(http, url, hook, 9)
    assert not [line for line in said if "mid=9" in line]


async def test_telegrams_limits_are_kept_where_they_are_asked_for(tmp_path: Path) -> None:
    async with open_provider(tmp_path / "ledger", strict_telegram=True) as (url, _), aiohttp.ClientSession() as http:
        statuses = []
        for chat in (1, 1, 2):
            async with http.post(f"{url}/bot1:x/sendMessage", json={"chat_id": chat, "text": "a"}) as answer:
                statuses.append(answer.status)
    assert statuses == [200, 429, 200]


def test_a_window_holds_no_more_than_it_may() -> None:
    at = [0.0]
    window = Window(clock=lambda: at[0])
    assert [window.wait(2) for _ in range(3)] == [0.0, 0.0, 1.0]
    at[0] = 1.0
    assert window.wait(2) == 0.0


def test_switches_are_checked() -> None:
    assert faults_of({"receipts": "true", "rate": "off", "copies": "3"}) == Faults(receipts=True, copies=3)
    for wrong in ({"colour": 1}, {"silent": "often"}, {"silent": -1}):
        with pytest.raises(Invalid):
            faults_of(wrong)
    assert parser().parse_args(["simulator", "--with", "silent=0.1"]).switches == ["silent=0.1"]
