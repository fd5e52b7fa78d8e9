"""Feedback that came by letter, fax, phone or at the counter: typed in by an officer, and read back to its sender.

The day it came and the day it was typed are kept apart: the sender's time runs from the first (NĐ 20/2008 Đ8-10). The
scan is kept with it. Nobody is written to at a phone or address that the officer has not compared with the paper.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

import asyncpg

from database.pool import Connection
from domain.civil_time import civil_day, utc_now
from domain.contact import ChannelName, Contact
from domain.errors import Invalid, Unavailable
from domain.language import Language
from domain.message import MessageKind
from domain.vietnamese import clean
from feedback_intake.attachments import Attachment
from feedback_intake.filing import Feedback, FeedbackKind, Filed, Filing, Formal, MayPublish
from feedback_intake.numbers import new_number
from feedback_intake.telling import EXPIRY, WORDS
from lookup.sealing import Seal
from notifications.outbox import Outbox
from notifications.texts import plain

LETTER, FAX, PHONE, VISIT = (ChannelName(name) for name in ("letter", "fax", "phone", "visit"))
ON_PAPER = (LETTER, FAX, PHONE, VISIT)
LONGEST_AGO = 366  # days; what lay longer is typed with the day it was found
MOST_TRIES = 5  # numbers that are taken, one after another

ATTACH = """
    INSERT INTO feedback_attachment (feedback_id, case_id, name_sealed, content_type, size, digest, content_sealed)
    VALUES ($1, $2, $3, $4, $5, $6, $7)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """What an officer typed. `phone` is E.164, or ''; `checked`: phone and e-mail were compared with the paper."""

    channel: ChannelName
    received_on: date
    text: str = field(repr=False)
    kind: FeedbackKind = FeedbackKind.FEEDBACK
    code: str | None = None
    name: str = field(default="", repr=False)
    postal_address: str = field(default="", repr=False)
    phone: str = field(default="", repr=False)
    checked: bool = False
    may_publish: MayPublish = MayPublish.NO
    resembles: Formal | None = None
    confidential: bool = False


class PaperIntake:
    """Keeps what was typed. Runs as `motma_console` with the tenant set, in the caller's transaction.

    `url` is where we are on the web.
    """

    def __init__(self, seal: Seal, filing: Filing, outbox: Outbox, *, url: str) -> None:
        self._seal = seal
        self._filing = filing
        self._outbox = outbox
        self._url = url

    async def take(
        self, connection: Connection, paper: Paper, *, office: int, typed_by: int, scans: Sequence[Attachment] = ()
    ) -> Filed:
        """File it with the officer's own `office`, its scans beside it, and ask its sender whether it is right.

        Raises `Invalid` with the field.
        """
        _check(paper)
        filed = await self._file(connection, paper, office, typed_by)
        for scan in scans:
            await attach(connection, self._seal, filed, scan)
        if paper.phone and paper.checked:
            await self._read_back(connection, paper.phone, filed.number, office)
        return filed

    async def _file(self, connection: Connection, paper: Paper, office: int, typed_by: int) -> Filed:
        sender = Contact(channel=ChannelName.SMS, address=paper.phone) if paper.phone and paper.checked else None
        for _ in range(MOST_TRIES):
            feedback = Feedback(
                number=new_number(civil_day(utc_now())),
                kind=paper.kind,
                text=paper.text,
                code=paper.code,
                resembles=paper.resembles,
                name=paper.name,
                postal_address=paper.postal_address,
                phone=paper.phone,
                may_publish=paper.may_publish,
                confidential=paper.confidential,
                received_on=paper.received_on,
                typed_by=typed_by,
            )
            try:
                async with connection.transaction():
                    return await self._filing.file(connection, sender, feedback, channel=paper.channel, holder=office)
            except asyncpg.UniqueViolationError:  # the number is somebody's
                continue
        raise Unavailable("The store cannot be reached at the moment.")

    async def _read_back(self, connection: Connection, phone: str, number: str, office: int) -> None:
        said = WORDS.say(Language.VIETNAMESE, "sms.read_back", number=number, url=self._url)
        await self._outbox.queue(
            connection,
            Contact(channel=ChannelName.SMS, address=phone),
            plain(said),
            kind=MessageKind.FEEDBACK,
            expires_in=EXPIRY,
            owner_agency=office,
        )


async def attach(connection: Connection, seal: Seal, filed: Filed, attachment: Attachment) -> None:
    """Keep a file with what was filed."""
    await connection.execute(
        ATTACH,
        filed.feedback_id,
        filed.case_id,
        seal.seal(attachment.name),
        attachment.content_type,
        len(attachment.content),
        seal.digest("attachment", attachment.digest),
        seal.seal_bytes(attachment.content),
    )


def _check(paper: Paper) -> None:
    today = civil_day(utc_now())
    if paper.channel not in ON_PAPER:
        raise Invalid("This came by letter, fax, phone or at the counter.", field="channel")
    if not 0 <= (today - paper.received_on).days <= LONGEST_AGO:
        raise Invalid("The day it came lies in the last year, today at the latest.", field="received_on")
    if not clean(paper.name):
        raise Invalid("The law asks for the sender's name.", field="name")
    if not clean(paper.postal_address) and not paper.phone:
        raise Invalid("The law asks for the sender's address and phone.", field="postal_address")


STATEMENTS = (ATTACH,)
