"""Ready answers of an office and all below it, for letters that come again and again."""

from dataclasses import dataclass

import asyncpg

from database.pool import Connection
from domain.errors import ChangedMeanwhile, Invalid, NotFound
from domain.vietnamese import clean

LONGEST_NAME = 120
LONGEST_TEXT = 10_000
MOST = 200

# Those of the office and of the offices above it, the nearest first.
USABLE = f"""
    SELECT t.id, t.agency_id, t.name, t.text, t.version, t.changed_at
      FROM reply_template t
     WHERE t.agency_id IN (SELECT w.scope_id FROM agency_reach w WHERE w.agency_id = $1)
     ORDER BY (SELECT count(*) FROM agency_reach u WHERE u.agency_id = t.agency_id) DESC, t.name LIMIT {MOST}"""  # noqa: S608
FIND = "SELECT t.id, t.agency_id, t.name, t.text, t.version, t.changed_at FROM reply_template t WHERE t.id = $1"
ADD = "INSERT INTO reply_template (agency_id, name, text) VALUES ($1, $2, $3) RETURNING id"
CHANGE = """
    UPDATE reply_template SET name = $3, text = $4, version = version + 1, changed_at = now()
     WHERE id = $1 AND version = $2 RETURNING id"""
REMOVE = "DELETE FROM reply_template WHERE id = $1 AND version = $2 RETURNING id"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyTemplate:
    """One ready answer."""

    template_id: int
    agency_id: int
    name: str
    text: str
    version: int


async def usable(connection: Connection, agency_id: int) -> list[ReplyTemplate]:
    """What an officer of the office may use. Runs as `motma_console`."""
    return [_template(row) for row in await connection.fetch(USABLE, agency_id)]


async def find_template(connection: Connection, template_id: int) -> ReplyTemplate:
    """One of them. Raises `NotFound`."""
    row = await connection.fetchrow(FIND, template_id)
    if row is None:
        raise NotFound("There is no such template.")
    return _template(row)


async def add_template(connection: Connection, agency_id: int, name: str, text: str) -> int:
    """A new one of the office; its id. Raises `Invalid`."""
    name, text = _checked(name, text)
    try:
        async with connection.transaction():
            return int(await connection.fetchval(ADD, agency_id, name, text))
    except asyncpg.UniqueViolationError:
        raise Invalid("There is a template of this name.", field="name") from None


async def change_template(connection: Connection, template_id: int, version: int, name: str, text: str) -> None:
    """Raises `Invalid`, `ChangedMeanwhile` where somebody was quicker or has removed it."""
    name, text = _checked(name, text)
    try:
        async with connection.transaction():
            changed = await connection.fetchval(CHANGE, template_id, version, name, text)
    except asyncpg.UniqueViolationError:
        raise Invalid("There is a template of this name.", field="name") from None
    if changed is None:
        raise ChangedMeanwhile("Somebody else has changed this template.", field="version")


async def remove_template(connection: Connection, template_id: int, version: int) -> None:
    """Raises `ChangedMeanwhile` as `change_template`."""
    if await connection.fetchval(REMOVE, template_id, version) is None:
        raise ChangedMeanwhile("Somebody else has changed this template.", field="version")


def _checked(name: str, text: str) -> tuple[str, str]:
    name, text = clean(name), clean(text)
    if not name or len(name) > LONGEST_NAME:
        raise Invalid(f"A name has 1 to {LONGEST_NAME} characters.", field="name")
    if not text or len(text) > LONGEST_TEXT:
        raise Invalid(f"A text has 1 to {LONGEST_TEXT} characters.", field="text")
    return name, text


def _template(row: Connection) -> ReplyTemplate:
    return ReplyTemplate(
        template_id=row["id"], agency_id=row["agency_id"], name=row["name"], text=row["text"], version=row["version"]
    )


STATEMENTS = (USABLE, FIND, ADD, CHANGE, REMOVE)
