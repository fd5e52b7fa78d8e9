"""Builds everything from the settings and closes it in reverse: the one composition root."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from cache.answers import CachedDossiers, open_cached_dossiers
from cache.limits import Limits
from cache.redis_connection import RedisConnection, open_redis
from database.pool import Database, PoolSizes, open_database
from domain.civil_time import utc_now
from lookup.desk import LookupDesk
from lookup.dossiers import DossierReader, ProvenReader
from lookup.ingest import DossierWriter
from lookup.receipt_tokens import ReceiptKeys, Validity
from lookup.registry import Registry
from lookup.sealing import Seal
from notifications.apologies import Apologies
from notifications.callbacks.journal import CallbackJournal
from notifications.ladder import Ladder
from notifications.outbox import Outbox
from notifications.timing import AT_ONCE, Timing
from service.embedded import EmbeddedServers
from service.letters import registered_emails


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """What every role stands on: the store, the answers, the writer. No channel is known here."""

    database: Database
    redis: RedisConnection
    seal: Seal
    registry: Registry
    dossiers: CachedDossiers
    desk: LookupDesk
    receipts: ReceiptKeys
    limits: Limits
    outbox: Outbox
    writer: DossierWriter
    apologies: Apologies
    timing: Timing
    ladder: Ladder


@asynccontextmanager
async def open_core(
    servers: EmbeddedServers,
    seal: Seal,
    *,
    application: str,
    pooler: str | None = None,
    sizes: PoolSizes | None = None,
    processes: int = 1,
    answers_in_process: bool = True,
    receipts: ReceiptKeys | None = None,
    validity: Validity | None = None,
    timing: Timing = AT_ONCE,
    ladder: Ladder | None = None,
) -> AsyncIterator[Core]:
    """The core on two running servers. `processes` share the in-process limits among them.

    `receipts` are by default the keys derived from the installation's secret.
    """
    ladder = ladder or Ladder()
    receipts = receipts or ReceiptKeys.from_secrets((), seal)
    async with (
        open_database(servers.database_url, pooler=pooler, sizes=sizes, application=application) as database,
        open_redis(servers.redis_url) as redis,
    ):
        registry = Registry(database)
        await registry.refresh()
        reader = DossierReader(database)
        async with open_cached_dossiers(reader, redis, seal, linked=answers_in_process) as dossiers:
            outbox = Outbox(seal, timing=timing, rungs=ladder.rungs)
            journal = CallbackJournal()
            yield Core(
                database=database,
                redis=redis,
                seal=seal,
                registry=registry,
                dossiers=dossiers,
                desk=LookupDesk(
                    dossiers,
                    ProvenReader(database, seal),
                    registry,
                    utc_now,
                    receipts=receipts,
                    validity=validity or Validity(),
                ),
                receipts=receipts,
                limits=Limits(redis, seal, processes=processes),
                outbox=outbox,
                writer=DossierWriter(
                    database,
                    seal,
                    outbox,
                    dossiers,
                    registry,
                    journal=journal,
                    emails=registered_emails(seal),
                ),
                apologies=Apologies(database, registry, announcer=outbox, forgetter=dossiers, journal=journal),
                timing=timing,
                ladder=ladder,
            )
