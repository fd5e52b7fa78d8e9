"""What an officer typed and has not sent: kept sealed, so that signing out, a conflict or a restart loses nothing."""

from collections.abc import Mapping

import msgspec

from database.pool import Connection
from lookup.sealing import Seal, Unsealable

LONGEST = 512 * 1024  # characters of all fields together

KEEP = """
    INSERT INTO draft (account_id, form, fields_sealed) VALUES ($1, $2, $3)
        ON CONFLICT (account_id, form) DO UPDATE SET fields_sealed = excluded.fields_sealed, saved_at = now()"""
FIND = "SELECT fields_sealed FROM draft WHERE account_id = $1 AND form = $2"
DROP = "DELETE FROM draft WHERE account_id = $1 AND form = $2"
LIST = "SELECT form FROM draft WHERE account_id = $1 ORDER BY saved_at DESC LIMIT 100"


class Drafts:
    """All statements run as `motma_console` with the account set for the transaction."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    async def keep(self, connection: Connection, account_id: int, form: str, fields: Mapping[str, str]) -> None:
        """Keep what was typed into `form` in place of what was kept before."""
        text = msgspec.json.encode(dict(fields)).decode()
        if len(text) <= LONGEST:
            await connection.execute(KEEP, account_id, form, self._seal.seal(text))

    async def find(self, connection: Connection, account_id: int, form: str) -> dict[str, str]:
        """What was kept of `form`; empty where there is nothing, or nothing that can still be read."""
        sealed = await connection.fetchval(FIND, account_id, form)
        if sealed is None:
            return {}
        try:
            return msgspec.json.decode(self._seal.open(sealed), type=dict[str, str])
        except (Unsealable, msgspec.DecodeError):
            return {}

    async def drop(self, connection: Connection, account_id: int, form: str) -> None:
        """It was sent."""
        await connection.execute(DROP, account_id, form)

    async def forms(self, connection: Connection, account_id: int) -> list[str]:
        """The forms with a draft, the newest first."""
        return [row["form"] for row in await connection.fetch(LIST, account_id)]


STATEMENTS = (KEEP, FIND, DROP, LIST)
