"""A filled store is one the service can answer from."""

import asyncpg

from bench.fill import HEAR_FEEDS, PER_DAY, code_of, fill
from database.pool import Database
from lookup.codes import is_agency_style
from lookup.dossiers import DossierReader

DOSSIERS = 3_000
SILENT = """
    SELECT count(*) FROM dossier d WHERE NOT EXISTS (SELECT FROM feed f WHERE f.agency_id = d.resolving_agency)"""


async def test_the_service_finds_every_dossier_of_the_fill_and_no_other(database: Database) -> None:
    await fill(database.url, DOSSIERS)
    reader = DossierReader(database)
    found = [await reader.find(code_of(n)) for n in (0, 1, DOSSIERS - 1)]
    assert [dossier.code for dossier in found if dossier] == [code_of(0), code_of(1), code_of(DOSSIERS - 1)]
    assert await reader.find(code_of(DOSSIERS)) is None


async def test_every_office_with_dossiers_was_heard(database: Database) -> None:
    await fill(database.url, DOSSIERS)
    owner = await asyncpg.connect(database.url)
    try:
        await owner.execute(HEAR_FEEDS)
        assert await owner.fetchval(SILENT) == 0
    finally:
        await owner.close()


def test_codes_are_all_different_and_as_offices_give_them() -> None:
    numbers = [*range(PER_DAY + 5_000), *range(9_990_000, 10_010_000)]
    codes = [code_of(n) for n in numbers]
    assert len(set(codes)) == len(codes)
    assert all(is_agency_style(code) for code in codes[::97])
