"""A register of any length, for tests and measurements that need one: written by SQL, with texts of common words."""

import asyncpg

from feedback_intake.register import words_of

# Syllables as common in such texts as they are here: the first in most entries, the last in few.
COMMON = (
    "hồ sơ tôi nộp đã ngày mà chưa có kết quả trả lời công dân phường xã giấy hẹn đất đai khai sinh cấp đổi số thủ tục "
    "hành chính cán bộ yêu cầu bổ sung lần thứ ba xin cảm ơn đường nhà ở quyền sử dụng kinh doanh hộ gia đình đăng ký "
    "chứng thực bản sao kết hôn thường trú tạm vắng bảo hiểm y tế học sinh trường xây dựng phép môi nước thải rác chợ"
)
_RARE = "đạc bưởi gạch ngói lò rèn chuồn kim giếng đình miếu tre nứa lụa tằm"
SYLLABLES = (*COMMON.split(), *_RARE.split())
RARE = "hiemco"  # in one entry of 5,000
AT_ONCE = 100_000
VARIETY = 20_000  # entries with texts of their own; beyond, these texts come again, in another order
FILL = """
    WITH given AS (
        SELECT s.n, ($3::int[])[1 + (s.n::bigint * 7919) % array_length($3::int[], 1)] AS agency_id,
               s.n % 11 <> 0 AS on_time,
               CASE WHEN s.n % 4 = 0 THEN 'proposal' ELSE 'feedback' END AS kind,
               now() - make_interval(mins => ($2 - s.n)) AS at,
               ARRAY(SELECT 1 + floor(power(random(), 2.5) * array_length($4::text[], 1))::int
                       FROM generate_series(1, $7 + 0 * s.n)) AS picked
          FROM generate_series($1::int, $2::int) AS s (n)),
    texts AS (
        SELECT g.*, (SELECT string_agg(($4::text[])[i], ' ') FROM unnest(g.picked) i) AS said,
               ARRAY(SELECT DISTINCT ($5::text[])[i] FROM unnest(g.picked) i)
                 || CASE WHEN g.n % 5000 = 17 THEN ARRAY['hiemco'] ELSE ARRAY[]::text[] END AS words
          FROM given g),
    records AS (
        INSERT INTO register_record (n, at, kind, entry, content, previous, digest)
        SELECT n, at, 'entry', n, '', decode(repeat('00', 32), 'hex'), decode(repeat('00', 32), 'hex') FROM texts)
    INSERT INTO register_entry (n, case_id, agency_id, kind, content, filed_on, answered_on, on_time, published_at,
                                facts, facts_salt, question, question_salt, answer, answer_salt, name, name_salt,
                                digests, words)
    SELECT t.n, $6, t.agency_id, t.kind, 'delay', t.at::date - 12, t.at::date - 2, t.on_time, t.at,
           json_build_object('agency', a.code, 'agency_name', a.name, 'reopened', 0, 'replaces', null)::text, '\\x00',
           left(t.said, length(t.said) / 2), '\\x00', right(t.said, length(t.said) / 2), '\\x00', '', '\\x00',
           decode(repeat('00', 128), 'hex'),
           array_to_tsvector(t.words || register_places(t.agency_id, t.n)
                             || ARRAY['k:' || t.kind, 'o:' || t.on_time::int])
      FROM texts t JOIN agency a ON a.id = t.agency_id"""
TEXTS = """
    CREATE TEMP TABLE said ON COMMIT PRESERVE ROWS AS
    SELECT e.n, e.question, e.answer,
           ts_delete(e.words, register_places(e.agency_id, e.n)
                              || ARRAY['k:' || e.kind, 'o:' || e.on_time::int]) AS words
      FROM register_entry e"""
TEXTS_BY_NUMBER = "ALTER TABLE said ADD PRIMARY KEY (n)"
AGAIN = """
    WITH above AS (SELECT agency_id, array_agg('u:' || scope_id) AS offices FROM agency_reach GROUP BY agency_id),
    given AS (
        SELECT s.n, ($3::int[])[1 + (s.n::bigint * 104729 / 17) % array_length($3::int[], 1)] AS agency_id,
               s.n % 11 <> 0 AS on_time, CASE WHEN s.n % 4 = 0 THEN 'proposal' ELSE 'feedback' END AS kind,
               now() - make_interval(mins => ($2 - s.n)) AS at, 1 + (s.n::bigint * 7919) % $5::int AS like_n
          FROM generate_series($1::int, $2::int) AS s (n)),
    records AS (
        INSERT INTO register_record (n, at, kind, entry, content, previous, digest)
        SELECT n, at, 'entry', n, '', decode(repeat('00', 32), 'hex'), decode(repeat('00', 32), 'hex') FROM given)
    INSERT INTO register_entry (n, case_id, agency_id, kind, content, filed_on, answered_on, on_time, published_at,
                                facts, facts_salt, question, question_salt, answer, answer_salt, name, name_salt,
                                digests, words)
    SELECT g.n, $4, g.agency_id, g.kind, 'delay', g.at::date - 12, g.at::date - 2, g.on_time, g.at,
           json_build_object('agency', a.code, 'agency_name', a.name, 'reopened', 0, 'replaces', null)::text, '\\x00',
           said.question, '\\x00', said.answer, '\\x00', '', '\\x00', decode(repeat('00', 128), 'hex'),
           said.words || array_to_tsvector(ARRAY['b14:' || (g.n >> 14), 'b17:' || (g.n >> 17), 'k:' || g.kind,
                                                 'o:' || g.on_time::int] || b.offices)
      FROM given g JOIN said ON said.n = g.like_n JOIN agency a ON a.id = g.agency_id
      JOIN above b ON b.agency_id = g.agency_id"""
INDEX = "SELECT pg_get_indexdef('register_entry_words'::regclass)"
CASE = """
    INSERT INTO feedback_case (state, holder_agency, parties, holder_due_on, answer_due_on)
    VALUES ('published', $1, ARRAY[$1::int], now()::date, now()::date) RETURNING id"""


async def fill(url: str, entries: int, *, length: int = 60, offices: int | None = None) -> None:
    """Entries 1 to `entries`, `length` syllables each, spread over (some) offices; the newest is of now.

    Their digests fit nothing: this register is for reading, not for verifying.
    """
    connection = await asyncpg.connect(url)
    try:
        ids = [row["id"] for row in await connection.fetch("SELECT id FROM agency ORDER BY id LIMIT $1", offices)]
        case_id = await connection.fetchval(CASE, ids[0])
        plain = [words_of(syllable)[0] for syllable in SYLLABLES]
        own = min(entries, VARIETY)
        await connection.execute(FILL, 1, own, ids, SYLLABLES, plain, case_id, length)
        if entries > own:
            index = await connection.fetchval(INDEX)
            await connection.execute("DROP INDEX register_entry_words")
            await connection.execute(TEXTS)
            await connection.execute(TEXTS_BY_NUMBER)
            for first in range(own + 1, entries + 1, AT_ONCE):
                last = min(entries, first + AT_ONCE - 1)
                await connection.execute(AGAIN, first, last, ids, case_id, own)
            await connection.execute(index)
        await connection.execute("UPDATE register_head SET n = $1", entries)
        await connection.execute("VACUUM ANALYZE register_entry")
    finally:
        await connection.close()
