"""Room for new dossiers: one empty partition is kept ahead of the newest number."""

from database.pool import DATABASE_AWAY, Database, Role
from domain.errors import Unavailable

ADD_PARTITIONS = "SELECT add_dossier_partitions()"


async def keep_partitions_ahead(database: Database) -> int:
    """Add the partitions that are missing; how many. Raises `Unavailable`."""
    try:
        async with database.transaction(Role.WORKER) as connection:
            return int(await connection.fetchval(ADD_PARTITIONS))
    except DATABASE_AWAY as error:
        raise Unavailable("The store cannot be reached at the moment.") from error


STATEMENTS = (ADD_PARTITIONS,)
