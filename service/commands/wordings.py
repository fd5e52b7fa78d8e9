"""`motma wordings`: an agency's own words for its notices, shown with their price before they are used."""

import argparse
import asyncio
import sys
from pathlib import Path

from domain.errors import Malformed, NotFound
from domain.language import Language
from notifications.kinds import EventKind
from notifications.wordings import PARTS, Form, Preview, preview, write_words
from service.commands import Subcommands
from service.commands.offices import agency_id, for_agency, operating
from service.settings import Settings

# The newest version of each; what was taken back is not in use.
IN_USE = """
    SELECT * FROM (
        SELECT DISTINCT ON (t.agency_id, t.event, t.form, t.language)
               a.code AS agency, t.event, t.form, t.language, t.version, t.words, t.written_at
          FROM notice_text t JOIN agency a ON a.id = t.agency_id
         ORDER BY t.agency_id, t.event, t.form, t.language, t.version DESC) newest
     WHERE words IS NOT NULL ORDER BY agency, event, form, language"""
HAS_WORDS = """
    SELECT words IS NOT NULL FROM notice_text
     WHERE agency_id = $1 AND event = $2 AND form = $3 AND language = $4 ORDER BY version DESC LIMIT 1"""
LARGEST_FILE = 65_536  # bytes
DESCRIPTION = (
    "Words for one kind of change, form and language, with the parts of a notice in braces. {code} and {stop} must be "
    "among them; links may not. An SMS is written without accents and fits one segment; words that turn ambiguous "
    "without accents are refused. Where a part is not known, our own words are used."
)
EPILOG = f"""\
parts: {", ".join(sorted(PARTS))}

example:
  motma wordings preview result_ready --form sms \\
        --words 'HS {{code}}: da co ket qua. Moi Ong/Ba den {{office}} truoc 17 gio. {{stop}}'
  motma wordings set result_ready --form sms --agency H05.16 --words '…'
"""


def add(commands: Subcommands, data: argparse.ArgumentParser) -> None:
    """Register the command and its parts."""
    wordings = commands.add_parser(
        "wordings",
        help="agencies' own words for their notices",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = wordings.add_subparsers(metavar="ACTION", required=True)
    show = actions.add_parser("list", parents=[data], help="the words in use")
    show.set_defaults(run=lambda _a, s: asyncio.run(_list(s)))
    trial = actions.add_parser("preview", parents=[data], help="show what a person would read, and the price")
    _of(trial)
    _words(trial)
    trial.set_defaults(run=_preview)
    change = actions.add_parser("set", parents=[data], help="use these words from now on; they are shown first")
    _of(change)
    for_agency(change)
    _words(change)
    change.set_defaults(run=lambda a, s: asyncio.run(_set(a, s)))
    drop = actions.add_parser("drop", parents=[data], help="use our own words again")
    _of(drop)
    for_agency(drop)
    drop.set_defaults(run=lambda a, s: asyncio.run(_drop(a, s)))


def _of(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("event", choices=list(EventKind), metavar="KIND", help="a kind of change, see `motma rules -h`")
    parser.add_argument("--form", choices=list(Form), required=True, help="sms: one segment; full: lines with accents")
    parser.add_argument("--language", choices=list(Language), default=Language.VIETNAMESE, help="default vi")


def _words(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--words", metavar="TEXT", help="the words")
    source.add_argument("--file", type=Path, metavar="FILE", help="a file that holds them; - for standard input")


def _given(arguments: argparse.Namespace) -> str:
    if arguments.words is not None:
        return str(arguments.words)
    try:
        if str(arguments.file) == "-":
            return sys.stdin.read(LARGEST_FILE)
        with arguments.file.open(encoding="utf-8") as file:
            return str(file.read(LARGEST_FILE))
    except (OSError, UnicodeDecodeError) as error:
        raise Malformed(f"{arguments.file} cannot be read: {error}.") from None


def _show(arguments: argparse.Namespace, settings: Settings, words: str) -> Preview:
    """Raises `Invalid` with every reason why the words may not be used."""
    form = Form(arguments.form)
    shown = preview(words, form, Language(arguments.language), price=settings.sms_segment_price)
    print(shown.text)
    if form is Form.SMS:
        dong = f"{shown.dong:,}".replace(",", ".")
        print(f"-- {len(shown.text)} characters, {shown.segments} segment, {dong} đồng")
    return shown


def _preview(arguments: argparse.Namespace, settings: Settings) -> int:
    _show(arguments, settings, _given(arguments))
    return 0


async def _list(settings: Settings) -> int:
    async with operating(settings, "wordings") as connection:
        rows = await connection.fetch(IN_USE)
    for row in rows:
        written = f"version {row['version']} of {row['written_at']:%Y-%m-%d}"
        print(f"{row['agency']:16} {row['event']:19} {row['form']:5} {row['language']}  {written}")
        print("    " + row["words"].replace("\n", "\n    "))
    if not rows:
        print("No agency has words of its own.")
    return 0


async def _set(arguments: argparse.Namespace, settings: Settings) -> int:
    words = _given(arguments)
    _show(arguments, settings, words)
    async with operating(settings, "wordings") as connection:
        version = await write_words(
            connection,
            await agency_id(connection, arguments.agency),
            EventKind(arguments.event),
            Form(arguments.form),
            Language(arguments.language),
            words,
        )
    print(f"In use at {arguments.agency} and below within seconds, as version {version}.")
    return 0


async def _drop(arguments: argparse.Namespace, settings: Settings) -> int:
    event, form, language = EventKind(arguments.event), Form(arguments.form), Language(arguments.language)
    async with operating(settings, "wordings") as connection:
        agency = await agency_id(connection, arguments.agency)
        if not await connection.fetchval(HAS_WORDS, agency, event, form, language):
            raise NotFound(f"{arguments.agency} has no words of its own for {event} ({form}, {language}).")
        await write_words(connection, agency, event, form, language, None)
    print(f"{arguments.agency} uses the words of the agency above it, else ours.")
    return 0


STATEMENTS = (IN_USE, HAS_WORDS)
