"""Waiting until the service has worked off what it was told."""

import asyncio
import time

from tests.faults.evidence import Evidence
from tests.faults.rig import Rig

LONGEST = 240.0  # seconds
UNHANDLED = "SELECT count(*) AS n FROM inbound WHERE handled_at IS NULL"
UNSENT = "SELECT count(*) AS n FROM message WHERE state <= 20"


async def handled(rig: Rig, evidence: Evidence) -> None:
    """Until every message that came has been handled."""
    await _none_left(rig, UNHANDLED, evidence, "messages were never handled")


async def sent_out(rig: Rig, evidence: Evidence) -> None:
    """Until every message of ours has ended."""
    await _none_left(rig, UNSENT, evidence, "messages of ours never ended")


async def _none_left(rig: Rig, statement: str, evidence: Evidence, what: str) -> None:
    deadline = time.monotonic() + LONGEST
    while left := (await rig.query(statement))[0]["n"]:
        if time.monotonic() > deadline:
            evidence.expect(holds=False, said=f"{left} {what}")
            return
        await asyncio.sleep(0.3)
