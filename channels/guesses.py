"""Guessing costs: the budgets every channel shares, and a desk that spends them."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Protocol

from cache.budgets import WRONG_PROOFS_PER_DOSSIER
from cache.limits import Limit, Limits
from domain.errors import TooMany
from lookup.disclosure import Answer


class Desk(Protocol):
    """What is guarded: `lookup.desk.LookupDesk`."""

    async def by_code(self, code: str) -> Answer | None:
        """Level L0."""

    async def with_proof(self, code: str, proof: str) -> Answer | None:
        """Level L1."""


class SharedBudget:
    """`channels.conversation.turn.Budget` on the limits all processes share."""

    def __init__(self, limits: Limits, by_name: Mapping[str, Limit]) -> None:
        self._limits = limits
        self._by_name = by_name

    async def spend(self, name: str, subject: str) -> bool:
        """Count one `name` for `subject`. False, and nothing counted, when there were too many already."""
        return (await self._limits.take(self._by_name[name], subject)).allowed

    async def give_back(self, name: str, subject: str) -> None:
        """Take one `spend` back."""
        await self._limits.give_back(self._by_name[name], subject)


class GuardedDesk:
    """The desk for channels where anybody can try proofs: each wrong one counts against its dossier, known or not."""

    def __init__(self, desk: Desk, limits: Limits) -> None:
        self._desk = desk
        self._limits = limits

    async def by_code(self, code: str) -> Answer | None:
        """Level L0; what is guessed here is limited by address, before."""
        return await self._desk.by_code(code)

    async def with_proof(self, code: str, proof: str) -> Answer | None:
        """Level L1. Raises `TooMany` after too many wrong proofs, whether or not the dossier exists."""
        verdict = await self._limits.take(WRONG_PROOFS_PER_DOSSIER, code)
        if not verdict.allowed:
            after = timedelta(seconds=verdict.retry_after)
            raise TooMany("The second factor was tried too often. Please wait, or ask the office.", after=after)
        answer = await self._desk.with_proof(code, proof)
        if answer is not None:
            await self._limits.give_back(WRONG_PROOFS_PER_DOSSIER, code)
        return answer
