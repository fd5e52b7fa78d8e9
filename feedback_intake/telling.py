"""What those who filed hear: a message to each, in their language and channel, in the commit of the move itself.

A phone or address that was only typed in may be a stranger's: until it is proven it is told that there is news, and
neither the number, which opens the rest, nor the office nor a word of it (docs/decisions/0020).
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

from database.pool import Connection
from domain.contact import ChannelName, Contact
from domain.language import Language
from domain.message import MessageKind
from domain.vietnamese import unaccented
from feedback_intake.moves import MoveName, RefusalReason
from lookup.sealing import Seal
from lookup.wording import Words, ended
from notifications.outbox import Outbox
from notifications.texts import plain

WORDS = Words("feedback_intake")
EXPIRY = timedelta(days=3)
LONGEST_SMS = (
    250  # characters of an answer that go out by SMS at once: three segments with what to do; more is asked for
)

# What is told even where the address is not proven: what must be answered, and what is over.
NEWS = frozenset({MoveName.ASK, MoveName.REFUSE, MoveName.APPROVE})

SENDERS = """
    SELECT number, coalesce(reply_channel, channel) AS channel, language, address_sealed, reply_proven,
           may_publish = 'named' AND name_sealed IS NOT NULL AS may_name FROM feedback
     WHERE case_id = $1 AND address_sealed IS NOT NULL AND withdrawn_at IS NULL ORDER BY id"""


def refusal(reason: str | None, why: str, number: str, office: str, language: Language, *, brief: bool = False) -> str:
    """Why something was not taken and where it belongs, as its sender was told; of all else, the bare words `why`."""
    if reason not in set(RefusalReason):
        return why
    form = "sms" if brief else "full"
    return WORDS.say(language, f"{form}.refuse.{reason}", number=number, office=office, why=why).strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What there is to tell: the move, its words, and whose answer it is. `by` held the case before it."""

    move: MoveName
    holder: int
    by: int
    why: str = field(default="", repr=False)
    reason: RefusalReason | None = None
    answer: str = field(default="", repr=False)
    named: bool = False  # published with the names of those who allow it


class Telling:
    """Queues the messages. `office` gives an agency's name by our id; `url` is where we are on the web."""

    def __init__(self, seal: Seal, outbox: Outbox, office: Callable[[int, Language], str], *, url: str = "") -> None:
        self._seal = seal
        self._outbox = outbox
        self._office = office
        self._url = url

    async def tell(self, connection: Connection, case_id: int, told: Told) -> None:
        """One message to everybody who filed what the case gathers and can be written to."""
        for row in await connection.fetch(SENDERS, case_id):
            channel, language = ChannelName(row["channel"]), Language(row["language"])
            proven = row["reply_proven"]
            if not proven and told.move not in NEWS:
                continue
            said = replace(told, named=told.named and row["may_name"])
            text = self.text(said, row["number"], channel, language) if proven else self.news(channel, language)
            await self._outbox.queue(
                connection,
                Contact(channel=channel, address=self._seal.open(row["address_sealed"])),
                text,
                kind=MessageKind.FEEDBACK,
                expires_in=EXPIRY,
                language=language,
                owner_agency=told.by,
            )

    def news(self, channel: ChannelName, language: Language) -> str:
        """The words for an address that is not proven."""
        form = "sms" if channel == ChannelName.SMS else "full"
        return WORDS.say(language, f"{form}.news", url=self._url)

    def text(self, told: Told, number: str, channel: ChannelName, language: Language) -> str:
        """The words of one message."""
        sms = channel == ChannelName.SMS
        form = "sms" if sms else "full"
        key = f"{form}.{told.move}"
        if told.move is MoveName.REFUSE and told.reason is not None:
            key += f".{told.reason}"
        if told.move is MoveName.APPROVE and sms and len(told.answer) > LONGEST_SMS:
            key += ".long"
        if told.named:
            key += ".named"
        said = WORDS.say(
            language,
            key,
            number=number,
            office=self._office(told.by if told.move is not MoveName.FORWARD else told.holder, language),
            why=ended(told.why) if sms else told.why,
            answer=ended(told.answer) if sms else told.answer,
        )
        return (plain(said) or " ".join(unaccented(said).split())) if sms else said


STATEMENTS = (SENDERS,)
