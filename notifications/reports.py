"""What providers report of messages they took: every report kept, the state only ever raised.

Reports that come together share a statement and its commit, so that many of them hold up nothing else on a slow store
(guarantee G39b).
"""

from collections.abc import Sequence
from typing import NamedTuple

from database.lanes import Lane
from database.pool import DATABASE_AWAY, Connection, Database, Role
from domain.errors import Unavailable
from domain.message import DeliveryState
from domain.vietnamese import clean

MOST_WORD = 200
LARGEST_ID = 2**63 - 1
LANES = 2  # batches under way at one time
MOST_TOGETHER = 200

# What is being settled by somebody else at this moment is passed over: a statement that holds some rows must not wait
# for others, or two of them would wait for each other. `RECORD_ONE` holds nothing while it waits.
RECORD = """
    WITH told AS (
        SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::text[], $4::text[]) WITH ORDINALITY
               AS t (message_id, state, route, word, place)),
    held AS (
        SELECT m.id, m.state FROM message m WHERE m.id = ANY ($1::bigint[]) FOR NO KEY UPDATE SKIP LOCKED),
    raised AS (
        UPDATE message m
           SET state = t.state, handed_over_at = coalesce(m.handed_over_at, now()), route = coalesce(m.route, t.route),
               settled_at = CASE WHEN t.state >= 50 THEN coalesce(m.settled_at, now()) ELSE m.settled_at END
          FROM (SELECT DISTINCT ON (t.message_id) t.message_id, t.state, t.route
                  FROM told t JOIN held h ON h.id = t.message_id AND h.state < t.state
                 ORDER BY t.message_id, t.state DESC, t.place) t
         WHERE m.id = t.message_id AND m.state < t.state),
    kept AS (
        INSERT INTO delivery_report (message_id, state, route, provider_word)
        SELECT t.message_id, t.state, t.route, t.word FROM told t JOIN held h ON h.id = t.message_id ORDER BY t.place)
    SELECT h.id FROM held h"""
RECORD_ONE = """
    WITH raised AS (
        UPDATE message
           SET state = $2, handed_over_at = coalesce(handed_over_at, now()), route = coalesce(route, $3),
               settled_at = CASE WHEN $2 >= 50 THEN coalesce(settled_at, now()) ELSE settled_at END
         WHERE id = $1 AND state < $2)
    INSERT INTO delivery_report (message_id, state, route, provider_word)
    SELECT id, $2, $3, $4 FROM message WHERE id = $1
    RETURNING message_id"""
FIND = """
    SELECT (SELECT m.id FROM message m WHERE m.route = t.route AND m.provider_id = t.provider_id
             ORDER BY m.id DESC LIMIT 1)
      FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS t (route, provider_id, place) ORDER BY t.place"""


class _Report(NamedTuple):
    """One report, for a message of ours by its own number, or by the provider's name for it."""

    message_id: int | None
    state: int
    route: str
    word: str
    provider_id: str


class Reports:
    """Takes delivery reports in whatever order they come."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lanes: list[Lane[None, _Report, bool]] = [Lane(self._together, most=MOST_TOGETHER) for _ in range(LANES)]

    async def report(
        self,
        *,
        route: str,
        state: DeliveryState,
        provider_word: str,
        message_id: int | None = None,
        provider_id: str | None = None,
    ) -> bool:
        """Record that `route` says `provider_word`, meaning `state`, of a message; False when it is none of ours.

        The message is named by our own `message_id` where the report carries it, else by the provider's name for it on
        that route. A route whose reports may overtake the answer to our call must carry our id. A state lower than the
        message's own is history only. Raises `Unavailable` when it could not be recorded: then it must be sent again;
        and `ValueError` for a state no provider can report.
        """
        if state < DeliveryState.HANDED_OVER:
            raise ValueError(f"a provider cannot report {state.name}")
        if message_id is not None and not 0 < message_id <= LARGEST_ID:
            return False
        name = clean(provider_id or "")
        if message_id is None and not name:
            return False
        report = _Report(message_id, int(state), route, clean(provider_word)[:MOST_WORD], name)
        return await self._lanes[hash(message_id or name) % LANES].do(None, report)

    async def _together(self, _group: None, reports: Sequence[_Report]) -> list[bool]:
        try:
            async with self._database.connection(Role.WORKER) as connection:
                reports = await _named(connection, reports)
                ours = [report for report in reports if report.message_id is not None]
                stored = await _recorded(connection, ours) if ours else set()
        except DATABASE_AWAY as error:
            raise Unavailable("The report could not be recorded. Please send it again.") from error
        return [report.message_id in stored for report in reports]


async def _named(connection: Connection, reports: Sequence[_Report]) -> list[_Report]:
    """The same with our own numbers, where the providers' names for messages are known."""
    asked = [report for report in reports if report.message_id is None]
    if not asked:
        return list(reports)
    rows = await connection.fetch(FIND, [report.route for report in asked], [report.provider_id for report in asked])
    found = {(report.route, report.provider_id): row[0] for report, row in zip(asked, rows, strict=True)}
    return [
        report._replace(message_id=found[report.route, report.provider_id]) if report.message_id is None else report
        for report in reports
    ]


async def _recorded(connection: Connection, reports: Sequence[_Report]) -> set[int]:
    """Keep `reports`, which name messages; the numbers of those that exist."""
    columns = zip(*(report[:4] for report in reports), strict=True)
    stored = {row[0] for row in await connection.fetch(RECORD, *map(list, columns))}
    passed_over = [report for report in reports if report.message_id not in stored]
    for report in passed_over:
        if (found := await connection.fetchval(RECORD_ONE, *report[:4])) is not None:
            stored.add(found)
    return stored


STATEMENTS = (RECORD, RECORD_ONE, FIND)
