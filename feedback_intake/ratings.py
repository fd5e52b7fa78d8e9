"""Ratings: how content a person is with the handling of a dossier, or with the service, from 1 to 5."""

from collections.abc import Callable
from dataclasses import dataclass, field

from database.pool import Connection
from domain.contact import Contact
from domain.language import Language
from feedback_intake.subjects import find_subject
from lookup.sealing import Seal
from lookup.working_time import WorkingCalendar

LOWEST, HIGHEST = 1, 5
DISCONTENT = 2  # from here down a person is asked why

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


STATEMENTS = (RATE,)
