"""`motma simulator`: a provider to send to, with faults by switches and a ledger of all it took."""

import argparse
import asyncio
from pathlib import Path

from service.commands import Subcommands
from service.commands.reconcile import pairs
from service.provider_simulator.faults import Faults, faults_of
from service.provider_simulator.provider import open_provider
from service.settings import Settings, SettingsError, address

DEFAULT_LISTEN = "127.0.0.1:8090"
EPILOG = """\
Point a service at it, which then sends to nobody:
  MOTMA_KANNEL_SENDSMS_URL=http://127.0.0.1:8090/cgi-bin/sendsms MOTMA_KANNEL_HOOK_SECRET=… motma up
  MOTMA_ESMS_API_URL=http://127.0.0.1:8090        MOTMA_TELEGRAM_API_URL=http://127.0.0.1:8090

switches, by --with NAME=VALUE or while it runs by
  curl -X PUT http://127.0.0.1:8090/faults -d '{"silent": 0.05, "receipts": true}'

  latency, jitter      seconds before a message is taken, and up to so many more
  answer_after         seconds between that and the answer
  too_many             share answered 429; retry_after: seconds it asks to wait
  broken               share answered 503
  odd                  share answered 200 with an error in the body
  silent               share taken, and never answered
  rate                 messages a second; more are answered 429
  receipts             true: report on what was taken, after receipt_after seconds
  late, late_by        share of receipts that come so many seconds later
  failed, missing      share reported undelivered; share never reported
  copies, reversed     each receipt so often; the last word first
  unknown              share that comes with a receipt about nobody's message

GET /faults shows the switches and what was answered, GET /ledger what was taken, a JSON line each:
  curl -s http://127.0.0.1:8090/ledger > taken.ndjson && motma reconcile taken.ndjson --route kannel
"""


def add(commands: Subcommands, _data: argparse.ArgumentParser) -> None:
    """Register the command."""
    one = commands.add_parser(
        "simulator",
        help="a provider to try against: faults by switches, a ledger of all it took",
        description="A provider that speaks Kannel's sendsms, eSMS's JSON and Telegram's Bot API, and sends to nobody.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    one.add_argument("--at", default=DEFAULT_LISTEN, metavar="HOST:PORT", help=f"where (default {DEFAULT_LISTEN})")
    one.add_argument("--ledger", type=Path, default=Path("ledger"), metavar="FILE", help="kept (default ./ledger)")
    one.add_argument("--with", dest="switches", action="append", default=[], metavar="NAME=VALUE", help="repeatable")
    one.add_argument("--telegram-limits", action="store_true", help="1 a second a chat, 30 a bot, 20 a minute a group")
    one.set_defaults(run=run)


def run(arguments: argparse.Namespace, _settings: Settings) -> int:
    """Until Ctrl-C."""
    faults = faults_of(pairs(arguments.switches, "--with"))
    asyncio.run(_serve(arguments, faults, *address(arguments.at)))
    return 0


async def _serve(arguments: argparse.Namespace, faults: Faults, host: str, port: int) -> None:
    try:
        async with open_provider(
            arguments.ledger,
            faults,
            host=host,
            port=port,
            strict_telegram=arguments.telegram_limits,
            remember=False,
        ) as (url, _):
            print(f"Ready: {url}, ledger {arguments.ledger} (Ctrl-C ends)", flush=True)
            await asyncio.Event().wait()
    except OSError as error:
        raise SettingsError(f"--at {host}:{port} cannot be had ({error.strerror}).") from None
