"""The small tables in memory: offices through time, reach, words, feeds, and keeping up with the store."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import asyncpg
import pytest

from database.pool import Connection, Database, Role
from domain.civil_time import CIVIL_ZONE
from domain.dossier import PublicDossier
from domain.errors import Unavailable
from domain.status import Status
from lookup.registry import Registry

FRIDAY_AT_15 = datetime(2026, 11, 20, 15, tzinfo=CIVIL_ZONE)


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[Connection]:
    """The owner of the schema, who may change every table."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


def public(agency_id: int, recorded_at: datetime, read_at: datetime) -> PublicDossier:
    return PublicDossier(
        code="H05.16-261102-0001",
        version=1,
        status=Status.PROCESSING,
        status_at=recorded_at,
        received_at=None,
        due_at=None,
        finished_at=None,
        agency_id=agency_id,
        recorded_at=recorded_at,
        read_at=read_at,
    )


def test_an_office_is_found_as_it_was_on_a_day(registry: Registry) -> None:
    then, now = registry.agency_by_code("H05", date(2020, 1, 1)), registry.agency_by_code("H05")
    assert then is not None
    assert now is not None
    assert (then.valid_to, now.valid_to) == (date(2025, 6, 30), None)
    assert registry.agency(then.agency_id) is then
    assert registry.agency_by_code("H05", date(1990, 1, 1)) is None
    assert registry.agency_by_code("Z99") is None
    assert [(after.code, after.valid_from) for after in registry.successors(then.agency_id)] == [
        ("H05", date(2025, 7, 1))
    ]


def test_reach_covers_every_period_of_all_that_stands_below(registry: Registry) -> None:
    province = registry.agency_by_code("H05")
    department = registry.agency_by_code("H05.16")
    earlier = registry.agency_by_code("H05.16", date(2020, 1, 1))
    hanoi = registry.agency_by_code("H26")
    assert province is not None
    assert department is not None
    assert earlier is not None
    assert hanoi is not None
    reach = registry.reach(province.agency_id)
    assert {province.agency_id, department.agency_id, earlier.agency_id} <= reach
    assert hanoi.agency_id not in reach
    assert province.agency_id not in registry.reach(department.agency_id)
    assert registry.reach(-1) == frozenset()
    assert [a.code for a in registry.ancestors(department.agency_id)] == ["H05", "VN"]


async def test_a_renamed_office_is_seen_after_the_next_refresh(registry: Registry, owner: Connection) -> None:
    await registry.refresh()
    await owner.execute("UPDATE agency SET phone = '0222 000 111' WHERE code = 'H05.16' AND valid_to IS NULL")
    before = registry.agency_by_code("H05.16")
    await registry.refresh()
    after = registry.agency_by_code("H05.16")
    assert before is not None
    assert after == replace(before, phone="0222 000 111")


async def test_an_operators_day_wins_over_the_shipped_ones(registry: Registry, database: Database) -> None:
    shipped_off, plain = date(2026, 11, 24), date(2026, 11, 25)
    assert (registry.calendar.is_working_day(shipped_off), registry.calendar.is_working_day(plain)) == (False, True)
    async with database.transaction(Role.OPERATOR) as connection:
        await connection.execute(
            "INSERT INTO day_override (day, kind, reason, source)"
            " VALUES ($1, 'worked', 'Đính chính', 'CV 1'), ($2, 'off', 'Bão', 'CV 2')",
            shipped_off,
            plain,
        )
    await registry.refresh()
    assert (registry.calendar.is_working_day(shipped_off), registry.calendar.is_working_day(plain)) == (True, False)


async def test_a_word_mapped_for_an_office_holds_for_those_below(registry: Registry, database: Database) -> None:
    province, branch = registry.agency_by_code("H05"), registry.agency_by_code("H05.16.11")
    assert province is not None
    assert branch is not None
    assert registry.status_for(branch.agency_id, "dang-xu-ly") is None
    async with database.transaction(Role.OPERATOR) as connection:
        await connection.execute(
            "INSERT INTO status_mapping (sender_agency, raw, status) VALUES ($1, 'dang-xu-ly', 4)", province.agency_id
        )
    await registry.refresh()
    assert registry.status_for(branch.agency_id, "dang-xu-ly") is Status.PROCESSING
    assert registry.status_for(branch.agency_id, "khac") is None
    hanoi = registry.agency_by_code("H26")
    assert hanoi is not None
    assert registry.status_for(hanoi.agency_id, "dang-xu-ly") is None


async def test_procedures_learnt_by_one_process_are_known_to_another(registry: Registry, database: Database) -> None:
    other = Registry(database)
    await other.refresh()
    await registry.learn_procedures({"9.000001": "Thủ tục mới", "1.001193": "Tên khác"})
    assert registry.procedure_id("9.000001") is not None
    assert other.procedure_id("9.000001") is None
    await other.refresh()
    assert other.procedure_id("9.000001") == registry.procedure_id("9.000001")
    async with database.transaction(Role.PUBLIC) as connection:
        assert await connection.fetchval("SELECT name FROM procedure WHERE code = '1.001193'") == "Đăng ký khai sinh"


def test_silence_is_counted_in_working_hours(registry: Registry) -> None:
    agency = registry.agency_by_code("H05.16")
    assert agency is not None
    last_word = FRIDAY_AT_15
    for later, fresh in (
        (timedelta(hours=1), True),
        (timedelta(days=3), True),  # Monday 15:00: eight working hours, no more
        (timedelta(days=3, hours=1), False),
        (timedelta(days=400), False),
    ):
        now = last_word + later
        freshness = registry.freshness(public(agency.agency_id, last_word, now), now)
        assert (freshness.as_of, freshness.fresh) == (last_word, fresh)


def test_the_word_of_an_office_above_counts_for_those_below(registry: Registry) -> None:
    branch, province = registry.agency_by_code("H05.16.11"), registry.agency_by_code("H05")
    hanoi = registry.agency_by_code("H26")
    assert branch is not None
    assert province is not None
    assert hanoi is not None
    now = FRIDAY_AT_15 + timedelta(days=20)
    told = public(branch.agency_id, FRIDAY_AT_15, now)
    registry.heard({hanoi.agency_id}, now)
    assert not registry.freshness(told, now).fresh
    registry.heard({province.agency_id}, now - timedelta(minutes=5))
    freshness = registry.freshness(told, now)
    assert (freshness.as_of, freshness.fresh) == (now - timedelta(minutes=5), True)


def test_a_copy_that_could_not_be_checked_is_dated_by_its_reading(registry: Registry) -> None:
    agency = registry.agency_by_code("H05.16")
    assert agency is not None
    now = FRIDAY_AT_15
    registry.heard({agency.agency_id}, now)
    read_at = now - timedelta(minutes=5)
    freshness = registry.freshness(public(agency.agency_id, read_at - timedelta(days=1), read_at), now)
    assert (freshness.as_of, freshness.fresh) == (read_at, False)


async def test_feeds_noted_elsewhere_arrive_with_a_refresh(registry: Registry, owner: Connection) -> None:
    agency = registry.agency_by_code("H05.16")
    assert agency is not None
    heard_at = datetime.now(UTC)
    await owner.execute("INSERT INTO feed (agency_id, heard_at) VALUES ($1, $2)", agency.agency_id, heard_at)
    told = public(agency.agency_id, heard_at - timedelta(days=40), heard_at)
    assert not registry.freshness(told, heard_at).fresh
    await registry.refresh()
    assert registry.freshness(told, heard_at).as_of == heard_at
    await owner.execute("UPDATE feed SET heard_at = heard_at + interval '7 s'")
    await registry.refresh()
    assert registry.freshness(told, heard_at).as_of == heard_at + timedelta(seconds=7)


async def test_with_the_store_away_the_old_picture_stays(registry: Registry, database: Database) -> None:
    await database.pools[Role.PUBLIC].close()
    await registry.refresh()
    assert registry.agency_by_code("H05.16") is not None
    with pytest.raises(Unavailable):
        await Registry(database).refresh()


def test_before_its_first_refresh_it_says_so(database: Database) -> None:
    with pytest.raises(Unavailable):
        Registry(database).agency(1)
