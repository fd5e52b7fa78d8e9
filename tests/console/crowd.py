"""An office with much to show: as many rows as asked on every page, with names as long as they come, some in NFD."""

from datetime import UTC, datetime, timedelta
from unicodedata import normalize

import asyncpg

from console.roles import OfficerRole
from database.pool import Role
from domain.language import Language
from domain.status import Status
from lookup.api_keys import Scope
from lookup.changes import DossierFacts, Outcome, Tenant
from lookup.quarantine import Unclear, keep
from notifications.kinds import EventKind
from notifications.ladder import set_ladder
from notifications.rules import set_rule
from notifications.wordings import Form, write_words
from service.wiring import Core
from tests.console.officers import OFFICE

LONG = "Công Tằng Tôn Nữ Thị Hoàng Ngọc Phương Khánh Quỳnh Như Trâm Anh"
SAID = normalize(
    "NFD",
    "Tôi là Nguyễn Thị Hoàng Anh Thư ở xã Phượng Mao. " + "Bộ phận một cửa hẹn nhiều lần mà chưa trả kết quả. " * 9,
)
PROCEDURE = (
    "Đăng ký biến động quyền sử dụng đất, quyền sở hữu tài sản gắn liền với đất trong các trường hợp chuyển đổi, "
    "chuyển nhượng, cho thuê, cho thuê lại, thừa kế, tặng cho, góp vốn bằng quyền sử dụng đất"
)
STATUSES = (Status.PROCESSING, Status.SUPPLEMENT_REQUIRED, Status.COMPLETED, Status.DELIVERED, Status.ACCEPTED)
_AT_ONCE = 1_000
OFFICERS = """
    INSERT INTO account (email, name, agency_id)
    SELECT 'can-bo-' || n || '@bacninh.gov.vn', $3, $1 FROM generate_series(1, $2::int) n"""
ROLES = """
    INSERT INTO account_role (account_id, role, agency_id, valid_from)
    SELECT a.id, ($2::text[])[1 + k], a.agency_id, '2026-01-01'
      FROM account a CROSS JOIN LATERAL generate_series(0, (a.id % 4)::int) k
     WHERE a.agency_id = $1 AND a.email LIKE 'can-bo-%'"""
KEYS = """
    INSERT INTO api_key (id, secret_digest, agency_id, kind, name, scopes)
    SELECT substr(md5(n::text), 1, 16), decode(md5(n::text), 'hex'), $1, 'live', 'Phần mềm một cửa ' || n || ' ' || $3,
           $4::text[]
      FROM generate_series(1, $2::int) n"""
DAYS = """
    INSERT INTO day_override (day, kind, reason, source)
    SELECT date '2027-01-04' + n, 'off', 'Nghỉ bù theo quyết định hằng năm', 'QĐ 1'
      FROM generate_series(1, $1::int) n"""
DEAD = """
    INSERT INTO message (owner_agency, kind, event, channel, route, language, proven, contact_digest, address_sealed,
                         lane, state, attempts, failure, settled_at, expires_at)
    SELECT $1, 'status_changed', 'result_ready', 'sms', 'kannel', 'vi', true, decode(md5(n::text), 'hex'), '\\x01', 1,
           70, 3, 'absent subscriber, long reason of a gateway', now() - n * interval '1 minute', now()
      FROM generate_series(1, $2::int) n"""
CASES = """
    WITH made AS (
        INSERT INTO feedback_case (state, holder_agency, parties, filed_at, holder_due_on, answer_due_on, answered_at,
                                   escalated, content)
        SELECT s, $1, ARRAY[$1::int], now() - n * interval '1 hour', current_date - 30 + n % 60,
               current_date - 20 + n % 60, CASE WHEN s IN ('answered', 'closed') THEN now() END, n % 4, 'delay'
          FROM (SELECT n, (ARRAY['received', 'in_progress', 'awaiting_approval', 'answered', 'closed'])[1 + n % 5] AS s
                  FROM generate_series(1, $2::int) n) x
        RETURNING id)
    INSERT INTO feedback (case_id, number, kind, owner_agency, agency_id, proven, channel, language, contact_digest,
                          address_sealed, text_sealed, resembles)
    SELECT id, 'PA-261101-' || lpad((id % 1000000)::text, 6, '0'), 'feedback', $1, $1, false,
           (ARRAY['web', 'sms', 'zalo', 'letter'])[1 + id % 4], 'vi', decode(md5(id::text), 'hex'), $3, $3,
           CASE WHEN id % 5 = 0 THEN 'complaint' END
      FROM made"""
TOTALS = """
    INSERT INTO day_total (agency_id, day, counts, account_id)
    SELECT $1, current_date - n, '{"received_in_person": 1234, "finished_late": 7, "late_staff": 7, "open_late": 12}',
           (SELECT min(id) FROM account)
      FROM generate_series(1, least($2::int, 60)) n"""
ACTS = """
    INSERT INTO audit (number, at, account_id, agency_id, action, subject, facts, key_id, previous, digest)
    SELECT h.number + n, now(), (SELECT min(id) FROM account), $1, 'dossier.view', 'H05.16-261102-0001',
           '{"found": 12, "by": "phone"}', 1, '', '' FROM audit_head h, generate_series(1, $2::int) n"""
ACTS_END = "UPDATE audit_head SET number = number + $1"


async def fill(core: Core, rows: int) -> None:
    """`rows` of everything at the demo's office."""
    office = core.registry.agency_by_code(OFFICE)
    assert office
    if not rows:
        return
    tenant = Tenant(agency_id=office.agency_id, agency_code=OFFICE, test=False, api_key_id="t")
    for first in range(1, rows + 1, _AT_ONCE):
        await _dossiers(core, tenant, range(first, min(first + _AT_ONCE, rows + 1)))
    owner = await asyncpg.connect(core.database.url)
    try:
        await _by_sql(owner, office.agency_id, rows, core.seal.seal(SAID))
    finally:
        await owner.close()
    async with core.database.transaction(Role.OPERATOR) as connection:
        await set_ladder(connection, office.agency_id, ["chat", "zns", "sms"], dong=2_000)
        for event in EventKind:
            await set_rule(connection, event, agency_id=office.agency_id, procedure_id=None, told=False)
            words = "HS {code}: {next}. {stop}"
            await write_words(connection, office.agency_id, event, Form.FULL, Language.VIETNAMESE, words)
    await core.registry.refresh()


async def _by_sql(owner: asyncpg.Connection, agency_id: int, rows: int, said: bytes) -> None:
    await owner.execute(OFFICERS, agency_id, rows, LONG)
    await owner.execute(ROLES, agency_id, list(OfficerRole))
    await owner.execute(KEYS, agency_id, rows, LONG, list(Scope))
    await owner.execute(DAYS, rows)
    await owner.execute(DEAD, agency_id, rows)
    await owner.execute(CASES, agency_id, rows, said)
    await owner.execute(TOTALS, agency_id, rows)
    await owner.execute(ACTS, agency_id, rows)
    await owner.execute(ACTS_END, rows)


async def _dossiers(core: Core, tenant: Tenant, numbers: range) -> None:
    begun = datetime(2026, 11, 2, 2, tzinfo=UTC)
    facts = [
        DossierFacts(
            code=f"H05.16-261102-{n:04d}",
            receiving_agency=tenant.agency_id,
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
        for n in numbers
    ]
    results = await core.writer.store_facts(tenant, facts)
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
        for n in numbers
    ]
    async with core.database.tenant(tenant.agency_id, test=False) as connection:
        await keep(connection, core.seal, tenant, unclear)
