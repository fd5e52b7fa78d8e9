"""One dossier in every state a citizen may meet, answered by the real rules at a fixed moment."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from domain.agency import Agency, AgencyLevel, DisclosurePolicy
from domain.civil_time import CIVIL_ZONE
from domain.dossier import Dossier, HistoryEntry, PublicDossier
from domain.status import Status
from lookup.disclosure import Answer, Freshness, Level, disclose
from lookup.working_time import WorkingCalendar

NOW = datetime(2026, 11, 20, 7, 5, tzinfo=UTC)  # 14:05 in Vietnam, a Friday
SECRET = "246810"
PHONE = "+84901234567"
APPLICANT = "Nguyễn Văn An"

OFFICE = Agency(
    agency_id=16,
    code="H05.16",
    name="Trung tâm Phục vụ hành chính công phường Kinh Bắc",
    name_en="Public Service Centre of Kinh Bac ward",
    level=AgencyLevel.COMMUNE,
    parent_id=5,
    phone="0222 3822 016",
    address="Số 10 Phù Đổng Thiên Vương, phường Kinh Bắc, tỉnh Bắc Ninh",
    disclosure=DisclosurePolicy.STRICT,
    valid_from=date(2025, 7, 1),
    valid_to=None,
)


def at(day: int, hour: int = 8, minute: int = 0, month: int = 11) -> datetime:
    """A civil moment of 2026."""
    return datetime(2026, month, day, hour, minute, tzinfo=CIVIL_ZONE)


DUE = at(26, 17)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A dossier with its way, and how well we know it."""

    code: str
    way: tuple[tuple[Status, datetime], ...]
    due_at: datetime | None = DUE
    finished_at: datetime | None = None
    asked: str | None = None
    office: Agency = OFFICE
    as_of: datetime = NOW
    fresh: bool = True
    applicant: str | None = APPLICANT
    procedure: str = "Cấp Giấy xác nhận tình trạng hôn nhân"

    def dossier(self) -> Dossier:
        """The dossier itself."""
        status, since = self.way[-1]
        public = PublicDossier(
            code=self.code,
            version=len(self.way),
            status=status,
            status_at=since,
            received_at=self.way[0][1],
            due_at=self.due_at,
            finished_at=self.finished_at,
            agency_id=self.office.agency_id,
            recorded_at=self.as_of,
            read_at=self.as_of,
        )
        return Dossier(
            public=public,
            applicant_name=self.applicant,
            procedure_name=self.procedure,
            asked_of_applicant=self.asked,
            delivered_at=None,
            history=tuple(
                HistoryEntry(
                    at=moment,
                    status=status,
                    office="Bộ phận Một cửa" if n == 0 else None,
                    officer="Lê Thị Cán Bộ",
                    note="ghi chú nội bộ",
                )
                for n, (status, moment) in enumerate(self.way)
            ),
        )

    def answer(self, level: Level) -> Answer:
        """What `level` is told of it."""
        dossier = self.dossier()
        return disclose(
            dossier if level > Level.CODE else dossier.public,
            level,
            agency=self.office,
            freshness=Freshness(as_of=self.as_of, fresh=self.fresh),
            calendar=WorkingCalendar(),
            now=NOW,
        )


_HANDLED = ((Status.SUBMITTED, at(2, 7, 55)), (Status.ACCEPTED, at(2, 8, 10)), (Status.PROCESSING, at(3, 9, 30)))

SAMPLES = {
    "received": Sample(code="H05.16-261120-0007", way=_HANDLED[:2]),
    "in_progress": Sample(code="H05.16-261102-0001", way=_HANDLED),
    "open_policy": Sample(
        code="H05.16-261102-0002", way=_HANDLED, office=replace(OFFICE, disclosure=DisclosurePolicy.OPEN)
    ),
    "late": Sample(code="H05.16-261102-0003", way=_HANDLED, due_at=at(17, 17)),
    "supplement": Sample(
        code="H05.16-261102-0004",
        way=(*_HANDLED, (Status.SUPPLEMENT_REQUIRED, at(5, 15, 20))),
        asked="Bản sao Giấy khai sinh",
    ),
    "supplement_long": Sample(
        code="000.00.12.H62-201105-0004",
        way=(*_HANDLED, (Status.SUPPLEMENT_REQUIRED, at(5, 15, 20))),
        asked="1. Bản sao Giấy khai sinh có chứng thực.\n2. Đơn đề nghị theo mẫu mới, có chữ ký của cả hai vợ chồng.\n"
        "3. Sơ đồ vị trí thửa đất có xác nhận của Ủy ban nhân dân phường.",
    ),
    "payment": Sample(
        code="H05.16-261102-0005",
        way=(*_HANDLED, (Status.PAYMENT_REQUIRED, at(6, 10))),
        asked="Nộp lệ phí 50.000 đồng",
    ),
    "back_in_progress": Sample(
        code="H05.16-261102-0006",
        way=(*_HANDLED, (Status.SUPPLEMENT_REQUIRED, at(5, 15, 20)), (Status.PROCESSING, at(9, 8, 45))),
    ),
    "done": Sample(
        code="H05.16-261102-0008", way=(*_HANDLED, (Status.COMPLETED, at(19, 16, 40))), finished_at=at(19, 16, 40)
    ),
    "done_late": Sample(
        code="H05.16-261102-0009",
        way=(*_HANDLED, (Status.COMPLETED, at(19, 16, 40))),
        finished_at=at(19, 16, 40),
        due_at=at(17, 17),
    ),
    "delivered": Sample(
        code="H05.16-261102-0010",
        way=(*_HANDLED, (Status.COMPLETED, at(18, 16, 40)), (Status.DELIVERED, at(19, 9))),
        finished_at=at(18, 16, 40),
    ),
    "delivered_late": Sample(
        code="H05.16-261102-0015",
        way=(*_HANDLED, (Status.COMPLETED, at(18, 16, 40)), (Status.DELIVERED, at(20, 9))),
        finished_at=at(18, 16, 40),
        due_at=at(17, 17),
    ),
    "rejected": Sample(code="H05.16-261102-0011", way=(_HANDLED[0], (Status.REJECTED, at(3, 10)))),
    "withdrawn": Sample(code="H05.16-261102-0012", way=(*_HANDLED, (Status.WITHDRAWN, at(10, 10)))),
    "stopped": Sample(code="H05.16-261102-0013", way=(*_HANDLED, (Status.STOPPED, at(12, 10)))),
    "no_due_date": Sample(code="G09.20-20260609-0092637", way=_HANDLED, due_at=None),
    "stale": Sample(code="H05.16-261102-0014", way=_HANDLED, as_of=NOW - timedelta(days=2, hours=3), fresh=False),
    "foreign": Sample(code="03706/2026/07906", way=_HANDLED, office=replace(OFFICE, phone="", address="")),
}


class SampleDesk:
    """Answers about the samples as `lookup.desk` answers about the store."""

    def __init__(self) -> None:
        self.samples = {sample.code: sample for sample in SAMPLES.values()}

    async def by_code(self, code: str) -> Answer | None:
        """Level L0."""
        sample = self.samples.get(code)
        return sample.answer(Level.CODE) if sample else None

    async def with_proof(self, code: str, proof: str) -> Answer | None:
        """Level L1 for the one secret all samples share."""
        sample = self.samples.get(code)
        return sample.answer(Level.PROVEN) if sample and proof == SECRET else None

    async def for_phone(self, code: str, phone: str) -> Answer | None:
        """Level L1 for the one phone all samples share."""
        sample = self.samples.get(code)
        return sample.answer(Level.PROVEN) if sample and phone == PHONE else None

    async def with_receipt(self, token: str) -> Answer | None:
        """No receipt was ever issued."""
        return None
