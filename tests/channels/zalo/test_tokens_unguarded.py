"""Guarantee G37 with one guard taken away: what `test_tokens` shows can fail."""

import asyncio
from datetime import timedelta

import aiohttp
import pytest
from structlog.testing import capture_logs

from channels.zalo import tokens
from channels.zalo.tokens import Renewing
from database.pool import Database, Role, open_database
from lookup.sealing import Seal
from tests.cache.waiting import until
from tests.channels.zalo.stand_in import FIRST_REFRESH_TOKEN, ZaloStandIn
from tests.channels.zalo.test_tokens import an_account, send

TURN = "AND (t.begun_at IS NULL OR t.begun_at < now() - $3::interval)"
HASTY = Renewing(patience=timedelta(seconds=0.4), shortest_life=timedelta(0))
NOTED = "UPDATE provider_token t SET begun_at = now()"


def without(statement: str, guard: str, instead: str) -> str:
    """`statement` with another part in the guard's place, which must be there."""
    assert guard in statement
    return statement.replace(guard, instead)


async def test_without_turns_two_processes_spend_one_refresh_token(
    zalo: ZaloStandIn,
    http: aiohttp.ClientSession,
    database_url: str,
    database: Database,
    seal: Seal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tokens, "BEGIN", without(tokens.BEGIN, TURN, "AND $3::interval IS NOT NULL"))
    zalo.fault("oauth", delay=0.5)
    async with open_database(database_url, roles=(Role.WORKER,)) as other:
        accounts = [an_account(zalo, http, store, seal) for store in (database, other)]
        await asyncio.gather(*(send(account) for account in accounts), return_exceptions=True)
        await until(lambda: len(zalo.exchanges) >= 2)
    assert zalo.exchanges[:2] == [FIRST_REFRESH_TOKEN] * 2


async def test_without_a_note_nobody_learns_that_a_renewal_was_cut_off(
    zalo: ZaloStandIn,
    http: aiohttp.ClientSession,
    database: Database,
    seal: Seal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tokens, "BEGIN", without(tokens.BEGIN, NOTED, "UPDATE provider_token t SET begun_at = NULL"))
    zalo.fault("oauth", reset=True)
    with capture_logs() as logs:
        for _ in range(3):
            await asyncio.gather(send(an_account(zalo, http, database, seal, renewing=HASTY)), return_exceptions=True)
    assert "the refresh token is refused: set a new one" in [entry["event"] for entry in logs]
    assert not any("never written down" in entry["event"] for entry in logs)
