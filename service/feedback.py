"""Feedback put together: filing, cases, what senders hear and do, and what the calendar does to cases."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Self

from channels.email.intake import Hands, MailIntake
from channels.email.mailbox import Mailbox
from channels.filing_budget import FilingBudget
from channels.guesses import GuardedFeedback
from channels.standard_webhooks import Verifier, key_of
from database.pool import Role
from domain.errors import Malformed
from domain.language import Language
from feedback_intake.cases import Cases
from feedback_intake.choosing import Choosing
from feedback_intake.clamd import Clamd
from feedback_intake.drafts import Drafts
from feedback_intake.filing import Filing
from feedback_intake.hearing import SenderActs
from feedback_intake.inheriting import MOST_AT_ONCE as MOST_HANDED_ON
from feedback_intake.inheriting import Inheriting
from feedback_intake.number_desk import NumberDesk
from feedback_intake.paper import PaperIntake
from feedback_intake.progress import FeedbackReader
from feedback_intake.ratings import Ratings
from feedback_intake.telling import Telling
from feedback_intake.watching import MOST_AT_ONCE, Watching
from service.settings import Settings, SettingsError
from service.wiring import Core

EVERY = 60.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackService:
    """What channels and the console need of `feedback_intake`."""

    filing: Filing
    telling: Telling
    cases: Cases
    acts: SenderActs
    reader: FeedbackReader
    ratings: Ratings
    choosing: Choosing
    inheriting: Inheriting
    numbers: GuardedFeedback
    budget: FilingBudget
    office: Callable[[int, Language], str]
    scan: Callable[[bytes], Awaitable[bool]] | None
    paper: PaperIntake
    mail: MailIntake | None

    @classmethod
    def of(cls, core: Core, settings: Settings) -> Self:
        """Raises `SettingsError` for an intake desk that is no agency, a mailbox that cannot be read safely."""
        desk = settings.intake_desk
        if desk and core.registry.agency_by_code(desk) is None:
            raise SettingsError(f"MOTMA_INTAKE_DESK: there is no agency {desk}.")
        choosing = Choosing(core.registry, desk=desk)
        office = _office_names(choosing)
        telling = Telling(core.seal, core.outbox, office, url=f"{settings.url}/")
        cases = Cases(core.seal, lambda: core.registry.calendar, telling)
        reader = FeedbackReader(core.seal)
        filing = Filing(core.seal, lambda: core.registry.calendar, desk=desk, heir=choosing.heir)
        acts, budget = SenderActs(core.seal, cases), FilingBudget(core.limits)
        numbers = GuardedFeedback(NumberDesk(core.database, reader, core.seal), core.limits)
        scan = Clamd(settings.clamd).is_clean if settings.clamd else None
        secrets = tuple(key_of(secret) for secret in settings.mail_inbox_secret.split(",") if secret.strip())
        mailbox = _mailbox(settings)
        ratings = Ratings(core.seal, lambda: core.registry.calendar)
        hands = Hands(
            filing=filing,
            acts=acts,
            ratings=ratings,
            numbers=numbers,
            budget=budget,
            limits=core.limits,
            outbox=core.outbox,
            scan=scan,
            url=settings.url,
        )
        mail = MailIntake(core.database, core.seal, Verifier(secrets) if secrets else None, mailbox, hands)
        return cls(
            filing=filing,
            telling=telling,
            cases=cases,
            acts=acts,
            reader=reader,
            ratings=ratings,
            choosing=choosing,
            inheriting=Inheriting(choosing, telling, lambda: core.registry.calendar, desk=desk),
            numbers=numbers,
            budget=budget,
            office=office,
            scan=scan,
            paper=PaperIntake(core.seal, filing, core.outbox, url=f"{settings.url}/"),
            mail=mail if secrets or mailbox else None,
        )


def _mailbox(settings: Settings) -> Mailbox | None:
    try:
        return Mailbox.of(settings.mail_inbox_url, "MOTMA_MAIL_INBOX_URL") if settings.mail_inbox_url else None
    except Malformed as error:
        raise SettingsError(error.message) from None


def _office_names(choosing: Choosing) -> Callable[[int, Language], str]:
    def name(agency_id: int, language: Language) -> str:
        agency = choosing.holder(agency_id)
        if agency is None:
            return ""
        return agency.name_en if language is Language.ENGLISH and agency.name_en else agency.name

    return name


def watching(core: Core, feedback: FeedbackService) -> Callable[[], Awaitable[None]]:
    """What the calendar does to cases and drafts, every minute for ever; several processes share the work."""
    watch = Watching(lambda: core.registry.calendar)

    async def run() -> None:
        while True:
            async with core.database.transaction(Role.WORKER) as connection:
                done = await watch.turn(connection)
                handed_on = await feedback.inheriting.turn(connection)
                await Drafts.sweep(connection)
            if max(done) < MOST_AT_ONCE and handed_on < MOST_HANDED_ON:
                await asyncio.sleep(EVERY)

    return run
