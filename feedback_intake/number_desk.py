"""Feedback by its number, as the desk of dossiers answers about codes: what every channel asks, proof or none."""

import re

from database.pool import DATABASE_AWAY, Database, Role
from domain.contact import ChannelName, Contact
from domain.errors import NotFound, Unavailable
from feedback_intake.filing import TAIL
from feedback_intake.progress import FeedbackReader, Progress, number_of_link
from lookup.sealing import Seal

_TAIL = re.compile(rf"[0-9]{{{TAIL}}}")


class NumberDesk:
    """Answers by number. Every method gives None for an unknown number and a wrong proof; raises `Unavailable`."""

    def __init__(self, database: Database, reader: FeedbackReader, seal: Seal) -> None:
        self._database = database
        self._reader = reader
        self._seal = seal

    async def by_code(self, code: str) -> Progress | None:
        """What the number alone tells."""
        return await self._read(code)

    async def with_proof(self, code: str, proof: str) -> Progress | None:
        """All of it, for the last four digits of the phone that was given."""
        return await self._read(code, tail=proof if _TAIL.fullmatch(proof) else "")

    async def for_phone(self, code: str, phone: str) -> Progress | None:
        """All of it, for the phone (E.164) that was given; None for every other."""
        return await self.for_contacts(code, Contact(channel=ChannelName.SMS, address=phone))

    async def for_contacts(self, code: str, *contacts: Contact) -> Progress | None:
        """All of it, for who is known to be reached at the contact it was filed from; None for everybody else."""
        found = await self._read(code, askers=contacts)
        return found if found is not None and found.proven is not None else None

    async def proven_before(self, code: str) -> Progress | None:
        """All of it, for who proved a right to it a short while ago: the conversation remembers that."""
        return await self._read(code, trusted=True)

    async def with_receipt(self, token: str) -> Progress | None:
        """All of it, for the link of its confirmation."""
        number = number_of_link(self._seal, token)
        return await self._read(number, trusted=True) if number else None

    async def _read(
        self, number: str, *, askers: tuple[Contact, ...] = (), tail: str | None = None, trusted: bool = False
    ) -> Progress | None:
        try:
            async with self._database.connection(Role.WORKER) as connection:
                return await self._reader.by_number(connection, number, askers=askers, tail=tail, trusted=trusted)
        except NotFound:
            return None
        except DATABASE_AWAY as error:
            raise Unavailable("The store cannot be reached at the moment.") from error
