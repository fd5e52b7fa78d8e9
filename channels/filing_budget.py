"""How much one person may file, and how much about one dossier, on all channels together (guarantee G48)."""

from datetime import timedelta

from cache.budgets import (
    FILINGS_PER_CONTACT,
    FILINGS_PER_CONTACT_A_DAY,
    FILINGS_PER_DOSSIER,
    FILINGS_PER_ORIGIN,
)
from cache.limits import Limit, Limits
from domain.contact import Contact
from domain.errors import TooMany


class TooManyFiled(TooMany):
    """So much was filed of late that this must wait; what was typed is kept."""


class FilingBudget:
    """Counts what is filed."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    async def take(self, *, address: str | None, contacts: tuple[Contact, ...], code: str | None) -> None:
        """Count one filing from an internet `address`, by `contacts`, about `code`. Raises `TooManyFiled`."""
        wanted: list[tuple[Limit, str]] = [(FILINGS_PER_ORIGIN, address)] if address else []
        for contact in contacts:
            named = f"{contact.channel} {contact.address}"
            wanted += [(FILINGS_PER_CONTACT, named), (FILINGS_PER_CONTACT_A_DAY, named)]
        if code:
            wanted.append((FILINGS_PER_DOSSIER, code))
        taken: list[tuple[Limit, str]] = []
        for limit, subject in wanted:
            verdict = await self._limits.take(limit, subject)
            if not verdict.allowed:
                for earlier in taken:
                    await self._limits.give_back(*earlier)
                raise TooManyFiled("Too much was sent of late.", after=timedelta(seconds=verdict.retry_after))
            taken.append((limit, subject))
