"""What programs that speak GeoReport v2 ask, post and read."""

from datetime import timedelta

import pytest

from database.pool import Role
from domain.civil_time import utc_now
from feedback_intake.cases import Step
from feedback_intake.moves import CaseState, Content, MoveName, RefusalReason, Who
from lookup.api_keys import KeyKind
from tests.channels.open311.conftest import PLACE, URL, Reports
from tests.feedback_intake.desk import ELSEWHERE, HERE, TEXT
from tests.feedback_intake.test_register import ANSWER, EDITED

FIELDS = {"service_code": "delay", "description": TEXT, "first_name": "Bưởi", "last_name": "Nguyễn Thị"}
KEPT = """
    SELECT f.channel, f.kind, f.may_publish, f.name_sealed, f.text_sealed, c.content, c.holder_agency, f.phone_digest
      FROM feedback f JOIN feedback_case c ON c.id = f.case_id WHERE f.number = $1"""


async def test_discovery_leads_to_the_service_in_both_formats(reports: Reports) -> None:
    said = await reports.asks("discovery")
    assert said["endpoints"][0]["url"] == f"{URL}{PLACE}"
    found = await reports.asks_xml("discovery")
    assert found.tag == "discovery"
    assert [each.text for each in found.findall("endpoints/endpoint/formats/format")] == [
        "application/json",
        "text/xml",
    ]


async def test_services_and_their_questions(reports: Reports) -> None:
    said = await reports.asks("services")
    assert {each["service_code"] for each in said} == set(Content)
    assert said[0]["service_name"] == "Chậm trễ, gây phiền hà, làm không đúng"
    english = await reports.asks_xml("services", {"lang": "en"})
    assert english.findtext("service/service_name") == "Delay, harassment, wrong handling"
    asked = await reports.asks("services/delay")
    assert [each["code"] for each in asked["attributes"]] == ["agency", "dossier", "may_publish"]
    found = await reports.asks_xml("services/delay")
    assert [each.text for each in found.findall("attributes/attribute/values/value/key")] == [
        "no",
        "anonymous",
        "named",
    ]


async def test_what_was_published_is_there_for_everybody_and_nothing_else(reports: Reports) -> None:
    await reports.publishes()
    await reports.desk.files()
    (said,) = await reports.asks("requests")
    assert (said["service_request_id"], said["status"], said["service_code"]) == ("1", "closed", "other")
    assert said["description"].startswith(EDITED)
    assert ANSWER in said["description"]
    assert said["requested_datetime"].endswith("T00:00:00+07:00")
    found = await reports.asks_xml("requests/1")
    assert found.findtext("request/service_request_id") == "1"
    assert found.find("request/lat") is not None


async def test_a_program_posts_with_its_key_and_reads_what_became_of_it(reports: Reports) -> None:
    key = await reports.key()
    extra = {
        "attribute[agency]": HERE,
        "attribute[may_publish]": "named",
        "phone": "0901 234 567",
        "lat": "21.1",
        "long": "106",
    }
    ((posted),) = await reports.posts({"api_key": key, **FIELDS, **extra})
    number = posted["service_request_id"]
    async with reports.core.database.transaction(Role.WORKER) as connection:
        kept = await connection.fetchrow(KEPT, number)
    seal = reports.core.seal
    assert (kept["channel"], kept["kind"], kept["may_publish"], kept["content"]) == (
        "open311",
        "feedback",
        "named",
        "delay",
    )
    assert seal.open(kept["name_sealed"]) == "Nguyễn Thị Bưởi"
    assert seal.open(kept["text_sealed"]) == f"{TEXT}\nVị trí: 21.100000, 106.000000"
    assert kept["phone_digest"] is not None
    (said,) = await reports.asks("requests", {"api_key": key})
    assert (said["service_request_id"], said["status"], said["description"][: len(TEXT)]) == (number, "open", TEXT)
    assert said["expected_datetime"].endswith("T23:59:59+07:00")
    # Another key, or none, learns what the number alone tells.
    others: list[dict[str, str]] = [{}, {"api_key": await reports.key(code=ELSEWHERE)}]
    for other in others:
        (told,) = await reports.asks(f"requests/{number}", other)
        assert (told["status"], told["description"], told["service_code"]) == ("open", None, None)
    assert await reports.asks("requests", {"api_key": await reports.key(code=ELSEWHERE)}) == []
    assert await reports.asks("requests") == []


async def test_states_of_cases_are_open_or_closed(reports: Reports) -> None:
    key = await reports.key()
    (posted,) = await reports.posts({"api_key": key, **FIELDS, "attribute[agency]": HERE})
    async with reports.core.database.transaction(Role.WORKER) as connection:
        case_id = await connection.fetchval("SELECT max(id) FROM feedback_case")
    step = Step(move=MoveName.REFUSE, why="Chưa rõ", reason=RefusalReason.UNCLEAR)
    case = await reports.desk.moves(case_id, step, role=Who.CLERK)
    assert case.state is CaseState.REFUSED
    (said,) = await reports.asks(f"requests/{posted['service_request_id']}", {"api_key": key})
    assert (said["status"], said["expected_datetime"]) == ("closed", None)
    assert await reports.asks("requests", {"api_key": key, "status": "open"}) == []
    assert len(await reports.asks("requests", {"api_key": key, "status": "closed"})) == 1


async def test_a_token_leads_to_the_number(reports: Reports) -> None:
    key = await reports.key()
    (posted,) = await reports.posts({"api_key": key, **FIELDS}, headers={"Prefer": "respond-async"})
    assert "service_request_id" not in posted
    (found,) = await reports.asks(f"tokens/{posted['token']}")
    assert (await reports.asks(f"requests/{found['service_request_id']}", {"api_key": key}))[0]["status"] == "open"
    await reports.asks("tokens/khong-co", expect=404)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"service_code": "other"}, 1),
        ({"service_code": "delay,other"}, 1),
        ({"service_code": "delay"}, 0),
        ({"status": "closed"}, 1),
        ({"status": "open"}, 0),
        ({"status": "open,closed"}, 1),
        ({"jurisdiction_id": "H05"}, 1),
        ({"jurisdiction_id": "H26"}, 0),
        ({"service_request_id": "1,7,PA-261122-000000"}, 1),
        ({"start_date": "2026-01-01", "end_date": "2026-02-01"}, 0),
        ({"page_size": "10", "page": "2"}, 0),
    ],
)
async def test_filters(reports: Reports, query: dict[str, str], found: int) -> None:
    await reports.publishes()
    assert len(await reports.asks("requests", query)) == found


async def test_days_are_asked_for_in_every_form_of_the_specification(reports: Reports) -> None:
    await reports.publishes()
    now = utc_now()
    before, after = now - timedelta(days=3), now + timedelta(hours=1)
    for form in ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S+00:00"):
        assert (
            len(await reports.asks("requests", {"start_date": f"{before:{form}}", "end_date": f"{after:{form}}"})) == 1
        )
    assert len(await reports.asks("requests", {"start_date": f"{before:%Y-%m-%d}"})) == 1


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("services/khong", {}, 404),
        ("services", {"jurisdiction_id": "X9"}, 404),
        ("requests", {"service_code": "khong"}, 404),
        ("requests", {"status": "nửa"}, 400),
        ("requests", {"start_date": "hôm qua"}, 400),
        ("requests", {"start_date": "2026-01-01", "end_date": "2026-12-31"}, 400),
        ("requests", {"start_date": "0001-01-01T00:00:00+14:00"}, 400),
        ("requests", {"page": "0"}, 400),
        ("requests", {"api_key": "sai"}, 403),
        ("requests", {"api_key": "motma_live_0_0"}, 403),
        ("requests/999", {}, 404),
        ("nothing/here", {}, 404),
        ("requests/PA-261122-000000", {}, 404),
    ],
)
async def test_refusals_come_in_the_specifications_shape(
    reports: Reports, path: str, query: dict[str, str], status: int
) -> None:
    (fault,) = await reports.asks(path, query, expect=status)
    assert fault["code"] == status
    assert fault["description"]
    found = await reports.asks_xml(path, query, expect=status)
    assert (found.tag, found.findtext("error/code")) == ("errors", str(status))


@pytest.mark.parametrize(
    ("fields", "status", "named"),
    [
        ({"description": ""}, 400, "description"),
        ({"service_code": "khong"}, 404, "service_code"),
        ({"phone": "12"}, 400, "phone"),
        ({"email": "a b"}, 400, "email"),
        ({"lat": "x"}, 400, "lat"),
        ({"lat": "nan", "long": "1"}, 400, "lat"),
        ({"attribute[agency]": "X9"}, 400, "attribute[agency]"),
        ({"attribute[may_publish]": "maybe"}, 400, "attribute[may_publish]"),
        ({"description": "a" * 10_001}, 400, "text"),
        ({"api_key": ""}, 403, ""),
        ({"jurisdiction_id": "X9"}, 404, "jurisdiction_id"),
    ],
)
async def test_what_cannot_be_filed_says_why(reports: Reports, fields: dict[str, str], status: int, named: str) -> None:
    (fault,) = await reports.posts({"api_key": await reports.key()} | FIELDS | fields, expect=status)
    assert fault["description"].startswith(named)


async def test_a_test_key_files_nothing(reports: Reports) -> None:
    (fault,) = await reports.posts({"api_key": await reports.key(KeyKind.TEST), **FIELDS}, expect=403)
    assert "test key" in fault["description"]


@pytest.mark.parametrize(
    "body", [b"\xff\xfe=", b"a=1&" * 100, b"%00=%00", b"service_code=delay&description=%00%ED%A0%80"]
)
async def test_broken_forms_are_refused_and_never_a_fault_of_ours(reports: Reports, body: bytes) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    async with reports.client.post(f"{PLACE}/requests.json", data=body, headers=headers) as response:
        assert response.status in {400, 403}
    async with reports.client.post(f"{PLACE}/requests.xml", json={"a": 1}) as response:
        assert response.status == 400
        assert "<errors><error><code>400</code>" in await response.text()
