"""The history of a slip's dossier as an Atom feed (RFC 4287), for whoever follows news with a reader."""

import hashlib
from html import escape
from urllib.parse import urlsplit

from domain.dossier import HistoryEntry
from domain.language import Language
from domain.status import Stage
from lookup.deadlines import Punctuality
from lookup.disclosure import Answer
from lookup.wording import Words, day, long_day, next_step, next_step_of, stage_label, status_label

WORDS = Words("channels.receipts")
CONTENT_TYPE = "application/atom+xml"
# Readers ask every quarter of an hour at most, and nobody between them and us keeps what they are told.
CACHING = "private, max-age=900"


def feed(answer: Answer, language: Language, *, url: str, page_url: str, title: str) -> bytes:
    """The feed of one dossier, the newest entry first. It names no person and repeats nothing asked of one.

    The same until something changes, so that its digest says whether anything did.
    """
    host, proven = urlsplit(url).hostname or "", answer.proven
    base = f"tag:{host},2026:{answer.code}"
    history = sorted(proven.timeline, key=lambda entry: entry.at, reverse=True) if proven else []
    updated = history[0].at if history else answer.as_of
    entries = [
        _entry(entry, language, base=base, page_url=page_url, more=_now(answer, language) if n == 0 else "")
        for n, entry in enumerate(history)
    ]
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        f'<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="{language.value}">',
        f"<id>{escape(base)}</id>",
        f"<title>{escape(title)}</title>",
        f"<subtitle>{escape(stage_label(answer.stage, language))}</subtitle>",
        f"<updated>{updated.isoformat()}</updated>",
        f"<author><name>{escape(answer.agency.name)}</name></author>",
        f'<link rel="self" type="{CONTENT_TYPE}" href="{escape(url)}"/>',
        f'<link rel="alternate" type="text/html" href="{escape(page_url)}"/>',
        *entries,
        "</feed>\n",
    ]
    return "\n".join(lines).encode()


def etag(body: bytes) -> str:
    """What tells one state of a feed from another."""
    return hashlib.sha256(body).hexdigest()[:32]


def _entry(entry: HistoryEntry, language: Language, *, base: str, page_url: str, more: str) -> str:
    label = status_label(entry.status, language)
    said = " ".join(filter(None, (f"{long_day(entry.at, language)}: {label}.", entry.office, more)))
    return (
        f"<entry><id>{escape(base)}/{entry.at.isoformat()}/{int(entry.status)}</id>"
        f"<title>{escape(label)}</title><updated>{entry.at.isoformat()}</updated>"
        f'<link rel="alternate" type="text/html" href="{escape(page_url)}"/>'
        f'<content type="text">{escape(said)}</content></entry>'
    )


def _now(answer: Answer, language: Language) -> str:
    """What happens next; the day it is due, or that it was finished late."""
    proven = answer.proven
    then = next_step_of(proven.status, language) if proven else next_step(answer.stage, language)
    if answer.stage in {Stage.RECEIVED, Stage.IN_PROGRESS}:
        return f"{then} ({day(answer.due_on)})" if answer.due_on else then
    if proven is None or proven.punctuality is not Punctuality.FINISHED_LATE:
        return then
    days = proven.days_late
    return f"{then} {WORDS.say_n(language, 'feed.late_by', days) if days else WORDS.say(language, 'feed.late')}"
