"""`motma receipt`: slips of dossiers, one or a file of codes; and making those already printed void."""

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TextIO

from channels.receipts.printing import Format, Printing, Wanted, printed, printed_together
from channels.receipts.slip import Link, Slip
from domain.errors import Invalid, MalformedCode, NotFound
from domain.language import Language
from lookup.changes import Tenant
from lookup.codes import canonical
from lookup.receipts import Receipts, SlipFacts, made_secret
from service.commands import Subcommands
from service.receipts import printing, ways_to_ask
from service.servers import open_receipt_keys, open_seal, open_servers
from service.settings import Settings
from service.wiring import open_core

AT_ONCE = 500  # codes read together
MOST = 10_000  # slips in one file
BAR = 24  # characters
EVERY_ON_TERMINAL, EVERY_ELSEWHERE = 0.2, 10.0  # seconds between two signs of progress


def add(commands: Subcommands, data: argparse.ArgumentParser) -> None:
    """Register the command."""
    one = commands.add_parser("receipt", parents=[data], help="a receipt with its QR, or many from a file of codes")
    what = one.add_mutually_exclusive_group(required=True)
    what.add_argument("code", nargs="?", metavar="CODE", help="the dossier's code")
    what.add_argument("--from", dest="codes", type=Path, metavar="FILE", help="a code a line: a page or a picture each")
    one.add_argument(
        "--format",
        choices=list(Format),
        default=Format.PDF,
        type=Format,
        help="pdf: A5; thermal: PDF 80 mm wide; png, svg: the same roll (many: a ZIP)",
    )
    one.add_argument("-o", "--output", type=Path, metavar="FILE", help="where to write")
    one.add_argument("--language", choices=list(Language), default=Language.VIETNAMESE, type=Language)
    one.add_argument(
        "--with",
        dest="links",
        action="append",
        choices=list(Link),
        default=[],
        type=Link,
        help="a smaller code that opens a text message or the bot",
    )
    one.add_argument("--secret", metavar="TEXT", help="print the look-up secret; it must be the dossier's")
    one.add_argument("--new-secret", action="store_true", help="make a look-up secret and print it")
    one.add_argument("--revoke", action="store_true", help="make void what was printed until now; prints nothing")
    one.set_defaults(run=run)


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Print, or revoke."""
    if arguments.revoke and not arguments.code:
        raise Invalid("--revoke takes one CODE.")
    if not arguments.revoke and arguments.output is None:
        raise Invalid("-o FILE says where to write.")
    if arguments.codes and (arguments.secret or arguments.new_secret):
        raise Invalid("Slips with a secret are made one at a time.")
    codes = _codes_in(arguments.codes) if arguments.codes else [canonical(arguments.code)]
    return asyncio.run(_run(arguments, settings, codes))


async def _run(arguments: argparse.Namespace, settings: Settings, codes: list[str]) -> int:
    seal = open_seal(settings)
    async with (
        open_servers(settings) as servers,
        open_core(
            servers,
            seal,
            application="receipt",
            answers_in_process=False,
            receipts=open_receipt_keys(settings, seal),
        ) as core,
    ):
        receipts = Receipts(core.database, seal)
        if arguments.revoke:
            tenant = (await _owners(receipts, codes))[codes[0]]
            at = await receipts.revoke(tenant, codes[0])
            print(f"Receipts of {codes[0]} printed before {at:%Y-%m-%d %H:%M:%S} UTC are void.")
            return 0
        ways = ways_to_ask(settings, sms_number=settings.sms_number)
        wanted = Wanted(language=arguments.language, links=frozenset(arguments.links))
        if arguments.codes:
            slips = await slips_of(receipts, printing(core, ways), codes, wanted)
            progress = Progress(sys.stderr, len(slips))
            file = printed_together(slips, arguments.format, progress=progress.one_more)
            progress.end()
        else:
            file = await _one(receipts, printing(core, ways), codes[0], wanted, arguments)
    arguments.output.write_bytes(file)
    print(f"{arguments.output}: {len(codes):,} {'receipt' if len(codes) == 1 else 'receipts'}, {len(file):,} bytes.")
    return 0


async def _one(
    receipts: Receipts, printer: Printing, code: str, wanted: Wanted, arguments: argparse.Namespace
) -> bytes:
    tenant = (await _owners(receipts, [code]))[code]
    facts = (await receipts.facts(tenant, [code]))[0]
    if arguments.secret and not receipts.is_its_secret(facts, arguments.secret):
        raise Invalid("This secret does not open the dossier, so it must not be printed.")
    made = made_secret() if arguments.new_secret else None
    slip = printer.slip(facts, wanted, specimen=False, secret=made or arguments.secret)
    file = printed(slip, arguments.format)
    if made:
        await receipts.keep_secrets(tenant, {code: made})
    return file


async def slips_of(receipts: Receipts, printer: Printing, codes: Sequence[str], wanted: Wanted) -> list[Slip]:
    """The slips of `codes`, whoever they belong to, in their order. Raises `NotFound` for the first that is unknown."""
    owners = await _owners(receipts, codes)
    found: dict[str, SlipFacts] = {}
    by_owner = sorted(owners, key=lambda code: owners[code].agency_id)
    for _, together in groupby(by_owner, key=lambda code: owners[code].agency_id):
        theirs = list(together)
        for start in range(0, len(theirs), AT_ONCE):
            some = theirs[start : start + AT_ONCE]
            found |= {facts.code: facts for facts in await receipts.facts(owners[some[0]], some)}
    return [printer.slip(found[code], wanted, specimen=False) for code in codes]


async def _owners(receipts: Receipts, codes: Sequence[str]) -> dict[str, Tenant]:
    owners = await receipts.owners(codes)
    for code in codes:
        if code not in owners:
            raise NotFound(f"There is no dossier {code}.")
    return owners


def _codes_in(file: Path) -> list[str]:
    """The codes of a file, a line each; empty lines and what follows a `#` do not count. Raises `ServiceError`."""
    if not file.is_file():
        raise NotFound(f"There is no file {file}.")
    codes: list[str] = []
    for number, line in enumerate(file.read_text(encoding="utf-8-sig").splitlines(), start=1):
        if text := line.partition("#")[0].strip():
            try:
                codes.append(canonical(text))
            except MalformedCode as error:
                raise MalformedCode(f"{file}, line {number}: {error.message}") from None
    if not codes:
        raise Invalid(f"{file} names no dossier.")
    if len(codes) > MOST:
        raise Invalid(f"{file} names {len(codes):,} dossiers; {MOST:,} is the most at once.")
    return codes


class Progress:
    """A bar with the time left on a terminal, a plain line now and then elsewhere."""

    def __init__(self, out: TextIO, total: int) -> None:
        self._out = out
        self._total = total
        self._done = 0
        self._begun = self._shown = time.monotonic()

    def one_more(self) -> None:
        """A slip was made."""
        self._done += 1
        now = time.monotonic()
        if now - self._shown >= (EVERY_ON_TERMINAL if self._out.isatty() else EVERY_ELSEWHERE):
            self._shown = now
            self._say(now)

    def end(self) -> None:
        """Complete the bar, where there is one."""
        if self._out.isatty():
            self._say(time.monotonic())
            self._out.write("\n")

    def _say(self, now: float) -> None:
        part, seconds = self._done / self._total, max(now - self._begun, 1e-3)
        left = seconds / max(part, 1e-6) - seconds
        said = f"{part:4.0%} {self._done:,} of {self._total:,}, {int(left) // 60}:{int(left) % 60:02d} left"
        if self._out.isatty():
            full = round(BAR * part)
            self._out.write(f"\r\x1b[K[{'#' * full}{'-' * (BAR - full)}] {said}")
            self._out.flush()
        else:
            print(said, file=self._out, flush=True)
