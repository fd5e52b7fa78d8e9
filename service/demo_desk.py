"""What else lies on the demo officers' desks: days that were counted, apologies to confirm, drafts, ready answers."""

import random
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from itertools import cycle
from typing import NamedTuple

import msgspec

from console.accounts import find_by_email
from console.day_totals import DayTotals
from console.drafts import Drafts
from console.visit import SET_OFFICER
from database.pool import Connection, Role
from domain.civil_time import CIVIL_ZONE, civil_day, utc_now
from feedback_intake.templates import add_template
from lookup.changes import Tenant
from lookup.field_dictionary import TOTALS
from lookup.quarantine import Unclear, keep
from lookup.wording import day
from notifications.apology_drafts import ApologyDrafts
from service.demo import AGENCY, PROVINCE, SEED
from service.wiring import Core

COUNTED_DAYS = 20
LATE = """
    SELECT id, code, due_at, received_at FROM dossier
     WHERE NOT test AND status IN (2, 4) AND due_at < $2 AND coalesce(resolving_agency, receiving_agency) = ANY ($1)
     ORDER BY due_at, id LIMIT 6"""
WORDS = ("đang chờ ký số", "chuyển phòng chuyên môn")
TEMPLATES = (
    (
        "Xin lỗi vì chậm",
        "Chúng tôi xin lỗi vì hồ sơ chậm. Lý do: … Kết quả sẽ có trước ngày … Cần hỏi thêm, xin gọi 0222 3822 016.",
    ),
    ("Cảm ơn góp ý", "Cảm ơn Ông/Bà đã góp ý. Chúng tôi đã sửa như sau: …"),
)
LETTER = {
    "source": "letter",
    "text": "Kính gửi Sở, tôi là Trần Văn Khánh, đề nghị xem lại ranh giới thửa đất số 214 tờ bản đồ 12",
    "name": "Trần Văn Khánh",
    "postal_address": "Thôn Đông, xã Yên Phong, tỉnh Bắc Ninh",
}


class _Late(NamedTuple):
    """A dossier that is late, as drafts of apologies ask for it."""

    dossier_id: int
    at: datetime
    received_at: datetime | None


class DemoDesk:
    """Seeds it, for demo officers and dossiers that are there already."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def seed(self) -> None:
        """All of it."""
        agency = self._core.registry.agency_by_code(AGENCY)
        province = self._core.registry.agency_by_code(PROVINCE)
        if agency is None or province is None:
            return
        clerk = await self._account("clerk@demo.example")
        async with self._core.database.transaction(Role.CONSOLE) as connection:
            await connection.execute(SET_OFFICER, str(agency.agency_id), str(clerk), "")
            await self._count_days(connection, agency.agency_id, clerk)
            await Drafts(self._core.seal).keep(
                connection, clerk, "/console/ghi-nhan", LETTER | {"received_on": day(utc_now())}
            )
            for name, text in TEMPLATES:
                await add_template(connection, agency.agency_id, name, text)
        late = await self._owe_apologies(agency.agency_id)
        sender = Tenant(agency_id=province.agency_id, agency_code=PROVINCE, test=False, api_key_id="demo")
        await self._leave_words(sender, late)

    async def _account(self, email: str) -> int:
        async with self._core.database.transaction(Role.OPERATOR) as connection:
            account = await find_by_email(connection, email)
        return account.account_id if account else 0

    async def _count_days(self, connection: Connection, agency_id: int, clerk: int) -> None:
        """The last working days but today; a few late ones on each, with their causes."""
        chance, calendar = random.Random(SEED), self._core.registry.calendar  # noqa: S311 - the same data everywhere
        today = civil_day(utc_now())
        days = (today - timedelta(days=n) for n in range(1, 60))
        causes = [total.name for total in TOTALS if total.group == "causes" and total.name != "late_other"]
        for worked in [one for one in days if calendar.is_working_day(one)][:COUNTED_DAYS]:
            late = chance.choice((0, 0, 1, 1, 2, 3))
            counts = {
                "received_in_person": chance.randrange(18, 40),
                "received_online": chance.randrange(25, 60),
                "received_by_post": chance.randrange(4),
                "finished_early": chance.randrange(6, 16),
                "finished_on_time": chance.randrange(20, 45),
                "finished_late": late,
                "refused": chance.randrange(3),
                "open_in_time": chance.randrange(120, 180),
                "open_late": chance.randrange(1, 7),
                "open_waiting": chance.randrange(5, 20),
            }
            for _ in range(late):
                cause = chance.choice(causes)
                counts[cause] = counts.get(cause, 0) + 1
            await DayTotals(self._core.seal).keep(connection, agency_id, worked, counts, account_id=clerk)

    async def _owe_apologies(self, agency_id: int) -> list[str]:
        """The codes of the dossiers that are late."""
        now, reach = utc_now(), [*self._core.registry.reach(agency_id)]
        async with self._core.database.transaction(Role.WORKER) as connection:
            rows = await connection.fetch(LATE, reach, datetime.combine(civil_day(now), time(), CIVIL_ZONE))
            late = [_Late(row["id"], row["due_at"], row["received_at"]) for row in rows]
            await ApologyDrafts(self._core.registry, self._core.apologies).draft(connection, late, now)
        return [row["code"] for row in rows]

    async def _leave_words(self, sender: Tenant, codes: Sequence[str]) -> None:
        """Changes with a status in the sender's own words, which nobody has explained yet."""
        items = []
        for n, (code, word) in enumerate(zip(codes, cycle(WORDS), strict=False)):
            at = (utc_now() - timedelta(hours=n + 1)).isoformat()
            event = {"id": f"demo-word-{n}", "code": code, "status": word, "at": at, "notify": False}
            payload = msgspec.json.encode(event).decode()
            items.append(Unclear(route="events", reason="unknown_status", field="status", value=word, payload=payload))
        async with self._core.database.tenant(sender.agency_id, test=False) as connection:
            await keep(connection, self._core.seal, sender, items)


STATEMENTS = (LATE,)
