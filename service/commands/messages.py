"""`motma messages`: what was sent to whom, when, and what became of it; followed, exported, sent again."""

import argparse
import asyncio
import csv
import re
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TextIO

import msgspec

from channels.agency_api.messages import message_said
from database.pool import Connection, Database, Role, open_database
from domain.civil_time import CIVIL_ZONE, utc_now
from domain.contact import ChannelName, Contact, e164
from domain.errors import Invalid, NotFound
from domain.message import DeliveryState
from lookup.cells import guarded
from lookup.codes import canonical
from lookup.sealing import Seal
from notifications.dead_letters import replay
from notifications.timeline import Message, Step, Timeline, Wanted
from service.commands import Subcommands
from service.commands.keys import AGENCY_BY_CODE
from service.servers import open_seal, open_servers
from service.settings import Settings

STATES = {state.name.lower(): state for state in DeliveryState}
PAGE = 500
LATE = 500  # ids that may still be committed behind the newest seen
LOOK_EVERY = 1.0  # seconds
LONGEST_LIFE = timedelta(days=3)  # that is followed
OPERATOR_LIMIT = "SELECT set_config('statement_timeout', '60s', true)"
_AGO = re.compile(r"(\d{1,5})([mhd])", re.ASCII)
_UNIT = {"m": "minutes", "h": "hours", "d": "days"}
EPILOG = """\
examples:
  motma messages --dossier H05.16-261102-0001          everything sent about one dossier
  motma messages --contact 0901234567                  to one phone; it is looked up by its digest, never printed
  motma messages --contact telegram:5000001 --steps    to one chat, each with its life
  motma messages --state dead --state failed --since 7d
  motma messages --follow --agency H05                 as it happens, of an agency and all below it
  motma messages show 4711                             one life, step by step
  motma messages replay 4711 4712                      queue again what was given up
  motma messages export --since 1d --format csv -o messages.csv

states: """ + " ".join(STATES)
COLUMNS = (
    *("id", "state", "kind", "event", "dossier", "agency", "channel", "route", "provider_id", "contact", "queued_at"),
    *("handed_over_at", "ended_at", "attempts", "failure", "dong"),
)


def add(commands: Subcommands, data: argparse.ArgumentParser) -> None:
    """Register the command and its parts."""
    which = _filters()
    messages = commands.add_parser(
        "messages",
        parents=[data, which],
        help="what was sent, and what became of it",
        description="Messages, the newest last; of one day unless a dossier, a contact or --since says otherwise.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    messages.add_argument("--steps", action="store_true", help="show the life of each")
    messages.add_argument("--follow", action="store_true", help="show what happens from now on, until Ctrl-C")
    messages.add_argument("--most", type=int, default=50, metavar="N", help="how many (default 50)")
    messages.set_defaults(run=lambda a, s: asyncio.run(_list(a, s)))
    actions = messages.add_subparsers(metavar="ACTION", required=False)
    show = actions.add_parser("show", parents=[data], help="the life of some messages, step by step")
    show.add_argument("ids", nargs="+", type=int, metavar="ID")
    show.set_defaults(run=lambda a, s: asyncio.run(_show(a, s)))
    again = actions.add_parser("replay", parents=[data], help="queue again what was given up (dead or failed)")
    again.add_argument("ids", nargs="+", type=int, metavar="ID")
    again.set_defaults(run=lambda a, s: asyncio.run(_replay(a, s)))
    export = actions.add_parser("export", parents=[data, which], help="write all that fit to a file")
    export.add_argument("--format", choices=("ndjson", "csv"), default="ndjson", help="default ndjson")
    export.add_argument("-o", "--output", type=Path, metavar="FILE", help="where to write (default: standard output)")
    export.set_defaults(run=lambda a, s: asyncio.run(_export(a, s)))


def _filters() -> argparse.ArgumentParser:
    which = argparse.ArgumentParser(add_help=False)
    which.add_argument("--dossier", metavar="CODE", help="about one dossier")
    which.add_argument("--contact", metavar="WHO", help="a phone, an e-mail address, or channel:address")
    which.add_argument("--state", action="append", default=[], choices=list(STATES), metavar="STATE", help="repeatable")
    which.add_argument("--channel", metavar="NAME", help="sms, zns, telegram, …")
    which.add_argument("--agency", metavar="CODE", help="of this agency and all below it")
    which.add_argument("--since", metavar="WHEN", help="30m, 12h, 7d, or a day or time: 2026-11-22, 2026-11-22T08:00")
    return which


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What the parts of the command work with."""

    database: Database
    seal: Seal
    timeline: Timeline

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A transaction as operator, with an operator's patience."""
        async with self.database.transaction(Role.OPERATOR) as connection:
            await connection.execute(OPERATOR_LIMIT)
            yield connection

    async def messages(self, wanted: Wanted, most: int) -> list[Message]:
        """The newest first."""
        async with self.connection() as connection:
            return await self.timeline.messages(connection, wanted, most=most)

    async def by_id(self, ids: Sequence[int]) -> list[Message]:
        """The newest first."""
        async with self.connection() as connection:
            return await self.timeline.by_id(connection, ids)


@asynccontextmanager
async def _desk(settings: Settings) -> AsyncIterator[Desk]:
    seal = open_seal(settings)
    async with (
        open_servers(settings) as servers,
        open_database(servers.database_url, roles=(Role.OPERATOR,), application="messages") as database,
    ):
        yield Desk(database=database, seal=seal, timeline=Timeline(seal))


async def _list(arguments: argparse.Namespace, settings: Settings) -> int:
    async with _desk(settings) as desk:
        wanted = await _wanted(arguments, desk)
        if arguments.follow:
            await follow(desk, replace(wanted, since=wanted.since or utc_now()), sys.stdout)
        found = await desk.messages(wanted, max(1, arguments.most))
    for message in reversed(found):
        _say(message, sys.stdout)
        if arguments.steps:
            _say_life(message, sys.stdout)
    if not found:
        print("No message fits.")
    elif len(found) == arguments.most:
        print(f"The newest {len(found)}; --most N shows more, `motma messages export` all.", file=sys.stderr)
    return 0


async def _show(arguments: argparse.Namespace, settings: Settings) -> int:
    async with _desk(settings) as desk:
        found = await desk.by_id(_ids(arguments))
    for message in reversed(found):
        _say(message, sys.stdout)
        _say_life(message, sys.stdout)
    return _missing(set(arguments.ids) - {message.message_id for message in found}, "There is no message")


async def _replay(arguments: argparse.Namespace, settings: Settings) -> int:
    async with _desk(settings) as desk, desk.connection() as connection:
        queued = await replay(connection, _ids(arguments))
    print(f"{len(queued):,} queued again.")
    return _missing(set(arguments.ids) - queued, "Neither dead nor failed, or a one-time code, or not there:")


async def _export(arguments: argparse.Namespace, settings: Settings) -> int:
    async with _desk(settings) as desk:
        wanted = await _wanted(arguments, desk)
        with _opened(arguments.output, arguments.format) as out:
            write = written(out, arguments.format)
            number = 0
            while page := await desk.messages(wanted, PAGE):
                for message in page:
                    write(message)
                number += len(page)
                wanted = replace(wanted, before=page[-1].message_id)
    if arguments.output:
        print(f"{number:,} messages: {arguments.output}")
    return 0


async def _wanted(arguments: argparse.Namespace, desk: Desk) -> Wanted:
    """What the filters say. Raises `Invalid`, `NotFound`, `MalformedCode`."""
    for name in ("dossier", "contact", "agency", "channel", "since"):
        if getattr(arguments, name) == "":  # a script's variable that was never set must not mean everybody
            raise Invalid(f"--{name} is empty.")
    if arguments.dossier and arguments.contact:
        raise Invalid("Name a dossier or a contact, not both.")
    if arguments.agency and (arguments.dossier or arguments.contact):
        raise Invalid("--agency goes with neither --dossier nor --contact.")
    agency_id = None
    if arguments.agency:
        async with desk.connection() as connection:
            agency_id = await connection.fetchval(AGENCY_BY_CODE, arguments.agency)
        if agency_id is None:
            raise NotFound(f"There is no agency {arguments.agency}.")
    since = since_of(arguments.since) if arguments.since else None
    if since is None and not arguments.dossier and not arguments.contact:
        since = utc_now() - timedelta(days=1)
    return Wanted(
        dossier=canonical(arguments.dossier) if arguments.dossier else None,
        contact=desk.seal.contact(contact_of(arguments.contact)) if arguments.contact else None,
        states=tuple(STATES[name] for name in arguments.state),
        channel=arguments.channel,
        agency_id=agency_id,
        since=since,
    )


def contact_of(text: str) -> Contact:
    """`0901234567`, `a@b.vn`, `telegram:5000001`. Raises `Invalid`."""
    channel, colon, address = text.partition(":")
    if colon:
        phone = channel in {ChannelName.SMS, "zns"}
        return Contact(channel=ChannelName(channel), address=e164(address) if phone else address.strip())
    if "@" in text:
        return Contact(channel=ChannelName("email"), address=text.strip().lower())
    return Contact(channel=ChannelName.SMS, address=e164(text))


def since_of(text: str) -> datetime:
    """`30m`, `12h`, `7d` ago, or a day or time, in Vietnam unless it says its offset. Raises `Invalid`."""
    if ago := _AGO.fullmatch(text):
        return utc_now() - timedelta(**{_UNIT[ago[2]]: int(ago[1])})
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(f"--since takes 30m, 12h, 7d, a day or a time such as 2026-11-22T08:00, not {text!r}.") from None
    return at if at.tzinfo else at.replace(tzinfo=CIVIL_ZONE)


async def follow(desk: Desk, wanted: Wanted, out: TextIO, *, looks: int | None = None) -> None:
    """Say each step of messages since `wanted.since` as it happens; for ever, or for so many `looks`."""
    said: dict[int, tuple[int, datetime | None]] = {}  # id -> steps said; when it was queued, while it lives
    while looks is None or looks > 0:
        newest = max(said, default=0)
        found = await desk.messages(replace(wanted, after=max(0, newest - LATE)), PAGE)
        living = [number for number, (_, queued) in said.items() if queued and utc_now() - queued < LONGEST_LIFE]
        found += await desk.by_id(sorted(set(living) - {message.message_id for message in found})[-PAGE:])
        for message in sorted(found, key=lambda message: message.message_id):
            told, _ = said.get(message.message_id, (0, None))
            for step in message.steps[told:]:
                print(_line(step, message), file=out, flush=True)
            alive = message.state < DeliveryState.NO_RECEIPT
            said[message.message_id] = len(message.steps), message.created_at if alive else None
        if looks is not None:
            looks -= 1
        if looks != 0:
            await asyncio.sleep(LOOK_EVERY)


def _say(message: Message, out: TextIO) -> None:
    what = message.event or message.kind
    cost = f"  {message.dong:,} đ" if message.dong else ""
    why = f"  {message.failure}" if message.failure and message.state != DeliveryState.HANDED_OVER else ""
    print(
        f"{message.message_id:>9}  {_local(message.created_at)}  {message.state.name.lower():<11}  "
        f"{message.route or message.channel:<10}  {what:<14}  {message.dossier or '-':<22}  "
        f"{message.contact}{cost}{why}",
        file=out,
    )


def _say_life(message: Message, out: TextIO) -> None:
    for step in message.steps:
        print(f"{'':>11}{_line(step)}", file=out)


def _line(step: Step, message: Message | None = None) -> str:
    """One step. With its message, for lines of many messages; a report is named by its state."""
    state = f" {step.state.name.lower()}" if step.state is not None and step.what in {"reported", "ended"} else ""
    parts = [
        f"#{step.attempt}" if step.attempt else "",
        step.route or "",
        f"message {step.other}" if step.other else "",
        f"({step.word})" if step.word else "",
        f"{message.dossier or '-'} {message.contact}" if message else "",
    ]
    head = f"{_local(step.at)}  " + (f"{message.message_id:>9}  " if message else "")
    return f"{head}{step.what}{state}  {' '.join(part for part in parts if part)}".rstrip()


def _local(at: datetime) -> str:
    return f"{at.astimezone(CIVIL_ZONE):%d/%m %H:%M:%S}"


@contextmanager
def _opened(path: Path | None, form: str) -> Iterator[TextIO]:
    """The file to write, or standard output. A CSV begins with the mark by which Excel knows UTF-8."""
    if path is None:
        yield sys.stdout
        return
    with path.open("w", encoding="utf-8-sig" if form == "csv" else "utf-8", newline="") as out:
        yield out


def written(out: TextIO, form: str) -> Callable[[Message], object]:
    """Writes one message a line."""
    if form == "ndjson":
        return lambda message: out.write(msgspec.json.encode(_record(message)).decode() + "\n")
    rows = csv.writer(out)
    rows.writerow(COLUMNS)
    return lambda message: rows.writerow([guarded(cell) for cell in _cells(message)])


def _record(message: Message) -> dict[str, Any]:
    return {**message_said(message), "agency": message.agency, "dossier": message.dossier, "route": message.route}


def _cells(message: Message) -> Iterable[object]:
    handed_over = next((step.at for step in message.steps if step.what == "handed_over"), None)
    yield from (message.message_id, message.state.name.lower(), message.kind, message.event, message.dossier)
    yield from (message.agency, message.channel, message.route, message.provider_id, message.contact)
    yield from (_iso(message.created_at), _iso(handed_over), _iso(message.settled_at))
    yield from (message.attempts, message.failure, message.dong)


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(CIVIL_ZONE).isoformat(timespec="seconds")


def _ids(arguments: argparse.Namespace) -> list[int]:
    """Raises `Invalid`."""
    ids = sorted(set(arguments.ids))
    if ids[0] <= 0 or ids[-1] >= 2**63 or len(ids) > PAGE:
        raise Invalid(f"Name up to {PAGE} messages by their numbers, as `motma messages` shows them.")
    return ids


def _missing(ids: set[int], said: str) -> int:
    if ids:
        print(f"{said} {', '.join(map(str, sorted(ids)))}.", file=sys.stderr)
    return 1 if ids else 0


STATEMENTS = (OPERATOR_LIMIT,)
