"""Letters people write to us: each becomes feedback with its files, or is added to the feedback whose number it names.

They come by a mailbox that is read, or from a mail server or provider that hands them over, signed as Standard Webhooks
has it. Who a letter is from can be forged: so what it says is taken, and whatever is told goes to that address and
nowhere else; nothing is taken back by letter.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import asyncpg
from aiohttp import web

from cache.budgets import REFUSALS_PER_WRITER
from cache.limits import Limits
from channels.channel import IGNORED
from channels.conversation.feedback_numbers import not_solved
from channels.conversation.rating import score_in
from channels.email.letters import WORDS
from channels.email.mailbox import Mailbox, MailboxReader
from channels.email.reading import Letter, letter_in
from channels.filing_budget import FilingBudget
from channels.guesses import GuardedFeedback
from channels.standard_webhooks import Verifier
from database.pool import DATABASE_AWAY, Connection, Database, Role
from domain.civil_time import civil_day, utc_now
from domain.contact import Contact
from domain.errors import Unavailable
from domain.language import Language
from domain.message import MessageKind
from domain.vietnamese import clean
from feedback_intake.attachments import Attachment, Scan, Unwanted, attachment
from feedback_intake.filing import LONGEST_TEXT, Feedback, Filed, Filing
from feedback_intake.filing_caps import TooManyFiled
from feedback_intake.hearing import SenderAct, SenderActs
from feedback_intake.numbers import new_number
from feedback_intake.paper import attach
from feedback_intake.progress import ProvenProgress, link_of
from feedback_intake.ratings import HandlingRating, Ratings
from feedback_intake.sorting import kind_by_words, resembles
from feedback_intake.telling import EXPIRY
from lookup.code_finder import find
from lookup.sealing import Seal
from notifications.outbox import Outbox
from notifications.registered_emails import EMAIL
from pages.requests import small_body

ROUTE = "/webhooks/email/letter"
MOST_LETTER = 16 * 1024 * 1024  # bytes: 12 MB of files as they are written in letters
MOST_TRIES = 5
KNOWN_FOR_DAYS = 400  # how long a letter that is handed over again is known

# First of all that is done with a letter, in the same commit: handed over or read again, it does nothing.
TAKE_LETTER = """
    WITH swept AS (
        DELETE FROM letter_taken WHERE claim IN (
               SELECT l.claim FROM letter_taken l WHERE l.taken_at < now() - make_interval(days => $2)
                ORDER BY l.taken_at LIMIT 20 FOR UPDATE SKIP LOCKED))
    INSERT INTO letter_taken (claim) VALUES ($1) ON CONFLICT DO NOTHING RETURNING true"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """What letters set in motion. `scan` looks through files, where there is somebody who can; `url`: where we are."""

    filing: Filing
    acts: SenderActs
    ratings: Ratings
    numbers: GuardedFeedback
    budget: FilingBudget
    limits: Limits
    outbox: Outbox
    scan: Scan | None
    url: str


class MailIntake:
    """Takes letters: from the webhook where there is a `verifier`, from the `mailbox` where there is one."""

    def __init__(
        self, database: Database, seal: Seal, verifier: Verifier | None, mailbox: Mailbox | None, hands: Hands
    ) -> None:
        self._database = database
        self._seal = seal
        self._verifier = verifier
        self._hands = hands
        self.reader = MailboxReader(mailbox, self.take, most=MOST_LETTER) if mailbox else None

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Where letters are handed over, if a secret guards it."""
        return [] if self._verifier is None else [web.post(ROUTE, self.receive)]

    async def receive(self, request: web.Request) -> web.Response:
        """POST /webhooks/email/letter with the letter as its body: 204 once it is kept, or known before."""
        body = await small_body(request, MOST_LETTER)
        assert self._verifier is not None  # noqa: S101  # else there is no such route
        self._verifier.message_id(request.headers, body)
        await self.take(body)
        return web.Response(status=204)

    async def take(self, raw: bytes) -> None:
        """Keep a letter, once. Raises `Malformed` for what is none, `Unavailable`: then it must come again."""
        letter = letter_in(raw, whole=len(raw) < MOST_LETTER)
        if letter.by_machine or not (letter.text or letter.files):
            IGNORED.labels("email", "machine" if letter.by_machine else "empty").inc()
            return
        contact = Contact(channel=EMAIL, address=letter.sender)
        try:
            found = await self._hands.numbers.for_contacts(letter.number, contact) if letter.number else None
            if found is not None and found.proven is not None:
                await self._about(contact, letter, found.number, found.proven)
            else:
                await self._new(contact, letter)
        except DATABASE_AWAY as error:
            raise Unavailable("The letter could not be kept. Please send it again.") from error

    # --- a new matter ---

    async def _new(self, contact: Contact, letter: Letter) -> None:
        codes = find(letter.text, limit=1)
        code = codes[0].candidates[0] if codes else None
        try:
            await self._hands.budget.take(address=None, contacts=(contact,), code=code)
            await self._file(contact, letter, code)
        except TooManyFiled:
            await self._put_off(contact, letter)

    async def _file(self, contact: Contact, letter: Letter, code: str | None) -> None:
        files, refused = await self._files(letter)
        text = letter.text or WORDS.say(Language.VIETNAMESE, "letter.files_only")
        for _ in range(MOST_TRIES):
            feedback = Feedback(
                number=new_number(civil_day(utc_now())),
                kind=kind_by_words(text),
                text=text[:LONGEST_TEXT],
                code=code,
                resembles=resembles(text),
                name=letter.name,
            )
            try:
                async with self._database.transaction(Role.WORKER) as connection:
                    if not await self._is_new(connection, letter):
                        return
                    filed = await self._hands.filing.file(connection, contact, feedback)
                    for one in files:
                        await attach(connection, self._seal, filed, one)
                    await self._confirm(connection, contact, feedback, refused=refused)
            except asyncpg.UniqueViolationError:  # the number is somebody's
                continue
            else:
                return
        raise Unavailable("The letter could not be kept. Please send it again.")

    async def _confirm(
        self, connection: Connection, contact: Contact, feedback: Feedback, *, refused: Sequence[str]
    ) -> None:
        keys = [f"letter.filed.{feedback.kind}", "letter.page"]
        keys += [f"letter.{feedback.resembles}"] if feedback.resembles is not None else []
        asks = "letter.address" if feedback.name else "letter.name"
        await self._tell(connection, contact, keys, feedback.number, refused=refused, last=asks)

    # --- about what was filed before ---

    async def _about(self, contact: Contact, letter: Letter, number: str, proven: ProvenProgress) -> None:
        """What a letter says of feedback its writer filed: more of it, that it is not solved, how it was handled."""
        try:
            await self._hands.budget.take(address=None, contacts=(), code=number)
        except TooManyFiled:
            await self._put_off(contact, letter)
            return
        files, refused = await self._files(letter) if SenderAct.ADD in proven.acts else ([], [])
        score, reason = score_in(letter.words)
        objection = not_solved(letter.words)
        async with self._database.transaction(Role.WORKER) as connection:
            if not await self._is_new(connection, letter):
                return
            if SenderAct.OBJECT in proven.acts and objection:
                await self._hands.acts.act(connection, number, SenderAct.OBJECT, objection[:LONGEST_TEXT])
                said = "letter.objected"
            elif SenderAct.ADD in proven.acts:
                words = letter.words or WORDS.say(Language.VIETNAMESE, "letter.files_only")
                await self._hands.acts.act(connection, number, SenderAct.ADD, words[:LONGEST_TEXT])
                for one in files:
                    await self._attach(connection, proven, number, one)
                said = "letter.added"
            elif proven.may_rate and score is not None:
                rating = HandlingRating(
                    number=number, score=score, reason=reason, channel=EMAIL, language=Language.VIETNAMESE
                )
                await self._hands.ratings.rate_handling(connection, rating)
                said = "letter.rated"
            else:
                said = "letter.answered" if SenderAct.OBJECT in proven.acts else "letter.over"
            await self._hands.acts.prove_reply(connection, number, contact)
            await self._tell(connection, contact, [said, "letter.page"], number, refused=refused)

    async def _attach(self, connection: Connection, proven: ProvenProgress, number: str, one: Attachment) -> None:
        day = civil_day(utc_now())
        known = Filed(
            feedback_id=proven.feedback_id, case_id=proven.case_id, number=number, holder_agency=0, answer_by=day
        )
        await attach(connection, self._seal, known, one)

    # --- what both do ---

    async def _is_new(self, connection: Connection, letter: Letter) -> bool:
        claim = self._seal.digest("letter", letter.message_id)
        return await connection.fetchval(TAKE_LETTER, claim, KNOWN_FOR_DAYS) is not None

    async def _put_off(self, contact: Contact, letter: Letter) -> None:
        """Say that there were too many letters; a program that answers every letter of ours is told once an hour."""
        verdict = await self._hands.limits.take(REFUSALS_PER_WRITER, contact.address)
        async with self._database.transaction(Role.WORKER) as connection:
            if await self._is_new(connection, letter) and verdict.allowed:
                await self._tell(connection, contact, ["letter.too_many"], "")

    async def _files(self, letter: Letter) -> tuple[list[Attachment], list[str]]:
        kept: list[Attachment] = []
        refused: list[str] = list(letter.lost)
        for name, content in letter.files:
            try:
                kept.append(await attachment(name, content, scan=self._hands.scan))
            except Unwanted:
                refused.append(clean(name)[:80])
        return kept, refused

    async def _tell(
        self,
        connection: Connection,
        contact: Contact,
        keys: Sequence[str],
        number: str,
        *,
        refused: Sequence[str] = (),
        last: str = "",
    ) -> None:
        link = f"{self._hands.url}/g/{link_of(self._seal, number)}" if number else ""
        lines = [WORDS.say(Language.VIETNAMESE, key, number=number, link=link) for key in keys]
        lines += [WORDS.say(Language.VIETNAMESE, "letter.file_refused", name=name) for name in refused]
        lines += [WORDS.say(Language.VIETNAMESE, last, number=number)] if last else []
        text = "\n\n".join(lines)
        await self._hands.outbox.queue(connection, contact, text, kind=MessageKind.FEEDBACK, expires_in=EXPIRY)


STATEMENTS = (TAKE_LETTER,)
