"""Two offices with officers, and people who file: what tests of cases need."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date

from database.pool import SET_TENANT, Connection, Database, Role
from domain.contact import ChannelName, Contact
from domain.language import Language
from feedback_intake.cases import SEE_CONFIDENTIAL, Actor, Case, Cases, Step
from feedback_intake.filing import Feedback, FeedbackKind, Filed, Filing
from feedback_intake.moves import Who
from feedback_intake.numbers import new_number
from feedback_intake.telling import Telling
from lookup.sealing import Seal
from lookup.working_time import WorkingCalendar
from notifications.outbox import Outbox

HERE, ELSEWHERE = "H05.16", "H05.07"
PHONE = "+84901234567"
TEXT = "Tôi nộp hồ sơ từ tháng trước, hẹn ba lần mà chưa có kết quả."
MAKE_ACCOUNT = "INSERT INTO account (email, name, agency_id) VALUES ($1, $2, $3) RETURNING id"
AGENCY = "SELECT id FROM agency WHERE code = $1 ORDER BY valid_from DESC LIMIT 1"


@dataclass(kw_only=True)
class CaseDesk:
    """Files and moves as the service does."""

    database: Database
    seal: Seal
    agencies: dict[str, int] = field(default_factory=dict)
    officers: dict[tuple[str, Who], Actor] = field(default_factory=dict)
    calendar: WorkingCalendar = field(default_factory=WorkingCalendar)

    def __post_init__(self) -> None:
        self.filing = Filing(self.seal, lambda: self.calendar)
        self.telling = Telling(self.seal, Outbox(self.seal), lambda agency_id, _language: f"Cơ quan {agency_id}")
        self.cases = Cases(self.seal, lambda: self.calendar, self.telling)

    async def agency(self, code: str) -> int:
        """Our id of an office."""
        if code not in self.agencies:
            async with self.database.connection(Role.WORKER) as connection:
                self.agencies[code] = await connection.fetchval(AGENCY, code)
        return self.agencies[code]

    async def officer(self, office: str, role: Who) -> Actor:
        """Somebody with one role there."""
        if (office, role) not in self.officers:
            async with self.database.connection(Role.OPERATOR) as connection:
                number = len(self.officers)
                account = await connection.fetchval(
                    MAKE_ACCOUNT, f"officer{number}@example.vn", f"Officer {number}", await self.agency(office)
                )
            self.officers[office, role] = Actor(roles=frozenset({role}), account_id=account)
        return self.officers[office, role]

    @asynccontextmanager
    async def office(self, code: str) -> AsyncIterator[Connection]:
        """A transaction of an officer there."""
        async with self.database.transaction(Role.CONSOLE) as connection:
            await connection.execute(SET_TENANT, str(await self.agency(code)), "off")
            await connection.execute(SEE_CONFIDENTIAL, "on")
            yield connection

    async def files(
        self,
        text: str = TEXT,
        *,
        phone: str = PHONE,
        office: str | None = HERE,
        code: str | None = None,
        received_on: date | None = None,
        confidential: bool = False,
    ) -> Filed:
        """Somebody files by SMS."""
        feedback = Feedback(
            number=new_number(date(2026, 11, 20)),
            kind=FeedbackKind.FEEDBACK,
            text=text,
            code=code,
            language=Language.VIETNAMESE,
            agency_id=await self.agency(office) if office else None,
            received_on=received_on,
            confidential=confidential,
        )
        sender = Contact(channel=ChannelName.SMS, address=phone)
        async with self.database.transaction(Role.WORKER) as connection:
            return await self.filing.file(connection, sender, feedback)

    async def moves(
        self, case_id: int, step: Step, *, office: str = HERE, role: Who = Who.HEAD, version: int | None = None
    ) -> Case:
        """An officer makes a move."""
        actor = await self.officer(office, role)
        async with self.office(office) as connection:
            return await self.cases.move(connection, case_id, step, actor, version=version)

    async def told(self) -> list[str]:
        """The texts queued for people who filed, oldest first."""
        async with self.database.connection(Role.OPERATOR) as connection:
            rows = await connection.fetch("SELECT text_sealed FROM message WHERE kind = 'feedback' ORDER BY id")
        return [self.seal.open(row["text_sealed"]) for row in rows]
