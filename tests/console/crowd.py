"""An office with much to show: as many rows as asked on every page, with names as long as they come."""

from datetime import UTC, date, datetime, timedelta

from console.accounts import create_account, give_role
from console.roles import OfficerRole
from database.pool import Role
from domain.language import Language
from domain.status import Status
from lookup.api_keys import KeyKind, create_key
from lookup.changes import DossierFacts, Outcome, Tenant
from lookup.quarantine import Unclear, keep
from notifications.kinds import EventKind
from notifications.ladder import set_ladder
from notifications.rules import set_rule
from notifications.wordings import Form, write_words
from service.wiring import Core
from tests.console.officers import OFFICE

LONG = "Công Tằng Tôn Nữ Thị Hoàng Ngọc Phương Khánh Quỳnh Như Trâm Anh"
PROCEDURE = (
    "Đăng ký biến động quyền sử dụng đất, quyền sở hữu tài sản gắn liền với đất trong các trường hợp chuyển đổi, "
    "chuyển nhượng, cho thuê, cho thuê lại, thừa kế, tặng cho, góp vốn bằng quyền sử dụng đất"
)
STATUSES = (Status.PROCESSING, Status.SUPPLEMENT_REQUIRED, Status.COMPLETED, Status.DELIVERED, Status.ACCEPTED)
INSERT_DAY = """
    INSERT INTO day_override (day, kind, reason, source)
    VALUES ($1, 'off', 'Nghỉ bù theo quyết định hằng năm', 'QĐ 1')"""
DEAD = """
    INSERT INTO message (owner_agency, kind, event, channel, route, language, proven, contact_digest, address_sealed,
                         lane, state, attempts, failure, settled_at, expires_at)
    SELECT $1, 'status_changed', 'result_ready', 'sms', 'kannel', 'vi', true, decode(md5(n::text), 'hex'), '\\x01', 1,
           70, 3, 'absent subscriber, long reason of a gateway', now() - n * interval '1 minute', now()
      FROM generate_series(1, $2::int) n"""


async def fill(core: Core, rows: int) -> None:
    """`rows` of everything at the demo's office."""
    office = core.registry.agency_by_code(OFFICE)
    assert office
    tenant = Tenant(agency_id=office.agency_id, agency_code=OFFICE, test=False, api_key_id="t")
    begun = datetime(2026, 11, 2, 2, tzinfo=UTC)
    facts = [
        DossierFacts(
            code=f"H05.16-261102-{n:04d}",
            receiving_agency=office.agency_id,
            status=STATUSES[n % len(STATUSES)],
            status_at=begun + timedelta(minutes=n),
            due_at=begun + timedelta(days=n % 40),
            received_at=begun,
            procedure_code="9.999999",
            procedure_name=PROCEDURE,
            reference="MC-CHUNG",
            applicant_name=LONG,
            phone="+84901234567",
            asked_of_applicant="Bản sao Giấy khai sinh có chứng thực của cơ quan có thẩm quyền",
            note="Ghi chú " + "rất dài " * 20,
            notify=False,
        )
        for n in range(1, rows + 1)
    ]
    results = await core.writer.store_facts(tenant, facts) if facts else ()
    assert all(result.outcome is Outcome.STORED for result in results)
    await core.registry.refresh()
    unclear = [
        Unclear(
            route="events",
            reason="unknown_status",
            field="status",
            value=f"đang chờ lãnh đạo ký số {n}",
            payload=f"{n}",
        )
        for n in range(rows)
    ]
    async with core.database.tenant(office.agency_id, test=False) as connection:
        await keep(connection, core.seal, tenant, unclear)
    async with core.database.transaction(Role.OPERATOR) as connection:
        for n in range(rows):
            account = await create_account(
                connection,
                email=f"can-bo-{n}@bacninh.gov.vn",
                name=LONG,
                agency_id=office.agency_id,
                password_hash=None,
            )
            for role in list(OfficerRole)[: 1 + n % 4]:
                await give_role(connection, account, role, agency_id=office.agency_id, valid_from=date(2026, 1, 1))
            await create_key(
                connection, agency_id=office.agency_id, kind=KeyKind.LIVE, name=f"Phần mềm một cửa {n} {LONG}"
            )
            await connection.execute(INSERT_DAY, date(2027, 1, 4) + timedelta(days=n))
        if rows:
            await set_ladder(connection, office.agency_id, ["chat", "zns", "sms"], dong=2_000)
            for event in EventKind:
                await set_rule(connection, event, agency_id=office.agency_id, procedure_id=None, told=False)
                words = "HS {code}: {next}. {stop}"
                await write_words(connection, office.agency_id, event, Form.FULL, Language.VIETNAMESE, words)
    async with core.database.transaction(Role.WORKER) as connection:
        await connection.execute(DEAD, office.agency_id, rows)
    await core.registry.refresh()
