"""The whole service on real servers, and a line to text it by."""

from collections.abc import AsyncIterator

import pytest

from lookup.sealing import Seal
from service.embedded import EmbeddedServers
from service.wiring import Core, open_core
from tests.channels.story import Citizen, Line, Office, make_inbox, open_line


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis may take its time: what happens when it does not answer is proven in `tests/cache` and `tests/faults`."""
    monkeypatch.setattr("cache.redis_connection.COMMAND_LIMIT", 5.0)


@pytest.fixture
async def core(database_url: str, redis_url: str, seal: Seal) -> AsyncIterator[Core]:
    """The core on the test's own database and an empty Valkey."""
    async with open_core(
        EmbeddedServers(database_url=database_url, redis_url=redis_url), seal, application="test"
    ) as opened:
        yield opened


@pytest.fixture
async def line(core: Core) -> AsyncIterator[Line]:
    """The service, running."""
    async with open_line(core, make_inbox(core)) as opened:
        yield opened


@pytest.fixture
def office(line: Line) -> Office:
    """The office of the reference data."""
    return line.office


@pytest.fixture
def citizen(line: Line) -> Citizen:
    """The owner of the first demo dossier."""
    return line.citizen()
