"""The public register: what is published of a case, what the public will see of it, and what is taken out again.

NĐ 20/2008 Đ19 has the results of handling published. That needs no consent where nobody can be recognised; a name does,
and so do the sender's own words (docs/decisions/0013).
"""

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from typing import Any

from database.pool import Connection
from domain.civil_time import civil_day
from domain.errors import Invalid, NotFound
from domain.vietnamese import clean, folded
from feedback_intake.chain import PARTS, Record, commitment, part_digest, record_digest, stamp
from feedback_intake.filing import LONGEST_TEXT, FeedbackKind, MayPublish
from feedback_intake.traces import Finding, traces
from lookup.sealing import Seal

SALT_BYTES = 16
LONGEST_WORD = 40  # characters that are searched
_WORD = re.compile(r"\w+")

ABOUT_CASE = """
    SELECT c.holder_agency, a.code, a.name, c.content, c.confidential, c.answered_at, c.answer_due_on, c.reopened
      FROM feedback_case c JOIN agency a ON a.id = c.holder_agency WHERE c.id = $1"""
FILED = """
    SELECT kind, text_sealed, name_sealed, postal_address_sealed, may_publish, received_on
      FROM feedback WHERE case_id = $1 ORDER BY id"""
NEWEST_ANSWER = """
    SELECT text_sealed FROM feedback_answer
     WHERE case_id = $1 AND approved_at IS NOT NULL ORDER BY approved_at DESC LIMIT 1"""
# Whoever publishes waits here for the one before, until that transaction ends: the register has one order.
ADVANCE = """
    UPDATE register_head SET n = n + 1, at = greatest(at, clock_timestamp()) RETURNING n, at, digest"""
APPEND = """
    WITH head AS (UPDATE register_head SET digest = $7)
    INSERT INTO register_record (n, at, kind, entry, content, previous, digest) VALUES ($1, $2, $3, $4, $5, $6, $7)"""
ENTER = """
    INSERT INTO register_entry (n, case_id, published_by, agency_id, kind, content, filed_on, answered_on, on_time,
                                published_at, facts, facts_salt, question, question_salt, answer, answer_salt, name,
                                name_salt, digests, words)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
            array_to_tsvector($20::text[] || register_places($4, $1)))"""
EARLIER = "SELECT n FROM register_entry WHERE case_id = $1 AND replaced_by IS NULL ORDER BY n DESC LIMIT 1"
REPLACE = "UPDATE register_entry SET replaced_by = $2 WHERE case_id = $1 AND replaced_by IS NULL AND n < $2"
FIND = """
    SELECT n, case_id, agency_id, kind, content, filed_on, answered_on, on_time, facts, name, removed_at, replaced_by
      FROM register_entry WHERE n = $1 FOR UPDATE"""
TEXTS = "SELECT question, answer, name FROM register_entry WHERE n = $1"
OF_CASE = "SELECT n FROM register_entry WHERE case_id = $1 AND name <> '' ORDER BY n"
# A name stays while somebody can still take its consent back: not once who gave it was forgotten.
NAMES_ALONE = """
    SELECT DISTINCT e.case_id FROM register_entry e
     WHERE e.name <> '' AND NOT EXISTS (SELECT FROM feedback f WHERE f.case_id = e.case_id AND f.may_publish = 'named'
                                          AND f.name_sealed IS NOT NULL)
     LIMIT 1000"""
REMOVE_NAME = "UPDATE register_entry SET name = NULL, name_salt = NULL WHERE n = $1"
REMOVE_TEXT = """
    UPDATE register_entry SET removed_at = now(), question = NULL, question_salt = NULL, answer = NULL,
           answer_salt = NULL, name = NULL, name_salt = NULL, words = NULL WHERE n = $1"""


class What(StrEnum):
    """What is taken out of an entry."""

    NAME = "name"
    TEXT = "text"  # question, answer and name


class RemovalReason(StrEnum):
    """Why; said in public with the removal."""

    WITHDRAWN = "withdrawn"  # the sender took back the consent, or objects
    PERSONAL_DATA = "personal_data"  # somebody could be recognised
    MISTAKE = "mistake"
    LAW = "law"  # a decision of an authority


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What is to be published: the texts as edited; `named`: with the names of those who allow it.

    Without texts: what was filed first, and the newest approved answer.
    """

    question: str = field(default="", repr=False)
    answer: str = field(default="", repr=False)
    named: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What the public will see, and what a second look should fall on. `refused`: why it cannot be published so."""

    question: str = field(repr=False)
    answer: str = field(repr=False)
    name: str = field(repr=False)  # '' for none
    may_name: bool  # somebody who filed allows it
    own_words_allowed: bool
    agency_id: int
    kind: FeedbackKind
    content: str | None
    filed_on: date
    answered_on: date
    on_time: bool
    in_question: tuple[Finding, ...]
    in_answer: tuple[Finding, ...]
    refused: Invalid | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ready:
    """A publication and all that stands beside it."""

    case: Any
    preview: Preview


class Register:
    """Publishes and removes, in the caller's transaction: as `motma_app` for officers, `motma_worker` for senders."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    async def preview(self, connection: Connection, case_id: int, publication: Publication) -> Preview:
        """This is what the public sees. Raises `NotFound`, or `Invalid` for a case that has no answer."""
        return (await self._ready(connection, case_id, publication)).preview

    async def publish(
        self, connection: Connection, case_id: int, publication: Publication, account_id: int | None
    ) -> int:
        """Enter what `preview` shows; the entry's number. An earlier entry of the case stays, and names this one.

        Raises `NotFound`, `Invalid`. To be called late in the transaction: everybody else who publishes waits for it.
        """
        ready = await self._ready(connection, case_id, publication)
        if ready.preview.refused is not None:
            raise ready.preview.refused
        replaces = await connection.fetchval(EARLIER, case_id)
        return await self._enter(connection, case_id, ready.preview, _facts(ready, replaces), account_id)

    async def correct(
        self, connection: Connection, n: int, publication: Publication, reason: RemovalReason, account_id: int | None
    ) -> int:
        """Put other texts in the place of entry `n`, however its case stands; the number of the new entry.

        Its facts stay as they were. The chain keeps both records: the new entry names the old, whose texts go for
        `reason`. Raises `NotFound`; `Invalid` for an entry that was replaced, for texts that say the same, and as
        `publish` does.
        """
        entry = await connection.fetchrow(FIND, n)
        if entry is None:
            raise NotFound("There is no such entry.")
        if entry["replaced_by"] is not None:
            raise Invalid("A newer entry stands in its place: correct that one.", field="n")
        ready = await self._ready(connection, entry["case_id"], publication)
        if ready.preview.refused is not None:
            raise ready.preview.refused
        facts = json.loads(entry["facts"]) | {"replaces": n}
        kept = ("agency_id", "content", "filed_on", "answered_on", "on_time")
        shown = replace(ready.preview, kind=FeedbackKind(entry["kind"]), **{name: entry[name] for name in kept})
        if (shown.question, shown.answer, shown.name) == tuple(await connection.fetchrow(TEXTS, n)):
            raise Invalid("This is what stands there already.", field="question")
        newer = await self._enter(connection, entry["case_id"], shown, facts, account_id)
        await self.remove(connection, n, What.TEXT, reason)
        return newer

    async def _enter(
        self, connection: Connection, case_id: int, shown: Preview, facts: Mapping[str, Any], account_id: int | None
    ) -> int:
        head = await connection.fetchrow(ADVANCE)
        texts = {
            "facts": json.dumps(facts, ensure_ascii=False, sort_keys=True, separators=(",", ":")),
            "question": shown.question,
            "answer": shown.answer,
            "name": shown.name,
        }
        salts = {part: os.urandom(SALT_BYTES) for part in PARTS}
        digests = {part: part_digest(salts[part], texts[part]) for part in PARTS}
        n = await _append(connection, head, "entry", None, commitment(digests))
        await connection.execute(
            ENTER,
            n,
            case_id,
            account_id,
            shown.agency_id,
            shown.kind,
            shown.content,
            shown.filed_on,
            shown.answered_on,
            shown.on_time,
            head["at"],
            *(value for part in PARTS for value in (texts[part], salts[part])),
            b"".join(bytes.fromhex(digests[part]) for part in PARTS),
            entry_words(
                f"{shown.question} {shown.answer} {facts['agency_name']}",
                kind=shown.kind,
                on_time=shown.on_time,
            ),
        )
        await connection.execute(REPLACE, case_id, n)
        return n

    async def remove(self, connection: Connection, n: int, what: What, reason: RemovalReason) -> None:
        """Take the name, or all text, out of entry `n`; the chain says that and why. Done again it changes nothing.

        Raises `NotFound` for an entry that is not there, or not the caller's.
        """
        entry = await connection.fetchrow(FIND, n)
        if entry is None:
            raise NotFound("There is no such entry.")
        if entry["removed_at"] is not None or (what is What.NAME and entry["name"] is None):
            return
        head = await connection.fetchrow(ADVANCE)
        await _append(connection, head, "removal", n, f"{what} {reason}")
        await connection.execute(REMOVE_NAME if what is What.NAME else REMOVE_TEXT, n)

    async def forget_names(self, connection: Connection, case_id: int) -> None:
        """A sender took back the consent: the names go out of every entry of the case. Runs as `motma_worker`."""
        for row in await connection.fetch(OF_CASE, case_id):
            await self.remove(connection, row["n"], What.NAME, RemovalReason.WITHDRAWN)

    async def forget_names_alone(self, connection: Connection) -> int:
        """Names whose consent nobody can take back any more go out; of how many cases. Runs as `motma_worker`."""
        rows = await connection.fetch(NAMES_ALONE)
        for row in rows:
            await self.forget_names(connection, row["case_id"])
        return len(rows)

    async def _ready(self, connection: Connection, case_id: int, publication: Publication) -> _Ready:
        case = await connection.fetchrow(ABOUT_CASE, case_id)
        if case is None:
            raise NotFound("There is no such case.")
        filed = await connection.fetch(FILED, case_id)
        sealed = await connection.fetchval(NEWEST_ANSWER, case_id)
        # Empty: the time for which words are kept was over (service.keeping).
        if not sealed or case["answered_at"] is None or not filed or not filed[0]["text_sealed"]:
            raise Invalid("What was not answered cannot be published.", field="move")
        first = self._seal.open(filed[0]["text_sealed"])
        question = clean(publication.question) or first
        answer = clean(publication.answer) or self._seal.open(sealed)
        consents = [MayPublish(row["may_publish"]) for row in filed]
        names = [
            self._seal.open(row["name_sealed"])
            for row, consent in zip(filed, consents, strict=True)
            if consent is MayPublish.NAMED and row["name_sealed"]
        ]
        own_words = all(consent is not MayPublish.NO for consent in consents)
        answered_on = civil_day(case["answered_at"])
        known = self._of_senders(filed)
        refused = _refusal(case, publication, question, answer, names=names)
        if refused is None and not own_words and folded(question) in self._texts_without_consent(filed):
            refused = Invalid(
                "Nobody has allowed these words to be published. Say in the office's words what it is about.",
                field="question",
            )
        preview = Preview(
            question=question,
            answer=answer,
            name=", ".join(dict.fromkeys(names)) if publication.named else "",
            may_name=bool(names),
            own_words_allowed=own_words,
            agency_id=case["holder_agency"],
            kind=FeedbackKind(filed[0]["kind"]),
            content=case["content"],
            filed_on=min(row["received_on"] for row in filed),
            answered_on=answered_on,
            on_time=answered_on <= case["answer_due_on"],
            in_question=tuple(traces(question, known)),
            in_answer=tuple(traces(answer, known)),
            refused=refused,
        )
        return _Ready(case=case, preview=preview)

    def _of_senders(self, filed: Sequence[Mapping[str, Any]]) -> list[str]:
        """Names and addresses of those who filed."""
        sealed = [row[column] for row in filed for column in ("name_sealed", "postal_address_sealed")]
        return [self._seal.open(value) for value in sealed if value]

    def _texts_without_consent(self, filed: Sequence[Mapping[str, Any]]) -> set[str]:
        refusing = (row for row in filed if row["may_publish"] == MayPublish.NO)
        return {folded(self._seal.open(row["text_sealed"])) for row in refusing if row["text_sealed"]}


def words_of(text: str) -> list[str]:
    """The words of `text` as they are searched: without accents, each once, in their order."""
    return list(dict.fromkeys(word[:LONGEST_WORD] for word in _WORD.findall(folded(text))))


def entry_words(text: str, *, kind: FeedbackKind, on_time: bool) -> list[str]:
    """What an entry is found by, besides its places (migration 0033): its words, and filters as words nobody types."""
    return [*words_of(text), f"k:{kind}", f"o:{int(on_time)}"]


def _refusal(
    case: Mapping[str, Any], publication: Publication, question: str, answer: str, *, names: Sequence[str]
) -> Invalid | None:
    if case["confidential"]:
        return Invalid("A confidential case is not published.", field="move")
    for name, text in (("question", question), ("answer", answer)):
        if len(text) > LONGEST_TEXT:
            return Invalid(f"This may have {LONGEST_TEXT} characters at most.", field=name)
    if publication.named and not names:
        return Invalid("Nobody who filed this has allowed their name to be published.", field="named")
    return None


def _facts(ready: _Ready, replaces: int | None) -> dict[str, Any]:
    """The facts of an entry as they are shown, and hashed as JSON."""
    case, shown = ready.case, ready.preview
    return {
        "agency": case["code"],
        "agency_name": case["name"],
        "answered_on": shown.answered_on.isoformat(),
        "content": shown.content,
        "filed_on": shown.filed_on.isoformat(),
        "kind": shown.kind.value,
        "on_time": shown.on_time,
        "reopened": case["reopened"],
        "replaces": replaces,
    }


async def _append(connection: Connection, head: Any, kind: str, entry: int | None, content: str) -> int:  # noqa: ANN401
    """Write the next record; its number. `entry` None: itself."""
    n: int = head["n"]
    record = Record(
        n=n,
        at=stamp(head["at"]),
        kind=kind,
        entry=n if entry is None else entry,
        content=content,
        previous=head["digest"].hex(),
    )
    digest = bytes.fromhex(record_digest(record))
    await connection.execute(APPEND, n, head["at"], kind, record.entry, content, head["digest"], digest)
    return n


STATEMENTS = (
    ABOUT_CASE,
    FILED,
    NEWEST_ANSWER,
    ADVANCE,
    APPEND,
    ENTER,
    EARLIER,
    REPLACE,
    FIND,
    TEXTS,
    OF_CASE,
    NAMES_ALONE,
    REMOVE_NAME,
    REMOVE_TEXT,
)
