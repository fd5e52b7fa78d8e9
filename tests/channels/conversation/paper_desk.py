"""A desk whose dossiers lie on paper: the real disclosure rules over dossiers held in memory."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from domain.agency import Agency, AgencyLevel, DisclosurePolicy
from domain.dossier import Dossier, PublicDossier
from domain.status import Status
from lookup.disclosure import Answer, Freshness, Level, disclose
from lookup.working_time import WorkingCalendar

CODE = "H05.16-261102-0001"
SECRET = "246810"
PHONE = "+84901234567"
STRANGER = "+84987654321"
TOKEN = "h05-16-261102-0001-token-of-the-receipt"
NOW = datetime(2026, 11, 10, 3, 0, tzinfo=UTC)

AGENCY = Agency(
    agency_id=1,
    code="H05.16",
    name="Sở Tư pháp tỉnh Bắc Ninh",
    name_en="Department of Justice of Bac Ninh",
    level=AgencyLevel.DEPARTMENT,
    parent_id=None,
    phone="0222.3822.456",
    address="Số 1 Nguyễn Đăng Đạo, Bắc Ninh",
    disclosure=DisclosurePolicy.STRICT,
    valid_from=date(2025, 7, 1),
    valid_to=None,
)


def dossier(
    code: str = CODE,
    status: Status = Status.PROCESSING,
    *,
    asked: str | None = None,
    finished_at: datetime | None = None,
) -> Dossier:
    """The first demo dossier, or one like it."""
    public = PublicDossier(
        code=code,
        version=1,
        status=status,
        status_at=NOW,
        received_at=datetime(2026, 11, 2, 2, 0, tzinfo=UTC),
        due_at=datetime(2026, 11, 20, 9, 30, tzinfo=UTC),
        finished_at=finished_at,
        agency_id=AGENCY.agency_id,
        recorded_at=NOW,
        read_at=NOW,
    )
    return Dossier(
        public=public,
        applicant_name="Nguyễn Văn An",
        procedure_name="Cấp phiếu lý lịch tư pháp",
        asked_of_applicant=asked,
        delivered_at=None,
        history=(),
    )


@dataclass
class PaperDesk:
    """Fulfils `channels.guesses.Desk`. Every dossier has the one secret and the one phone of the demo."""

    dossiers: list[Dossier] = field(default_factory=lambda: [dossier()])
    agency: Agency = AGENCY
    fresh: bool = True
    now: datetime = NOW
    proofs_tried: list[str] = field(default_factory=list)
    codes_asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.by_number = {each.public.code: each for each in self.dossiers}

    def answer(self, code: str, level: Level, *, by_phone: bool = False) -> Answer | None:
        """The answer of the real rules."""
        found = self.by_number.get(code)
        if found is None:
            return None
        freshness = Freshness(as_of=self.now, fresh=self.fresh)
        return disclose(
            found,
            level,
            agency=self.agency,
            freshness=freshness,
            calendar=WorkingCalendar(),
            now=self.now,
            by_phone=by_phone,
        )

    async def by_code(self, code: str) -> Answer | None:
        """Level L0."""
        self.codes_asked.append(code)
        return self.answer(code, Level.CODE)

    async def with_proof(self, code: str, proof: str) -> Answer | None:
        """Level L1 for the secret or the phone's end."""
        self.proofs_tried.append(proof)
        return self.answer(code, Level.PROVEN) if proof in {SECRET, PHONE[-4:]} else None

    async def for_phone(self, code: str, phone: str) -> Answer | None:
        """Level L1 for the registered phone."""
        return self.answer(code, Level.PROVEN, by_phone=True) if phone == PHONE else None

    async def with_receipt(self, token: str) -> Answer | None:
        """Level L1 of the first dossier for its token."""
        return self.answer(self.dossiers[0].public.code, Level.PROVEN) if token == TOKEN else None


@dataclass
class PaperBudget:
    """Fulfils `channels.conversation.turn.Budget` with one allowance for every subject."""

    allowance: int = 5
    spent: dict[tuple[str, str], int] = field(default_factory=dict)

    async def spend(self, name: str, subject: str) -> bool:
        """Count one while there is room."""
        count = self.spent.get((name, subject), 0)
        if count >= self.allowance:
            return False
        self.spent[name, subject] = count + 1
        return True

    async def give_back(self, name: str, subject: str) -> None:
        """Count one less."""
        self.spent[name, subject] -= 1
