"""`motma quarantine`: what waits because nobody knows what it means; say what it means; read it again."""

import argparse
import asyncio
from collections import Counter

from channels.agency_api.replaying import Fate, Replay
from database.pool import Role, open_database
from domain.errors import NotFound
from domain.status import Status
from lookup.quarantine import map_status, overview, waiting_ids
from lookup.sender_words import map_kind
from service.commands import Subcommands
from service.servers import open_seal, open_servers
from service.settings import Settings
from service.wiring import Core, open_core

AT_ONCE = 500
SHOWN_REASONS = 10
AGENCY_BY_CODE = "SELECT id FROM agency WHERE code = $1 ORDER BY valid_to DESC NULLS FIRST LIMIT 1"


def add(commands: Subcommands, data: argparse.ArgumentParser) -> None:
    """Register the command and its three parts."""
    quarantine = commands.add_parser("quarantine", help="items with values nobody has explained yet")
    actions = quarantine.add_subparsers(metavar="ACTION", required=True)
    show = actions.add_parser("list", parents=[data], help="what waits, by sender and reason")
    show.set_defaults(run=lambda _a, s: asyncio.run(_list(s)))
    explain = actions.add_parser("map", parents=[data], help="say what a sender means by a word of its own")
    explain.add_argument("--agency", required=True, metavar="CODE", help="the sender; what it says holds for all below")
    explain.add_argument("--raw", required=True, metavar="VALUE", help="the sender's word, as `list` shows it")
    meaning = explain.add_mutually_exclusive_group(required=True)
    meaning.add_argument("--status", type=int, choices=range(1, 11), metavar="1-10", help="the status it means")
    meaning.add_argument("--kind", metavar="KIND", help="the kind of applicant it means (LoaiDoiTuong), e.g. citizen")
    explain.set_defaults(run=lambda a, s: asyncio.run(_map(a, s)))
    again = actions.add_parser("replay", parents=[data], help="read again what waits")
    again.add_argument("--agency", metavar="CODE", help="only what this sender sent")
    again.set_defaults(run=lambda a, s: asyncio.run(_replay(a.agency, s)))


async def _list(settings: Settings) -> int:
    async with (
        open_servers(settings) as servers,
        open_database(servers.database_url, roles=(Role.OPERATOR,), application="quarantine") as database,
        database.transaction(Role.OPERATOR) as connection,
    ):
        found = await overview(connection)
    for one in found:
        kind = "test" if one.test else "live"
        what = f"{one.field}={one.value!r}" if one.value is not None else one.reason
        print(f"{one.waiting:7,}  {one.agency_code:16}  {kind}  since {one.oldest:%Y-%m-%d}  {one.route}  {what}")
    print("`motma quarantine map` says what a value means." if found else "Nothing waits.")
    return 0


async def _map(arguments: argparse.Namespace, settings: Settings) -> int:
    async with (
        open_servers(settings) as servers,
        open_database(servers.database_url, roles=(Role.OPERATOR,), application="quarantine") as database,
        database.transaction(Role.OPERATOR) as connection,
    ):
        agency_id = await connection.fetchval(AGENCY_BY_CODE, arguments.agency)
        if agency_id is None:
            raise NotFound(f"There is no agency {arguments.agency}.")
        if arguments.kind is not None:
            await map_kind(connection, agency_id=agency_id, raw=arguments.raw.strip(), kind=arguments.kind)
            print(f"LoaiDoiTuong {arguments.raw!r} of {arguments.agency} means {arguments.kind} from now on.")
            return 0
        status = Status(arguments.status)
        await map_status(connection, agency_id=agency_id, raw=arguments.raw.strip(), status=status)
    print(f"{arguments.raw!r} of {arguments.agency} means {status:d} ({status.name.lower()}) from now on.")
    print("`motma quarantine replay` reads what waits again.")
    return 0


async def _replay(agency: str | None, settings: Settings) -> int:
    async with (
        open_servers(settings) as servers,
        open_core(servers, open_seal(settings), application="quarantine", answers_in_process=False) as core,
    ):
        fates, reasons = await replay_all(core, agency)
    print(", ".join(f"{fates[fate]:,} {fate}" for fate in Fate if fates[fate]) + "." if fates else "Nothing waits.")
    for reason, times in reasons.most_common(SHOWN_REASONS):
        print(f"{times:7,}  {reason}")
    return 0


async def replay_all(core: Core, agency: str | None) -> tuple[Counter[Fate], Counter[str]]:
    """Read again everything that waits, of one sender or of all; how it went, and why some of it did not go."""
    replay = Replay(database=core.database, seal=core.seal, registry=core.registry, writer=core.writer)
    fates: Counter[Fate] = Counter()
    reasons: Counter[str] = Counter()
    after = 0
    while True:
        async with core.database.transaction(Role.OPERATOR) as connection:
            waiting = await waiting_ids(connection, after=after, agency_code=agency, most=AT_ONCE)
        if not waiting:
            return fates, reasons
        for item_id, tenant in waiting:
            replayed = await replay.one(item_id, tenant)
            fates[replayed.fate] += 1
            if replayed.reason:
                reasons[replayed.reason] += 1
            after = item_id


STATEMENTS = (AGENCY_BY_CODE,)
