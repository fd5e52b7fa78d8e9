"""The provider of a rig: `motma simulator`'s, in this process. Its ledger is the truth outside the service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from service.provider_simulator.faults import Faults
from service.provider_simulator.ledger import Ledger
from service.provider_simulator.provider import SENDSMS, Provider, open_provider

__all__ = ["SENDSMS", "Faults", "Ledger", "Provider", "provider"]


@asynccontextmanager
async def provider(
    directory: Path, *, delay: float = 0.0, strict_telegram: bool = False
) -> AsyncIterator[tuple[str, Provider]]:
    """The gateway's sendsms address, and the gateway. `delay` seconds pass between taking and answering."""
    faults = Faults(answer_after=delay)
    async with open_provider(directory / "ledger", faults, strict_telegram=strict_telegram) as (url, opened):
        yield url + SENDSMS, opened
