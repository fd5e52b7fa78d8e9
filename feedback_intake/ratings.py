"""Ratings from 1 to 5: how content a person is with the handling of a dossier, or with the service.

Kept apart from those: how feedback was handled, by who filed it, and by the body that controls the office.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from database.pool import Connection
from domain.contact import Contact
from domain.errors import ChangedMeanwhile, Forbidden, Invalid, NotFound
from domain.language import Language
from domain.vietnamese import clean
from feedback_intake.subjects import find_subject
from lookup.sealing import Seal
from lookup.working_time import WorkingCalendar

LOWEST, HIGHEST = 1, 5
DISCONTENT = 2  # from here down a person is asked why
LONGEST_REASON = 2_000  # characters

# A reason given before stays with the same score: the score comes first, the reason in the next message.
RATE = """
    INSERT INTO rating (dossier_id, inbound_id, owner_agency, agency_id, score, proven, channel, language,
                        contact_digest, reason_sealed)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
    ON CONFLICT (contact_digest, dossier_id) DO UPDATE
       SET score = excluded.score, proven = rating.proven OR excluded.proven, rated_at = now(),
           inbound_id = excluded.inbound_id, language = excluded.language,
           reason_sealed = CASE WHEN excluded.reason_sealed IS NULL AND rating.score = excluded.score
                                THEN rating.reason_sealed ELSE excluded.reason_sealed END"""


# What was answered can be rated; the rated office is the one that answered.
FIND_ANSWERED = """
    SELECT f.id AS feedback_id, c.id AS case_id, coalesce(
           (SELECT s.from_agency FROM feedback_step s WHERE s.case_id = c.id AND s.move = 'approve'
             ORDER BY s.id DESC LIMIT 1), c.holder_agency) AS agency_id
      FROM feedback f JOIN feedback_case c ON c.id = f.case_id
     WHERE f.number = $1 AND c.answered_at IS NOT NULL"""
RATE_HANDLING = """
    INSERT INTO case_rating (feedback_id, case_id, agency_id, score, channel, language, reason_sealed)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (feedback_id) DO UPDATE
       SET score = excluded.score, rated_at = now(), agency_id = excluded.agency_id, channel = excluded.channel,
           reason_sealed = CASE WHEN excluded.reason_sealed IS NULL AND case_rating.score = excluded.score
                                THEN case_rating.reason_sealed ELSE excluded.reason_sealed END"""
# The office that answered, and whether the one the officer works for stands above it.
CONTROLLED = """
    SELECT w.agency_id, w.agency_id <> o.id AND EXISTS (
           SELECT FROM agency_reach r WHERE r.scope_id = o.id AND r.agency_id = w.agency_id) AS above
      FROM feedback_case c
     CROSS JOIN LATERAL (SELECT coalesce(
           (SELECT s.from_agency FROM feedback_step s WHERE s.case_id = c.id AND s.move = 'approve'
             ORDER BY s.id DESC LIMIT 1), c.holder_agency) AS agency_id) w
     CROSS JOIN (SELECT nullif(current_setting('motma.scope', true), '')::int AS id) o
     WHERE c.id = $1 AND c.answered_at IS NOT NULL"""
REPLACE_CONTROL = (
    "UPDATE control_rating SET replaced_at = now() WHERE case_id = $1 AND replaced_at IS NULL RETURNING id"
)
RATE_CONTROL = """
    INSERT INTO control_rating (case_id, agency_id, account_id, score, reason_sealed) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (case_id) WHERE replaced_at IS NULL DO NOTHING RETURNING id"""
CONTROL_OF = """
    SELECT r.id, r.rated_at, r.score, r.reason_sealed, r.replaced_at,
           coalesce(nullif(a.name, ''), a.email, '') AS officer
      FROM control_rating r LEFT JOIN account a ON a.id = r.account_id
     WHERE r.case_id = $1 ORDER BY r.id DESC LIMIT 50"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlRating:
    """What the controlling body said of a case. `officer` is '' for who may not be named; the newest counts."""

    rating_id: int
    rated_at: datetime
    score: int
    officer: str
    counts: bool
    reason: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlingRating:
    """How content who filed `number` is with its handling, from 1 to 5. Who rates has proven a right to the number."""

    number: str
    score: int
    reason: str = field(default="", repr=False)
    channel: str = "web"
    language: Language = Language.VIETNAMESE


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """A score from 1 (very discontent) to 5 (very content), of a dossier or, where `code` is None, of the service."""

    score: int
    code: str | None = None
    proven: bool = False
    reason: str = field(default="", repr=False)
    language: Language = Language.VIETNAMESE


class Ratings:
    """Keeps ratings. Runs as `motma_worker`, in the transaction of the connection it is given."""

    def __init__(self, seal: Seal, calendar: Callable[[], WorkingCalendar]) -> None:
        """`calendar` gives the working days as they are known now."""
        self._seal = seal
        self._calendar = calendar

    async def rate(
        self, connection: Connection, rater: Contact, rating: Rating, *, inbound_id: int | None = None
    ) -> None:
        """Keep `rating` in place of what the same person said before. A rating of no dossier of ours is dropped."""
        subject = await find_subject(connection, rating.code, self._calendar())
        if rating.code is not None and subject is None:
            return
        await connection.execute(
            RATE,
            subject and subject.dossier_id,
            inbound_id,
            subject and subject.owner_agency,
            subject and subject.agency_id,
            rating.score,
            rating.proven and subject is not None,
            rater.channel,
            rating.language,
            self._seal.contact(rater),
            self._seal.seal(rating.reason) if rating.reason else None,
        )

    async def rate_handling(self, connection: Connection, rating: HandlingRating) -> None:
        """Keep it in place of what the same person said before. Raises `Invalid` for no score, and where no answer was
        given yet."""
        _check(rating.score)
        answered = await connection.fetchrow(FIND_ANSWERED, rating.number)
        if answered is None:
            raise Invalid("There is no answer to rate yet.", field="score")
        await connection.execute(
            RATE_HANDLING,
            answered["feedback_id"],
            answered["case_id"],
            answered["agency_id"],
            rating.score,
            rating.channel,
            rating.language,
            self._sealed(rating.reason),
        )

    async def may_control(self, connection: Connection, case_id: int) -> bool:
        """Whether the office of the transaction stands above the one that answered the case, if any did."""
        found = await connection.fetchrow(CONTROLLED, case_id)
        return found is not None and found["above"]

    async def rate_control(
        self,
        connection: Connection,
        case_id: int,
        account_id: int,
        score: int,
        *,
        reason: str = "",
        replaces: int | None = None,
    ) -> None:
        """The rating of a case by an office above the one that answered: one counts, in place of `replaces`.

        Runs as `motma_console` with the tenant set to the officer's office. Raises `NotFound`, `Forbidden` for who is
        not above, `Invalid`, `ChangedMeanwhile` where another one counts by now.
        """
        _check(score)
        found = await connection.fetchrow(CONTROLLED, case_id)
        if found is None:
            raise NotFound("There is no such case with an answer.")
        if not found["above"]:
            raise Forbidden("An office is rated by one above it, not by itself.")
        sealed = self._sealed(reason)
        replaced = await connection.fetchval(REPLACE_CONTROL, case_id)
        rated = await connection.fetchval(RATE_CONTROL, case_id, found["agency_id"], account_id, score, sealed)
        if replaced != replaces or rated is None:
            raise ChangedMeanwhile("Somebody else has rated this case meanwhile.")

    async def control_of(self, connection: Connection, case_id: int) -> list[ControlRating]:
        """All ratings of a case by the controlling body, the newest first. Runs as `motma_console`."""
        return [
            ControlRating(
                rating_id=row["id"],
                rated_at=row["rated_at"],
                score=row["score"],
                officer=row["officer"],
                counts=row["replaced_at"] is None,
                reason=self._seal.open(row["reason_sealed"]) if row["reason_sealed"] else "",
            )
            for row in await connection.fetch(CONTROL_OF, case_id)
        ]

    def _sealed(self, reason: str) -> bytes | None:
        reason = clean(reason)
        if len(reason) > LONGEST_REASON:
            raise Invalid(f"A reason may have {LONGEST_REASON} characters at most.", field="reason")
        return self._seal.seal(reason) if reason else None


def _check(score: int) -> None:
    if not LOWEST <= score <= HIGHEST:
        raise Invalid(f"A rating is a number from {LOWEST} to {HIGHEST}.", field="score")


STATEMENTS = (RATE, FIND_ANSWERED, RATE_HANDLING, CONTROLLED, REPLACE_CONTROL, RATE_CONTROL, CONTROL_OF)
