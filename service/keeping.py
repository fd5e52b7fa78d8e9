"""What is kept, how long, and why: one list of terms, and the job that ends them.

Luật 91/2025/QH15 names no numbers: personal data is kept as long as its purpose needs, unless another law says longer.
So each class has a term of our own, which an operator may change (`MOTMA_KEEP`), and what it rests on. What belongs to
the agencies, dossiers and their history, is theirs to end (archives law 33/2024/QH15), and is in no class.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

from database.pool import Connection, Database, Role
from domain.errors import Malformed

AT_ONCE = 1_000
LEAST_DAYS, MOST_DAYS = 1, 36_500


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One class of data: what it is kept for, how many days after what, and what ends it.

    `due` counts what has had its time; `end` ends at most $2 of it and returns a row for each. $1 is the term.
    """

    name: str
    why: str
    days: int
    due: str
    end: str


def _deleted(table: str, key: str, when: str) -> tuple[str, str]:
    """Counting and deleting the rows of `table` for which `when` holds, oldest first."""
    count = f"SELECT count(*) FROM {table} WHERE {when}"  # noqa: S608 - parts of ours
    end = f"""
        DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE {when} LIMIT $2) RETURNING 1"""  # noqa: S608
    return count, end


def _class(name: str, why: str, days: int, statements: tuple[str, str]) -> Kept:
    return Kept(name=name, why=why, days=days, due=statements[0], end=statements[1])


_OLD_MESSAGE = "settled_at < now() - $1::interval AND state >= 50"
END_MESSAGES = f"""
    WITH old AS (SELECT id FROM message WHERE {_OLD_MESSAGE} ORDER BY id LIMIT $2),
    steps AS (DELETE FROM message_step s USING old o WHERE s.message_id = o.id),
    reports AS (DELETE FROM delivery_report r USING old o WHERE r.message_id = o.id)
    DELETE FROM message m USING old o WHERE m.id = o.id RETURNING 1"""  # noqa: S608 - parts of ours
# The provider's id stays, so that a call sent again after years is still known as one that came.
_OLD_INBOUND = "handled_at < now() - $1::interval AND text_sealed <> ''"
FORGET_INBOUND = f"""
    UPDATE inbound SET sender_digest = '', sender_sealed = '', text_sealed = '', text_digest = ''
     WHERE id IN (SELECT id FROM inbound WHERE {_OLD_INBOUND} ORDER BY handled_at LIMIT $2) RETURNING 1"""  # noqa: S608
_OLD_CASE = "NOT is_open AND forgotten_at IS NULL AND filed_at < now() - $1::interval"
# Number, times, office and outcome stay, and with them the figures; words and people go.
FORGET_CASES = f"""
    WITH old AS (SELECT id FROM feedback_case WHERE {_OLD_CASE} ORDER BY filed_at LIMIT $2),
    words AS (
        UPDATE feedback f
           SET text_sealed = '', name_sealed = NULL, postal_address_sealed = NULL, contact_digest = NULL,
               address_sealed = NULL, about_sealed = NULL, phone_digest = NULL, tail_digest = NULL, forgotten_at = now()
          FROM old o WHERE f.case_id = o.id),
    steps AS (UPDATE feedback_step s SET why_sealed = NULL FROM old o WHERE s.case_id = o.id),
    answers AS (UPDATE feedback_answer a SET text_sealed = '' FROM old o WHERE a.case_id = o.id),
    ratings AS (UPDATE case_rating r SET reason_sealed = NULL FROM old o WHERE r.case_id = o.id),
    control AS (UPDATE control_rating r SET reason_sealed = NULL FROM old o WHERE r.case_id = o.id),
    notes AS (DELETE FROM feedback_note n USING old o WHERE n.case_id = o.id),
    files AS (DELETE FROM feedback_attachment a USING old o WHERE a.case_id = o.id)
    UPDATE feedback_case c SET forgotten_at = now() FROM old o WHERE c.id = o.id RETURNING 1"""  # noqa: S608
# That an office apologised, for which dossier and to which day, is the dossier's history; its words need not stay.
_OLD_REASON = "at < now() - $1::interval AND reason IS NOT NULL"
FORGET_REASONS = f"""
    WITH old AS (SELECT id, apology_id FROM apology_act WHERE {_OLD_REASON} ORDER BY at LIMIT $2),
    given AS (UPDATE apology a SET reason = NULL FROM old o WHERE a.id = o.apology_id)
    UPDATE apology_act t SET reason = NULL FROM old o WHERE t.id = o.id RETURNING 1"""  # noqa: S608 - parts of ours

CLASSES = (
    Kept(
        name="inbound",
        why="what people wrote to us, to answer it and to prove that we did",
        days=90,
        due=f"SELECT count(*) FROM inbound WHERE {_OLD_INBOUND}",  # noqa: S608 - parts of ours
        end=FORGET_INBOUND,
    ),
    _class(
        "conversation",
        "what we asked a person last, to understand the answer",
        1,
        _deleted("conversation", "contact_digest", "expires_at < now() - $1::interval"),
    ),
    _class(
        "shown",
        "who has seen which state of a dossier, so that nobody is told it again",
        30,
        _deleted("shown", "ctid", "shown_at < now() - $1::interval"),
    ),
    Kept(
        name="message",
        why="what was sent to whom and what became of it: the proof an office may have to give",
        days=400,
        due=f"SELECT count(*) FROM message WHERE {_OLD_MESSAGE}",  # noqa: S608 - parts of ours
        end=END_MESSAGES,
    ),
    Kept(
        name="apology",
        why="the reasons officers gave for late dossiers, as long as what was sent of them",
        days=400,
        due=f"SELECT count(*) FROM apology_act WHERE {_OLD_REASON}",  # noqa: S608 - parts of ours
        end=FORGET_REASONS,
    ),
    _class(
        "quarantine",
        "items that were explained and read again",
        90,
        _deleted("quarantine", "id", "settled_at < now() - $1::interval"),
    ),
    _class(
        "rating",
        "how content people were with a dossier, and why; figures are worked out before",
        1_825,
        _deleted("rating", "id", "rated_at < now() - $1::interval"),
    ),
    Kept(
        name="feedback",
        why="ended feedback with its words and people; number, times and outcome stay for the figures",
        days=1_825,
        due=f"SELECT count(*) FROM feedback_case WHERE {_OLD_CASE}",  # noqa: S608 - parts of ours
        end=FORGET_CASES,
    ),
)
KEPT_FOR_EVER: Mapping[str, str] = MappingProxyType(
    {
        "opt_out": "who does not want to be told, as a digest: forgetting it would tell them again",
        "consent_act": "evidence of consent and of its withdrawal, as digests",
        "audit": "what officers did, as law on information security asks",
    }
)


def terms(written: str) -> dict[str, timedelta]:
    """The terms of all classes, with changes as `MOTMA_KEEP` has them: `inbound=30,message=730`. Raises `Malformed`."""
    found = {kept.name: timedelta(days=kept.days) for kept in CLASSES}
    for part in filter(None, (part.strip() for part in written.split(","))):
        name, _, days = part.partition("=")
        if name not in found:
            raise Malformed(f"There is no class {name!r}; the classes are {', '.join(found)}.", field="MOTMA_KEEP")
        if not (days.isascii() and days.isdecimal() and LEAST_DAYS <= int(days) <= MOST_DAYS):
            raise Malformed(f"{part!r} needs a number of days from 1 on.", field="MOTMA_KEEP")
        found[name] = timedelta(days=int(days))
    return found


class Keeping:
    """Ends what has had its time, a little at a time. Runs as `motma_keeper`; several at once share the work."""

    def __init__(self, database: Database, days: Mapping[str, timedelta]) -> None:
        self._database = database
        self._terms = days

    async def due(self, kept: Kept) -> int:
        """How much of a class has had its time."""
        async with self._database.connection(Role.KEEPER) as connection:
            return int(await connection.fetchval(kept.due, self._terms[kept.name]))

    async def end(self, kept: Kept) -> int:
        """End `AT_ONCE` of a class at the most; how many."""
        async with self._database.transaction(Role.KEEPER) as connection:
            return await _ended(connection, kept, self._terms[kept.name])


async def _ended(connection: Connection, kept: Kept, term: timedelta) -> int:
    return len(await connection.fetch(kept.end, term, AT_ONCE))


STATEMENTS = tuple(statement for kept in CLASSES for statement in (kept.end,))
