"""Deterministic demo data: the same codes, people and states on every machine, due dates around today."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Final

from domain.civil_time import CIVIL_ZONE
from domain.dossier import FilingChannel
from domain.status import Status
from lookup.changes import DossierFacts, StatusEvent
from lookup.working_time import WorkingCalendar

SEED: Final = 20261102
FIRST_DAY: Final = date(2026, 11, 2)
DAYS: Final = 14
PROVINCE: Final = "H05"
AGENCY: Final = "H05.16"
NEIGHBOUR: Final = "H05.11"  # is forwarded what is not for AGENCY
FIRST_CODE: Final = "H05.16-261102-0001"

_FAMILY = ["Nguyễn", "Trần", "Lê", "Phạm", "Hoàng", "Vũ", "Đặng", "Bùi", "Đỗ", "Hồ", "Ngô", "Dương", "Lý", "Nông"]
_MIDDLE = ["Văn", "Thị", "Đức", "Minh", "Ngọc", "Thanh", "Hữu", "Quang", "Thu", "Xuân"]
_GIVEN = [
    "An",
    "Bình",
    "Chi",
    "Dũng",
    "Đạt",
    "Giang",
    "Hà",
    "Hùng",
    "Khánh",
    "Lan",
    "Mai",
    "Nam",
    "Oanh",
    "Phúc",
    "Quỳnh",
    "Sơn",
]
_GIVEN += ["Tâm", "Uyên", "Vân", "Yến"]

_WAYS: Final = (
    (Status.ACCEPTED, (Status.SUBMITTED,)),
    (Status.PROCESSING, (Status.ACCEPTED,)),
    (Status.SUPPLEMENT_REQUIRED, (Status.ACCEPTED, Status.PROCESSING)),
    (Status.PAYMENT_REQUIRED, (Status.ACCEPTED, Status.PROCESSING)),
    (Status.COMPLETED, (Status.ACCEPTED, Status.PROCESSING)),
    (Status.DELIVERED, (Status.ACCEPTED, Status.PROCESSING, Status.COMPLETED)),
    (Status.REJECTED, (Status.SUBMITTED,)),
    (Status.WITHDRAWN, (Status.ACCEPTED,)),
    (Status.STOPPED, (Status.ACCEPTED, Status.PROCESSING)),
    (Status.SUBMITTED, ()),
)
_WEIGHTS: Final = (12, 38, 6, 4, 14, 20, 2, 1, 1, 2)
_ASKED: Final = {
    Status.SUPPLEMENT_REQUIRED: ("Bản sao Giấy khai sinh", "Giấy chứng nhận kết hôn", "Sơ đồ vị trí thửa đất"),
    Status.PAYMENT_REQUIRED: ("Nộp lệ phí 50.000 đồng", "Nộp thuế trước bạ theo thông báo"),
}


# What the address begins with, role, office and name of the demo's officers; the last sorts what names no office.
OFFICERS: Final = (
    ("clerk", "clerk", AGENCY, "Trần Thị Hoa"),
    ("handler", "handler", AGENCY, "Lê Minh Quân"),
    ("approver", "approver", AGENCY, "Phạm Ngọc Hà"),
    ("head", "head", AGENCY, "Đỗ Hữu Thắng"),
    ("controller", "controller", "H05", "Nguyễn Thu Trang"),
    ("administrator", "administrator", "H05", "Vũ Quang Huy"),
    ("operator", "operator", "VN", "Hoàng Đức Mạnh"),
    ("auditor", "auditor", "VN", "Bùi Thanh Vân"),
    ("desk", "clerk", "VN", "Lý Thị Nga"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoDossier:
    """One dossier with the way it came; `secret` and `phone` are for demo.json only."""

    facts: DossierFacts
    earlier: tuple[StatusEvent, ...]
    secret: str = field(repr=False)
    phone: str = field(repr=False)


def demo_dossiers(
    count: int, agencies: dict[str, int], procedures: list[tuple[str, str]], today: date, calendar: WorkingCalendar
) -> Iterator[DemoDossier]:
    """The first `count` demo dossiers over `agencies` (code to id); the first is always the one of interface.md."""
    chance = random.Random(SEED)  # noqa: S311 -- the same data everywhere, nothing secret
    offices = sorted(agencies, key=lambda code: (code != AGENCY, code))
    ordinals: dict[tuple[str, date], int] = {}
    for n in range(count):
        office = AGENCY if n == 0 else chance.choice(offices)
        day = FIRST_DAY if n == 0 else FIRST_DAY + timedelta(days=chance.randrange(DAYS))
        ordinals[office, day] = ordinal = ordinals.get((office, day), 0) + 1
        status, way = _WAYS[1] if n == 0 else chance.choices(_WAYS, _WEIGHTS)[0]
        states = (*way, status)
        name = " ".join((chance.choice(_FAMILY), chance.choice(_MIDDLE), chance.choice(_GIVEN)))
        procedure = chance.choice(procedures)
        received = datetime.combine(day, time(8, chance.randrange(60)), CIVIL_ZONE)
        times = [received + timedelta(hours=3 * step, minutes=chance.randrange(90)) for step in range(len(way) + 1)]
        code = f"{office}-{day:%y%m%d}-{ordinal:04d}"
        due = calendar.add_working_days(today, chance.randrange(1, 15))
        if chance.random() < 0.08 and n:  # some are late
            due = calendar.add_working_days(day, 2)
        facts = DossierFacts(
            code=code,
            receiving_agency=agencies[office],
            procedure_code=procedure[0],
            procedure_name=procedure[1],
            reference=f"MC-{n + 1:06d}",
            filing_channel=chance.choice(list(FilingChannel)),
            applicant_name="Nguyễn Văn An" if n == 0 else name,
            applicant_kind="citizen",
            phone="+84901234567" if n == 0 else f"+8490{chance.randrange(10**7):07d}",
            secret="246810" if n == 0 else f"{chance.randrange(10**6):06d}",
            received_at=received,
            due_at=datetime.combine(due, time(17), CIVIL_ZONE),
            status=status,
            status_at=times[-1],
            finished_at=times[states.index(Status.COMPLETED)] if Status.COMPLETED in states else None,
            delivered_at=times[-1] if status is Status.DELIVERED else None,
            asked_of_applicant=chance.choice(_ASKED[status]) if status in _ASKED else None,
            notify=False,
        )
        earlier = tuple(
            StatusEvent(event_id=f"demo-{n + 1}-{step}", code=code, status=was, at=at, notify=False)
            for step, (was, at) in enumerate(zip(way, times, strict=False), start=1)
        )
        yield DemoDossier(facts=facts, earlier=earlier, secret=facts.secret or "", phone=facts.phone or "")
