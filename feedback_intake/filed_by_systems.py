"""Feedback that programs file and read again with a key; published answers, by the day they were filed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from secrets import token_urlsafe
from typing import Any

from database.pool import Connection
from feedback_intake.moves import CaseState, Content
from lookup.sealing import Seal

TOKEN_BYTES = 18

NOTE = "INSERT INTO feedback_by_key (feedback_id, api_key_id, token) VALUES ($1, $2, $3)"
# What the program said it is about, until an officer classifies it.
SUGGEST = "UPDATE feedback_case SET content = $2 WHERE id = $1 AND content IS NULL"
NUMBER_OF = """
    SELECT f.number FROM feedback_by_key k JOIN feedback f ON f.id = k.feedback_id WHERE k.token = $1"""
_OWN = """
    SELECT f.number, f.filed_at, f.text_sealed, c.content, c.holder_agency, c.answer_due_on,
           stands.state,
           (SELECT max(s.at) FROM feedback_step s WHERE s.case_id = c.id) AS moved_at, said.reason, said.why_sealed,
           (SELECT w.text_sealed FROM feedback_answer w WHERE w.case_id = c.id AND w.approved_at IS NOT NULL
             ORDER BY w.approved_at DESC LIMIT 1) AS answer_sealed
      FROM feedback_by_key k JOIN feedback f ON f.id = k.feedback_id JOIN feedback_case c ON c.id = f.case_id
     CROSS JOIN LATERAL (SELECT CASE WHEN f.withdrawn_at IS NULL THEN c.state ELSE 'withdrawn' END AS state) stands
      LEFT JOIN LATERAL (
           SELECT s.reason, s.why_sealed FROM feedback_step s
            WHERE s.case_id = c.id AND s.move IN ('ask', 'refuse') ORDER BY s.id DESC LIMIT 1) said ON true
     WHERE k.api_key_id = $1"""
OWN = (
    _OWN
    + """ AND f.filed_at >= $2 AND f.filed_at < $3 AND stands.state = ANY ($4::text[])
       AND coalesce(c.content, 'other') = ANY ($5::text[])
       AND ($6::int[] IS NULL OR c.holder_agency = ANY ($6::int[]))
     ORDER BY k.feedback_id DESC LIMIT $7 OFFSET $8"""
)
OWN_ONES = _OWN + " AND f.number = ANY ($2::text[]) ORDER BY k.feedback_id DESC"
PUBLISHED_FILED = """
    SELECT e.n FROM register_entry e JOIN feedback_case c ON c.id = e.case_id
     WHERE e.listed AND e.filed_on >= $1 AND e.filed_on < $2 AND c.state = ANY ($3::text[])
       AND coalesce(e.content, 'other') = ANY ($4::text[]) AND ($5::int[] IS NULL OR e.agency_id = ANY ($5::int[]))
     ORDER BY e.filed_on DESC, e.n DESC LIMIT $6 OFFSET $7"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which ones: filed from `since` to before `until`; `agencies` None for all; `most` after the first `skip`."""

    since: datetime
    until: datetime
    states: Sequence[CaseState]
    contents: Sequence[Content]
    agencies: frozenset[int] | None
    most: int
    skip: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnFeedback:
    """Feedback as the key that filed it may read it."""

    number: str
    filed_at: datetime
    moved_at: datetime
    state: CaseState
    content: Content
    holder_agency: int
    answer_due_on: date
    text: str = field(repr=False)
    reason: str | None  # why it was refused
    asked: str = field(repr=False)  # what its sender was asked or told last
    answer: str = field(repr=False)  # the newest that was approved


class FiledBySystems:
    """Keeps and reads it. Runs as `motma_worker`, in the caller's transaction."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    async def note(
        self, connection: Connection, feedback_id: int, case_id: int, *, api_key_id: str, content: Content
    ) -> str:
        """Whose it is and what it is said to be about; the token that leads to its number."""
        token = token_urlsafe(TOKEN_BYTES)
        await connection.execute(NOTE, feedback_id, api_key_id, token)
        await connection.execute(SUGGEST, case_id, content)
        return token

    async def number_of(self, connection: Connection, token: str) -> str | None:
        """The number that `token` was given for."""
        number: str | None = await connection.fetchval(NUMBER_OF, token)
        return number

    async def own(self, connection: Connection, api_key_id: str, asked: Asked) -> list[OwnFeedback]:
        """What a key filed, the newest first."""
        agencies = None if asked.agencies is None else sorted(asked.agencies)
        rows = await connection.fetch(
            OWN,
            api_key_id,
            asked.since,
            asked.until,
            asked.states,
            asked.contents,
            agencies,
            asked.most,
            asked.skip,
        )
        return [self._own(row) for row in rows]

    async def own_ones(self, connection: Connection, api_key_id: str, numbers: Sequence[str]) -> list[OwnFeedback]:
        """Those of `numbers` that a key filed."""
        return [self._own(row) for row in await connection.fetch(OWN_ONES, api_key_id, numbers)]

    def _own(self, row: Mapping[str, Any]) -> OwnFeedback:
        return OwnFeedback(
            number=row["number"],
            filed_at=row["filed_at"],
            moved_at=row["moved_at"] or row["filed_at"],
            state=CaseState(row["state"]),
            content=Content(row["content"] or Content.OTHER),
            holder_agency=row["holder_agency"],
            answer_due_on=row["answer_due_on"],
            text=self._opened(row["text_sealed"]),
            reason=row["reason"],
            asked=self._opened(row["why_sealed"]),
            answer=self._opened(row["answer_sealed"]),
        )

    def _opened(self, sealed: bytes | None) -> str:
        """Words as they were; '' once they are kept no longer."""
        return self._seal.open(sealed) if sealed else ""


async def published_numbers(connection: Connection, asked: Asked, *, since: date, until: date) -> list[int]:
    """The entries of the register that fit, those filed last first. Runs as `motma_public`."""
    agencies = None if asked.agencies is None else sorted(asked.agencies)
    rows = await connection.fetch(
        PUBLISHED_FILED, since, until, asked.states, asked.contents, agencies, asked.most, asked.skip
    )
    return [row["n"] for row in rows]


STATEMENTS = (NOTE, SUGGEST, NUMBER_OF, OWN, OWN_ONES, PUBLISHED_FILED)
