"""How much one person may file, and how much about one dossier, on all channels together (guarantee G48).

This is the first door, which spares the store a flood; `feedback_intake.filing_caps` counts what is really filed.
"""

from datetime import timedelta

from cache.budgets import FILINGS_PER_ORIGIN
from cache.limits import Limit, Limits
from domain.contact import Contact
from feedback_intake.filing_caps import DAY, HOUR, PER_DOSSIER, PER_PERSON, TooManyFiled


def _at_once(name: str, count: int, period: timedelta) -> Limit:
    return Limit(name=name, count=count, period=period, burst=count)


# From one contact or naming it, and about one dossier by anybody.
_PER_CONTACT = _at_once("filings_contact", PER_PERSON[HOUR], HOUR)
_PER_CONTACT_A_DAY = _at_once("filings_contact_day", PER_PERSON[DAY], DAY)
_PER_DOSSIER = _at_once("filings_dossier", PER_DOSSIER[HOUR], HOUR)


class FilingBudget:
    """Counts what is filed."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    async def take(self, *, address: str | None, contacts: tuple[Contact, ...], code: str | None) -> None:
        """Count one filing from an internet `address`, by `contacts`, about `code`. Raises `TooManyFiled`."""
        wanted: list[tuple[Limit, str]] = [(FILINGS_PER_ORIGIN, address)] if address else []
        for contact in contacts:
            named = f"{contact.channel} {contact.address}"
            wanted += [(_PER_CONTACT, named), (_PER_CONTACT_A_DAY, named)]
        if code:
            wanted.append((_PER_DOSSIER, code))
        taken: list[tuple[Limit, str]] = []
        for limit, subject in wanted:
            verdict = await self._limits.take(limit, subject)
            if not verdict.allowed:
                for earlier in taken:
                    await self._limits.give_back(*earlier)
                raise TooManyFiled("Too much was sent of late.", after=timedelta(seconds=verdict.retry_after))
            taken.append((limit, subject))
