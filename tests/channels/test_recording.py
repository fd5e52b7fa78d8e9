"""Messages recorded together: each once, in their order, and none for another's sake left out."""

import asyncio
from datetime import UTC, datetime

import asyncpg

from channels.recording import Recorder
from database.pool import Role
from domain.contact import ChannelName, Contact
from domain.message import Incoming
from service.wiring import Core

AT = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)


def incoming(number: int, *, sender: int = 0, recipient: str = "8088") -> Incoming:
    return Incoming(
        sender=Contact(channel=ChannelName.SMS, address=f"+8490{sender:07d}"),
        recipient=recipient,
        text="HELP",
        external_id=f"test:{number}",
        received_at=AT,
    )


async def recorded(core: Core) -> list[str]:
    async with core.database.connection(Role.WORKER) as connection:
        return [row["provider_id"] for row in await connection.fetch("SELECT provider_id FROM inbound ORDER BY id")]


async def test_of_many_copies_at_once_one_is_new(core: Core) -> None:
    recorder = Recorder(core.database, core.seal)
    told = await asyncio.gather(*(recorder.record(incoming(n % 7, sender=n % 7)) for n in range(70)))
    assert sum(told) == 7
    assert told[0]
    assert sorted(await recorded(core)) == [f"test:{n}" for n in range(7)]
    assert await recorder.record(incoming(3, sender=3)) is False


async def test_one_persons_messages_stand_in_their_order(core: Core) -> None:
    recorder = Recorder(core.database, core.seal)
    assert all(await asyncio.gather(*(recorder.record(incoming(n, sender=n % 2)) for n in range(40))))
    found = [int(name.removeprefix("test:")) for name in await recorded(core)]
    for sender in (0, 1):
        assert [n for n in found if n % 2 == sender] == [n for n in range(40) if n % 2 == sender]


async def test_what_the_store_cannot_hold_harms_nobody_else(core: Core) -> None:
    recorder = Recorder(core.database, core.seal)
    calls = [incoming(n, recipient="80\x0088" if n == 4 else "8088") for n in range(9)]
    told = await asyncio.gather(*map(recorder.record, calls), return_exceptions=True)
    assert [n for n, one in enumerate(told) if one is not True] == [4]
    assert isinstance(told[4], asyncpg.DataError)
