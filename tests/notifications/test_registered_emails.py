"""The address an agency gave with a dossier is told of changes, and only the one it gave last."""

import asyncpg
import pytest

from database.pool import Connection, Database, Role
from domain.contact import Contact
from domain.status import Status
from lookup.changes import Tenant
from lookup.ingest import DossierWriter
from lookup.registry import Registry
from lookup.sealing import Seal
from notifications.outbox import Outbox
from notifications.registered_emails import EMAIL, RegisteredEmails
from notifications.subscriptions import Subscriptions
from tests.lookup.conftest import Ear, tenant_of
from tests.lookup.sent import event, facts, hour

AN = Contact(channel=EMAIL, address="an@example.vn")
BINH = Contact(channel=EMAIL, address="binh@example.vn")


class Office:
    """An office's system, and what the store then says of letters."""

    def __init__(self, database: Database, seal: Seal, registry: Registry) -> None:
        self.database = database
        self.seal = seal
        self.tenant = tenant_of(registry, "H05.16")
        emails = RegisteredEmails(seal)
        self.writer = DossierWriter(database, seal, Outbox(seal), Ear(), registry, emails=emails)

    async def states(self, number: int, status: Status, email: str | None, tenant: Tenant | None = None) -> None:
        """Facts that name an address, or none."""
        tenant = tenant or self.tenant
        await self.writer.store(tenant, [facts(tenant, status, hour(number), email=email)])

    async def letters(self) -> list[str]:
        """Whom letters were queued to, oldest first."""
        async with self.database.transaction(Role.OPERATOR) as connection:
            rows = await self._letters(connection)
        return [self.seal.open(row["address_sealed"]) for row in rows]

    async def _letters(self, connection: Connection) -> list[asyncpg.Record]:
        found: list[asyncpg.Record] = await connection.fetch(
            "SELECT address_sealed FROM message WHERE channel = 'email' ORDER BY id"
        )
        return found


@pytest.fixture
async def office(database: Database, seal: Seal) -> Office:
    """H05.16."""
    registry = Registry(database)
    await registry.refresh()
    return Office(database, seal, registry)


async def test_the_address_of_the_facts_is_told_of_later_changes(office: Office) -> None:
    await office.states(1, Status.ACCEPTED, "An@Example.vn")
    await office.writer.store(office.tenant, [event("e1", Status.PROCESSING, hour(2))])
    assert await office.letters() == [AN.address] * len(await office.letters())
    assert len(await office.letters()) >= 1


async def test_another_address_takes_its_place_and_none_ends_letters(office: Office) -> None:
    await office.states(1, Status.ACCEPTED, AN.address)
    await office.states(2, Status.PROCESSING, BINH.address)
    assert (await office.letters())[-1] == BINH.address
    before = len(await office.letters())
    await office.states(3, Status.COMPLETED, None)
    await office.writer.store(office.tenant, [event("e1", Status.DELIVERED, hour(4))])
    assert len(await office.letters()) == before


async def test_a_refusal_stays_whatever_is_stated_again(office: Office) -> None:
    await office.states(1, Status.ACCEPTED, AN.address)
    before = len(await office.letters())
    async with office.database.transaction(Role.WORKER) as connection:
        dossier = await connection.fetchval("SELECT dossier_id FROM subscription")
        await Subscriptions(office.seal).mute(connection, AN, dossier)
    await office.states(2, Status.PROCESSING, AN.address)
    await office.states(3, Status.SUPPLEMENT_REQUIRED, BINH.address)
    await office.states(4, Status.PROCESSING, AN.address)
    assert AN.address not in (await office.letters())[before:]


async def test_whoever_stopped_all_letters_gets_none(office: Office) -> None:
    async with office.database.transaction(Role.WORKER) as connection:
        await Subscriptions(office.seal).stop_all(connection, AN, source="unsubscribe")
    await office.states(1, Status.ACCEPTED, AN.address)
    await office.states(2, Status.PROCESSING, AN.address)
    assert await office.letters() == []


async def test_test_keys_write_to_nobody(office: Office, seal: Seal) -> None:
    registry = Registry(office.database)
    await registry.refresh()
    await office.states(1, Status.ACCEPTED, AN.address, tenant_of(registry, "H05.16", test=True))
    async with office.database.transaction(Role.OPERATOR) as connection:
        assert await connection.fetchval("SELECT count(*) FROM subscription") == 0
