"""Guards of offices, files and the edge taken away, one at a time."""

import os
import re
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import jinja2
import redis.asyncio as redis
import structlog
from aiohttp import web

from channels import inbound
from channels.agency_api import bodies
from channels.web import front_door, patience
from database import pool
from domain.message import Incoming
from feedback_intake import filing, published
from lookup import cells
from pages import problems, rendering, requests
from service import keeping, persons

ONE_DAY = 86_400.0


def tenant_of_the_session() -> None:
    """G52: whose rows are shown is set for the session, and stays when the transaction has ended."""
    assert pool.SET_TENANT.count("true") == 2
    pool.SET_TENANT = pool.SET_TENANT.replace("true", "false")


def pages_not_escaped() -> None:
    """G56: what a page shows stands in it as it was written."""
    whole = jinja2.Environment

    def trusting(**given: Any) -> Any:
        return whole(**{**given, "autoescape": False})

    setattr(rendering, "Environment", trusting)


def cells_not_guarded() -> None:
    """G58: cells hold what was written."""
    cells._BEGINS = cells._BEGINS_LATER = re.compile(r"(?!)")


def cells_guarded_at_the_beginning() -> None:
    """G58: a table is only ever cut where it was meant to be."""
    cells._BEGINS_LATER = re.compile(r"(?!)")


def filed_uncounted() -> None:
    """G48: what is filed is counted in Redis only."""

    async def within_caps(*_given: Any, **_more: Any) -> None:
        pass

    assert "within_caps" in vars(filing)
    setattr(filing, "within_caps", within_caps)


def a_block_left_out() -> None:
    """Register: the search goes from one block to the next but one."""
    below = published._block_below

    def skipping(high: int) -> tuple[int, int]:
        size, block = below(high)
        return size, max(0, block - 1)

    setattr(published, "_block_below", skipping)


def words_in_the_log() -> None:
    """G53: what came is logged as it came."""
    record = inbound.Inbox.heard

    async def heard(self: inbound.Inbox, incoming: Incoming) -> bool:
        structlog.get_logger().info("heard", text=incoming.text)
        return await record(self, incoming)

    setattr(inbound.Inbox, "heard", heard)


def senders_in_redis() -> None:
    """G53: who wrote is remembered in Redis by their address."""
    record = inbound.Inbox.heard
    client = redis.from_url(os.environ["MOTMA_REDIS_URL"]) if "MOTMA_REDIS_URL" in os.environ else None

    async def heard(self: inbound.Inbox, incoming: Incoming) -> bool:
        assert client is not None
        await client.set(f"heard:{incoming.sender.address}", b"1")
        return await record(self, incoming)

    setattr(inbound.Inbox, "heard", heard)


def nobody_forgotten() -> None:
    """G54: who asks to be forgotten is only told so."""
    vars(persons)["_FORGOTTEN"] = {}


def nothing_ends() -> None:
    """G54: the terms of storage are only read."""

    async def none(self: keeping.Keeping, kept: keeping.Kept) -> int:
        return 0

    setattr(keeping.Keeping, "end", none)


def nobody_hurried() -> None:
    """G60: whoever is slow has time without end, as aiohttp gives it."""
    setattr(patience.Held, "too_slow", lambda _self, _now: None)


def silence_borne() -> None:
    """G61: a connection that asks nothing stays."""
    front_door.SILENCE = ONE_DAY


def faults_of_payloads_ours() -> None:
    """G62: a body that breaks HTTP itself is a fault like any other."""
    vars(problems)["HttpProcessingError"] = ZeroDivisionError
    vars(problems)["web"] = SimpleNamespace(
        **{**vars(web), "RequestPayloadError": ZeroDivisionError},
    )


def bodies_without_limit() -> None:
    """G63: whatever comes is read to its end, then measured."""
    whole, small = bodies.whole, requests.small_body

    async def read_all(request: web.Request, most: int, claim: bodies.Claim) -> bytes:
        body = await request.content.read()
        return body if len(body) <= most else await whole(request, 0, claim)

    async def read_all_small(request: web.Request, most: int = requests.SMALL) -> bytes:
        body = await request.content.read()
        return body if len(body) <= most else await small(request, 0)

    for module in [*sys.modules.values()]:
        for name, instead in (("whole", read_all), ("small_body", read_all_small)):
            if vars(module).get(name) in (whole, small):
                setattr(module, name, instead)


SECURITY_MUTANTS: dict[str, Callable[[], None]] = {
    mutant.__name__: mutant
    for mutant in (
        tenant_of_the_session,
        pages_not_escaped,
        cells_not_guarded,
        cells_guarded_at_the_beginning,
        filed_uncounted,
        a_block_left_out,
        words_in_the_log,
        senders_in_redis,
        nobody_forgotten,
        nothing_ends,
        nobody_hurried,
        silence_borne,
        faults_of_payloads_ours,
        bodies_without_limit,
    )
}
