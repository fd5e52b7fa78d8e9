"""`motma callbacks listen`: genuine calls are shown, forged ones called so, and answers are given as asked."""

import asyncio
import io
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import islice

import aiohttp
import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from standardwebhooks import Webhook

from channels.standard_webhooks import Verifier, key_of
from notifications.callbacks.receivers import made_secret
from service.__main__ import parser
from service.commands.callbacks import Listener, answers_of, show, show_json
from service.settings import SettingsError

SECRET = made_secret()
BODY = msgspec.json.encode(
    {"type": "dossier.created", "timestamp": "2026-11-02T01:00:00Z", "data": {"code": "H05.16-1", "status": 2}}
)


def headers(secret: str = SECRET, message_id: str = "chg_1") -> dict[str, str]:
    """Those of a call signed now, by the library of Standard Webhooks."""
    now = datetime.now(UTC)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(message_id, now, BODY.decode()),
        "content-type": "application/json",
    }


class Trial:
    """A listener that runs, and what it printed."""

    def __init__(self, url: str, out: io.StringIO) -> None:
        self.url = url
        self.out = out

    async def call(self, sent: dict[str, str]) -> tuple[int, str | None]:
        """Status and Retry-After of the answer."""
        async with aiohttp.ClientSession() as http, http.post(self.url, data=BODY, headers=sent) as answer:
            return answer.status, answer.headers.get("Retry-After")


@pytest.fixture(params=[show, show_json])
async def trial(request: pytest.FixtureRequest) -> AsyncIterator[Trial]:
    """Answers 503, then 200."""
    out = io.StringIO()
    listener = Listener(
        Verifier((key_of(SECRET),)),
        answers=answers_of("503,200", repeated=False),
        show=request.param,
        retry_after=30,
        out=out,
    )
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", listener.receive)
    server = TestServer(app)
    await server.start_server()
    yield Trial(str(server.make_url("/hook")), out)
    await server.close()


async def test_calls_are_verified_shown_and_answered_in_turn(trial: Trial) -> None:
    assert await trial.call(headers()) == (503, "30")
    assert await trial.call(headers()) == (200, None)
    assert await trial.call(headers(message_id="chg_2")) == (200, None)
    said = trial.out.getvalue()
    assert "H05.16-1" in said
    if said.startswith("{"):
        assert [msgspec.json.decode(line)["try"] for line in said.splitlines()] == [1, 2, 1]
    else:
        assert "verified, try 2" in said


async def test_a_forged_call_is_called_so_and_uses_up_no_answer(trial: Trial) -> None:
    assert await trial.call(headers(secret=made_secret())) == (401, None)
    assert await trial.call({}) == (401, None)
    assert "H05.16-1" not in trial.out.getvalue()
    assert await trial.call(headers()) == (503, "30")


def test_answers_go_on_with_the_last_or_begin_again() -> None:
    assert list(islice(answers_of("500, 429,200", repeated=False), 5)) == [500, 429, 200, 200, 200]
    assert list(islice(answers_of("500,200", repeated=True), 5)) == [500, 200, 500, 200, 500]


@pytest.mark.parametrize("written", ["", "ok", "99", "600", "200,", "２００"])
def test_what_is_no_status_is_told(written: str) -> None:
    with pytest.raises(SettingsError, match="HTTP statuses"):
        answers_of(written, repeated=False)


def test_the_help_says_how_to_try_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["callbacks", "listen", "--help"])
    said = capsys.readouterr().out
    assert "MOTMA_CALLBACK_LOOPBACK=true" in said
    assert "--answer 500,503,200" in said


async def test_the_program_runs_and_says_where() -> None:
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "service", "callbacks", "listen", "--secret", SECRET, "--at", "127.0.0.1:0",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert program.stdout is not None
    try:
        line = (await asyncio.wait_for(program.stdout.readline(), 20)).decode()
        assert line.startswith("Listening at http://127.0.0.1:")
        assert await Trial(line.split()[2], io.StringIO()).call(headers()) == (204, None)
        assert b"chg_1" in await asyncio.wait_for(program.stdout.readline(), 5)
    finally:
        program.terminate()
        await program.wait()
