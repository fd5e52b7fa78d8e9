"""Fills a database with dossiers in SQL: the rows that ingest would leave, at a tenth of its price."""

from datetime import date, timedelta

import asyncpg

from bench.report import say
from database.pool import Connection

OWNER = "H05"
OFFICES = 3_400  # code prefixes: about as many as the country has communes
PER_DAY = 100_000  # new dossiers
CHUNK = 250_000
FIRST_DAY = date(2024, 1, 1)

# Every office in reach of OWNER sends through one key, so that all feeds are heard at one time.
HEAR_FEEDS = """
    INSERT INTO feed (agency_id, heard_at)
    SELECT r.agency_id, now() FROM agency_reach r JOIN agency a ON a.id = r.scope_id
     WHERE a.code = 'H05' AND a.valid_to IS NULL
        ON CONFLICT (agency_id) DO UPDATE SET heard_at = excluded.heard_at"""

# Codes as they are given: by office and day, so that neighbours in time are far apart in the alphabet. `code_of` says
# the same in Python.
MAKE_ROWS = """
    CREATE TEMP TABLE row AS
    SELECT n + 1 AS id,
           'H' || lpad((unit % 34 + 1)::text, 2, '0') || '.' || (unit / 34 + 1)
               || '-' || to_char(date '2024-01-01' + (n / 100000)::int, 'YYMMDD')
               || '-' || lpad((n % 100000 / 3400 + 1)::text, 4, '0') AS code,
           offices.ids[1 + n % array_length(offices.ids, 1)] AS owner,
           offices.ids[1 + n * 7 % array_length(offices.ids, 1)] AS office,
           (ARRAY[2,3,4,4,4,4,5,6,9,10,10])[1 + (n * 31 % 11)::int]::smallint AS status,
           now() - interval '40 days' + n % 86400 * interval '20 seconds' AS at,
           md5(n::text) AS mark
      FROM generate_series($1::bigint, $2::bigint - 1) AS n
     CROSS JOIN LATERAL (SELECT n % 100000 % 3400 * 1237 % 3400 AS unit) AS units,
           (SELECT array_agg(r.agency_id ORDER BY r.agency_id) AS ids
              FROM agency_reach r JOIN agency a ON a.id = r.scope_id JOIN agency o ON o.id = r.agency_id
             WHERE a.code = 'H05' AND a.valid_to IS NULL AND o.valid_to IS NULL) AS offices"""
FILL_CODES = """
    INSERT INTO dossier_code (code, test, dossier_id, owner_agency)
    SELECT code, false, id, owner FROM row ORDER BY id"""
FILL_DOSSIERS = """
    INSERT INTO dossier
           (id, version, owner_agency, receiving_agency, resolving_agency, procedure_id, status, filing_channel, test,
            status_at, facts_at, received_at, due_at, finished_at, delivered_at, recorded_at, facts_digest, code,
            reference, applicant_name, applicant_kind, phone_digest, phone_tail_digest, secret_digest, phone_sealed)
    SELECT id, 1, owner, owner, office, 1 + (id % 40)::int, status, 1 + (id % 3)::int, false,
           at, at, at, at + interval '35 days', CASE WHEN status >= 9 THEN at END, CASE WHEN status = 10 THEN at END,
           clock_timestamp(), hashtextextended(mark, 0), code,
           'MC-' || lpad(id::text, 8, '0'),
           (ARRAY['Nguyễn Văn An','Trần Thị Ngọc Bình','Lê Minh Chi','Phạm Đức Dũng'])[1 + (id % 4)::int],
           'citizen', decode(mark, 'hex'), decode(md5(mark), 'hex'), decode(md5(mark || 's'), 'hex'),
           decode(mark || md5(mark || 'p') || substr(mark, 1, 18), 'hex')
      FROM row ORDER BY id"""
FILL_HISTORY = """
    INSERT INTO dossier_event
           (dossier_id, event_key, at, recorded_at, owner_agency, sender_agency, status, test, from_facts, due_at,
            event_id)
    SELECT id, md5(mark || 'e')::uuid, at, clock_timestamp(), owner, owner, status, false, true,
           at + interval '35 days',
           'facts:' || status || ':' || to_char(at, 'YYYY-MM-DD"T"HH24:MI:SS.US+00:00')
      FROM row ORDER BY id"""
# What a dossier with its first event takes while nothing has been changed yet; also the mark of a finished fill.
SEAL_FILL = """
    CREATE TABLE bench_fill AS
    SELECT $1::bigint AS dossiers,
           sum(pg_relation_size(c.oid)) AS bytes,
           sum(pg_relation_size(c.oid)) FILTER (WHERE c.relname ~ '^dossier_event') AS event_bytes
      FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relname ~ '^dossier_'"""


def code_of(n: int) -> str:
    """The code of the dossier with number n + 1; for an n beyond the fill, one that nobody has met."""
    place = n % PER_DAY
    office = place % OFFICES * 1237 % OFFICES
    day = n // PER_DAY
    return f"H{office % 34 + 1:02d}.{office // 34 + 1}-{_day(day)}-{place // OFFICES + 1:04d}"


def _day(day: int) -> str:
    return f"{FIRST_DAY + timedelta(days=day):%y%m%d}"


async def fill(url: str, dossiers: int) -> None:
    """Fill the migrated, empty database at `url`. Runs as the superuser, past row-level security."""
    connection = await asyncpg.connect(url)
    try:
        for start in range(0, dossiers, CHUNK):
            end = min(start + CHUNK, dossiers)
            async with connection.transaction():
                await _fill_chunk(connection, start, end)
            if end % (4 * CHUNK) == 0 or end == dossiers:
                say(f"filled {end:,} of {dossiers:,} dossiers")
        await connection.execute(f"SELECT setval('dossier_id', {dossiers})")
        await connection.execute("SELECT add_dossier_partitions()")
        say("vacuum")
        await connection.execute("VACUUM (FREEZE, ANALYZE)")
        await connection.execute(SEAL_FILL.replace("$1", str(dossiers)))
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


async def _fill_chunk(connection: Connection, start: int, end: int) -> None:
    await connection.execute("DROP TABLE IF EXISTS row")
    await connection.execute(MAKE_ROWS.replace("$1", str(start)).replace("$2", str(end)))
    for statement in (FILL_CODES, FILL_DOSSIERS, FILL_HISTORY):
        await connection.execute(statement)
