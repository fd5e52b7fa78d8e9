"""A store with its registry and writer, and the systems of two agencies that send to it."""

from dataclasses import dataclass, field

import pytest

from database.pool import Connection, Database
from lookup.changes import Announcement, Tenant
from lookup.ingest import DossierWriter
from lookup.registry import Registry
from lookup.sealing import Seal


@dataclass(slots=True)
class Ear:
    """Hears what would be announced, and which versions caches are told to expect."""

    announced: list[Announcement] = field(default_factory=list)
    expected: list[dict[str, int]] = field(default_factory=list)

    async def announce(self, connection: Connection, changes: list[Announcement]) -> None:
        """Note the changes, and that they come inside the transaction that stores them."""
        for change in changes:
            stored = await connection.fetchval(
                "SELECT count(*) FROM dossier_event WHERE dossier_id = $1", change.dossier_id
            )
            assert stored > 0
        self.announced += changes

    async def expect(self, versions: dict[str, int]) -> None:
        """Note the versions."""
        self.expected.append(versions)


@pytest.fixture
async def registry(database: Database) -> Registry:
    """The small tables of the template."""
    registry = Registry(database)
    await registry.refresh()
    return registry


@pytest.fixture
def ear() -> Ear:
    """What the writer says to others."""
    return Ear()


@pytest.fixture
def writer(database: Database, seal: Seal, ear: Ear, registry: Registry) -> DossierWriter:
    """The writer under test."""
    return DossierWriter(database, seal, ear, ear, registry)


def tenant_of(registry: Registry, code: str, *, test: bool = False) -> Tenant:
    """The system of an agency."""
    agency = registry.agency_by_code(code)
    assert agency is not None
    return Tenant(agency_id=agency.agency_id, agency_code=code, test=test, api_key_id="key")


@pytest.fixture
def tenant(registry: Registry) -> Tenant:
    """The department of agriculture and environment of Bắc Ninh."""
    return tenant_of(registry, "H05.16")


@pytest.fixture
def province(registry: Registry) -> Tenant:
    """The people's committee above it."""
    return tenant_of(registry, "H05")


@pytest.fixture
def stranger(registry: Registry) -> Tenant:
    """The people's committee of another province."""
    return tenant_of(registry, "H26")
