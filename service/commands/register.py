"""`motma register verify`: whether anybody tampered with a public register; needs its address and nothing else."""

import argparse
import asyncio
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import msgspec

from domain.errors import Invalid, Malformed, Unavailable
from feedback_intake.chain import Verdict, Verifier, digests_in
from feedback_intake.checkpoints import Checkpoint, read_checkpoint
from service.commands import Subcommands
from service.settings import Settings

CHAIN = "/cong-khai/chain.ndjson"
CHECKPOINTS = "/cong-khai/checkpoints"
PIECE = 1 << 16  # bytes
_PATIENCE = aiohttp.ClientTimeout(total=None, connect=10, sock_read=60)
EPILOG = """\
examples:
  motma register verify https://motma.example                           the register as it is served now
  motma register verify https://motma.example --keep register.ndjson    and keep it
  motma register verify https://motma.example --against register.ndjson nothing of what was kept may have changed
  motma register verify register.ndjson --key 3f0a…                     a file, its checkpoints signed by a known key

Exit code 0: nothing was tampered with. 1: something was, each fault in a line. docs/register.md has the format."""


def add(commands: Subcommands, data: argparse.ArgumentParser) -> None:  # noqa: ARG001 - needs no servers
    """Register the command."""
    register = commands.add_parser("register", help="the public register of feedback that was answered")
    actions = register.add_subparsers(metavar="ACTION", required=True)
    verify = actions.add_parser(
        "verify",
        help="find what was changed, deleted, moved or hidden",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verify.add_argument("source", nargs="?", metavar="URL|FILE", help="default: this installation's public address")
    verify.add_argument(
        "--against", type=Path, action="append", default=[], metavar="FILE", help="kept before; repeatable"
    )
    verify.add_argument("--keep", type=Path, metavar="FILE", help="write what was read there, for the next time")
    verify.add_argument("--key", metavar="HEX", help="the key that checkpoints must be signed with")
    verify.set_defaults(run=lambda a, s: asyncio.run(_verify(a, s)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What there is to verify: the chain as a file, and the checkpoints beside it."""

    chain: Path
    checkpoints: list[Checkpoint]


async def _verify(arguments: argparse.Namespace, settings: Settings) -> int:
    source = arguments.source or settings.url
    with tempfile.TemporaryDirectory(prefix="motma-register-") as folder:
        read = await _read(source, Path(folder))
        verdict = _verdict(read, arguments.against)
        if verdict.faults and _is_address(source):
            # Something may have been removed while it was read: only what is still wrong is wrong.
            read = await _read(source, Path(folder))
            verdict = _verdict(read, arguments.against)
        if arguments.keep:
            shutil.copyfile(read.chain, arguments.keep)
            with arguments.keep.open("ab") as out:
                out.writelines(msgspec.json.encode(each) + b"\n" for each in read.checkpoints)
    forged = [each for each in read.checkpoints if not each.genuine or (arguments.key and each.key != arguments.key)]
    _say(verdict, read.checkpoints, forged)
    return 1 if verdict.faults or forged else 0


def _verdict(read: Read, against: Iterable[Path]) -> Verdict:
    known: defaultdict[int, list[tuple[str, str]]] = defaultdict(list)
    for checkpoint in read.checkpoints:
        known[checkpoint.n].append((f"the checkpoint of {checkpoint.day}", checkpoint.digest))
    for path in against:
        with path.open("rb") as kept:
            for n, said in digests_in(kept, path.name):
                known[n].append(said)
    with read.chain.open("rb") as lines:
        return Verifier(known=known).read(lines)


async def _read(source: str, folder: Path) -> Read:
    """From an address, or from a file that `--keep` wrote: checkpoints stand after the chain there."""
    chain, beside = folder / "chain.ndjson", folder / "checkpoints"
    if _is_address(source):
        async with aiohttp.ClientSession(timeout=_PATIENCE) as http:
            await _fetch(http, source.rstrip("/") + CHAIN, chain)
            await _fetch(http, source.rstrip("/") + CHECKPOINTS, beside)
    else:
        _sort(Path(source), chain, beside)
    try:
        return Read(chain=chain, checkpoints=[read_checkpoint(line) for line in beside.read_bytes().splitlines()])
    except msgspec.MsgspecError:
        raise Malformed(f"{source}: a checkpoint cannot be read.") from None


async def _fetch(http: aiohttp.ClientSession, url: str, to: Path) -> None:
    try:
        async with http.get(url, allow_redirects=True) as response:
            if response.status != 200:
                raise Unavailable(f"{url} answers {response.status}.")
            with to.open("wb") as out:
                async for piece in response.content.iter_chunked(PIECE):
                    out.write(piece)
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise Unavailable(f"{url} cannot be read: {type(error).__name__}.") from error


def _sort(source: Path, chain: Path, beside: Path) -> None:
    if not source.is_file():
        raise Invalid(f"{source} is neither an address nor a file.")
    with source.open("rb") as lines, chain.open("wb") as records, beside.open("wb") as checkpoints:
        for line in lines:
            (checkpoints if line.startswith(b'{"day":') else records).write(line)


def _is_address(source: str) -> bool:
    return source.startswith(("http://", "https://"))


def _say(verdict: Verdict, checkpoints: list[Checkpoint], forged: list[Checkpoint]) -> None:
    for fault in verdict.faults:
        print(f"{fault.kind}: {fault.words}")
    for checkpoint in forged:
        print(f"forged: The checkpoint of {checkpoint.day} is not signed by the key it should be.")
    print(f"{verdict.records:,} records: {verdict.entries:,} entries, {verdict.removals:,} removals.")
    keys = sorted({each.key for each in checkpoints})
    print(f"{len(checkpoints):,} checkpoints" + (f", signed by {', '.join(keys)}." if keys else "."))
    print(f"Head: record {verdict.n}, {verdict.digest}")
    print("Tampered with." if verdict.faults or forged else "Nothing was tampered with.")
