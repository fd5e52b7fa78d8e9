"""What Zalo reports of messages it took: arrived, seen, not ours."""

import asyncio
import hashlib
from datetime import timedelta

import pytest

from database.pool import Database, Role
from domain.message import DeliveryState, MessageKind
from lookup.sealing import Seal
from notifications.outbox import Outbox
from tests.channels.zalo.stand_in import APP_ID, OA_SECRET, signature
from tests.channels.zalo.wire import PERSON, Wire, payload


async def _sent(database: Database, seal: Seal, *, provider_id: str | None, route: str = "zalo") -> int:
    """A message of ours that Zalo took."""
    async with database.transaction(Role.WORKER) as connection:
        queued = await Outbox(seal).queue(
            connection, PERSON, "text", kind=MessageKind.REPLY, expires_in=timedelta(hours=1)
        )
        await connection.execute(
            "UPDATE message SET state = 30, route = $2, provider_id = $3 WHERE id = $1", queued, route, provider_id
        )
    assert queued is not None
    return queued


async def _state(database: Database, message_id: int) -> DeliveryState:
    async with database.connection(Role.WORKER) as connection:
        return DeliveryState(await connection.fetchval("SELECT state FROM message WHERE id = $1", message_id))


async def _reported(database: Database) -> list[str]:
    async with database.connection(Role.WORKER) as connection:
        return [row["provider_word"] for row in await connection.fetch("SELECT * FROM delivery_report ORDER BY id")]


async def test_a_message_arrives_and_is_seen(reporting_wire: Wire, database: Database, seal: Seal) -> None:
    sent = [await _sent(database, seal, provider_id=mid) for mid in ("63ecf43f0df7dba892e6", "a4d0243feee163bd3af2")]
    assert await reporting_wire.post(payload("user_received_message")) == 200
    assert [await _state(database, mid) for mid in sent] == [DeliveryState.DELIVERED, DeliveryState.HANDED_OVER]
    for _ in range(2):
        assert await reporting_wire.post(payload("user_seen_message")) == 200
    assert [await _state(database, mid) for mid in sent] == [DeliveryState.DELIVERED] * 2
    assert await _reported(database) == ["user_received_message", *["user_seen_message"] * 4]


async def test_a_template_by_phone_is_reported_under_our_own_id(
    reporting_wire: Wire, database: Database, seal: Seal
) -> None:
    mid = await _sent(database, seal, provider_id=None, route="zns")
    body = payload("zns_user_received_message").replace(b"motma41", b"motma%d" % mid)
    assert await reporting_wire.post(body) == 200
    assert await _state(database, mid) is DeliveryState.DELIVERED


@pytest.mark.parametrize("tracking_id", [b"motma999999", b"motma9999999999999999999", b"order-88213", b"41", b""])
async def test_a_report_about_a_message_that_is_not_ours_creates_nothing(
    reporting_wire: Wire, database: Database, tracking_id: bytes
) -> None:
    body = payload("zns_user_received_message").replace(b"motma41", tracking_id)
    assert await reporting_wire.post(body) == 200
    assert await reporting_wire.post(payload("user_received_message")) == 200
    assert await reporting_wire.post(payload("user_seen_message")) == 200
    assert await _reported(database) == []


async def test_a_report_that_overtakes_our_own_record_is_waited_for(
    reporting_wire: Wire, database: Database, seal: Seal
) -> None:
    mid = await _sent(database, seal, provider_id=None)

    async def written_down() -> None:
        await asyncio.sleep(0.1)
        async with database.connection(Role.WORKER) as connection:
            await connection.execute("UPDATE message SET provider_id = '63ecf43f0df7dba892e6' WHERE id = $1", mid)

    writing = asyncio.create_task(written_down())
    assert await reporting_wire.post(payload("user_received_message")) == 200
    await writing
    assert await _state(database, mid) is DeliveryState.DELIVERED


async def test_the_stand_in_signs_as_documented() -> None:
    body = b'{"timestamp":"1"}'
    said = hashlib.sha256((APP_ID + body.decode() + "1" + OA_SECRET).encode()).hexdigest()
    assert signature(body, "1") == f"mac={said}"
