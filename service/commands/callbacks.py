"""`motma callbacks listen`: a receiver to try callbacks with, on the integrator's own machine."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Sequence
from itertools import chain, cycle, repeat
from typing import Any, TextIO

import msgspec
from aiohttp import web

from channels.standard_webhooks import Verifier, key_of
from domain.civil_time import CIVIL_ZONE, utc_now
from domain.errors import Malformed, Unauthenticated
from service.commands import Subcommands
from service.settings import Settings, SettingsError, address

DEFAULT_LISTEN = "127.0.0.1:8099"
MOST_BODY = 1_048_576
EPILOG = """\
try it:
  MOTMA_CALLBACK_LOOPBACK=true ./run up --demo        # a service that may call this machine
  curl -s http://127.0.0.1:8080/api/v1/callbacks -H "Authorization: Bearer $KEY" \\
       -H "Content-Type: application/json" -d '{"url": "http://127.0.0.1:8099/"}'
  ./run motma callbacks listen --secret whsec_…       # the secret that came back

see what happens when a receiver fails:
  --answer 500,503,200      the first call gets 500, the second 503, every later one 200
  --answer 500,200 --repeat every other call fails
  --retry-after 30          say so with every 429 and 503
  --delay 20                answer later than callers wait
  --answer 410              ask never to be called again
"""


def add(commands: Subcommands, _data: argparse.ArgumentParser) -> None:
    """Register the command."""
    callbacks = commands.add_parser("callbacks", help="try what agencies' systems are told")
    actions = callbacks.add_subparsers(metavar="ACTION", required=True)
    one = actions.add_parser(
        "listen",
        help="hear, verify and show callbacks",
        description="Hear callbacks on this machine, verify their signatures, show them, answer as you wish.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    one.add_argument(
        "--secret",
        action="append",
        required=True,
        metavar="whsec_…",
        help="the receiver's secret; name the old one too while it is changed",
    )
    one.add_argument("--at", default=DEFAULT_LISTEN, metavar="HOST:PORT", help=f"where (default {DEFAULT_LISTEN})")
    one.add_argument("--answer", default="204", metavar="STATUS,…", help="what to answer, in turn (default 204)")
    one.add_argument("--repeat", action="store_true", help="begin the answers again after the last one")
    one.add_argument("--retry-after", type=int, metavar="SECONDS", help="beside every 429 and 503")
    one.add_argument("--delay", type=float, default=0.0, metavar="SECONDS", help="before every answer")
    one.add_argument("--json", action="store_true", help="show one JSON object a line, for programs")
    one.set_defaults(run=run)


def run(arguments: argparse.Namespace, _settings: Settings) -> int:
    """Until Ctrl-C."""
    try:
        keys = tuple(map(key_of, arguments.secret))
    except Malformed as error:
        raise SettingsError(error.message) from None
    listener = Listener(
        Verifier(keys),
        answers=answers_of(arguments.answer, repeated=arguments.repeat),
        retry_after=arguments.retry_after,
        delay=arguments.delay,
        show=show_json if arguments.json else show,
    )
    asyncio.run(_listen(listener, *address(arguments.at)))
    return 0


def answers_of(written: str, *, repeated: bool) -> "Sequence[int] | cycle[int] | chain[int]":
    """The statuses of `500,503,200`, without end. Raises `SettingsError`."""
    parts = written.split(",")
    if not all(part.strip().isascii() and part.strip().isdigit() and 200 <= int(part) <= 599 for part in parts):
        raise SettingsError("--answer is a list of HTTP statuses from 200 to 599, such as 500,503,200.")
    statuses = [int(part) for part in parts]
    return cycle(statuses) if repeated else chain(statuses, repeat(statuses[-1]))


class Listener:
    """A receiver as one ought to be: verifies the bytes before reading them, tells what came before."""

    def __init__(
        self,
        verifier: Verifier,
        *,
        answers: "Sequence[int] | cycle[int] | chain[int]",
        show: Callable[[dict[str, Any], TextIO], None],
        retry_after: int | None = None,
        delay: float = 0.0,
        out: TextIO | None = None,
    ) -> None:
        self._verifier = verifier
        self._answers = iter(answers)
        self._show = show
        self._retry_after = retry_after
        self._delay = delay
        self._out = out or sys.stdout
        self._seen: dict[str, int] = {}

    async def receive(self, request: web.Request) -> web.Response:
        """One call."""
        body = await request.read()
        said: dict[str, Any] = {"at": utc_now(), "id": request.headers.get("webhook-id"), "verified": True}
        try:
            message_id = self._verifier.message_id(request.headers, body)
        except Unauthenticated as error:
            status = 401
            said |= {"verified": False, "problem": error.message}
        else:
            status = next(self._answers)
            self._seen[message_id] = self._seen.get(message_id, 0) + 1
            said |= {"try": self._seen[message_id], "message": msgspec.json.decode(body)}
        said["answered"] = status
        if self._delay:
            await asyncio.sleep(self._delay)
        self._show(said, self._out)
        wish = {"Retry-After": str(self._retry_after)} if self._retry_after and status in {429, 503} else {}
        return web.Response(status=status, headers=wish)


def show(said: dict[str, Any], out: TextIO) -> None:
    """A delivery for people."""
    print(f"{said['at'].astimezone(CIVIL_ZONE):%H:%M:%S}  {said['id'] or 'no webhook-id'}", file=out)
    if not said["verified"]:
        print(f"          NOT GENUINE: {said['problem']} Check --secret and the clock.", file=out)
    else:
        message = said["message"]
        print(f"          {message['type']}   verified, try {said['try']}", file=out)
        for name, value in message["data"].items():
            print(f"          {name:16} {value}", file=out)
    print(f"          answered         {said['answered']}\n", file=out, flush=True)


def show_json(said: dict[str, Any], out: TextIO) -> None:
    """A delivery for programs."""
    print(msgspec.json.encode(said).decode(), file=out, flush=True)


async def _listen(listener: Listener, host: str, port: int) -> None:
    app = web.Application(client_max_size=MOST_BODY)
    app.router.add_route("*", "/{path:.*}", listener.receive)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise SettingsError(f"--at {host}:{port} cannot be had ({error.strerror}).") from None
        bound = runner.addresses[0]
        print(f"Listening at http://{bound[0]}:{bound[1]}/ (Ctrl-C ends)", flush=True)
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()
