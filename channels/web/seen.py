"""What was seen on a page need not be told again. Who looked with a proof is taken for the holder of the dossier."""

from collections.abc import Sequence

import structlog

from database.pool import DATABASE_AWAY, Database, Role
from domain.contact import ChannelName, Contact
from lookup.disclosure import Answer
from lookup.sealing import Seal
from notifications.shown import ShownDossiers

log = structlog.get_logger()


class SeenOnPages:
    """Notes it. An answer does not fail because this cannot be noted: then the person is told once more."""

    def __init__(self, database: Database, seal: Seal) -> None:
        self._database = database
        self._shown = ShownDossiers(seal)

    async def by_holder(self, answer: Answer) -> None:
        """A page shows all of `answer` to somebody who has proven a right to it; nothing for who has not."""
        if answer.proven is not None:
            await self._note([answer], None)

    async def on_device(self, answers: Sequence[Answer], phone: str) -> None:
        """The owner of `phone` (E.164) sees the list of its dossiers."""
        await self._note(answers, Contact(channel=ChannelName.SMS, address=phone))

    async def _note(self, answers: Sequence[Answer], to: Contact | None) -> None:
        if not answers:
            return
        try:
            async with self._database.connection(Role.WORKER) as connection:
                await self._shown.note_waiting(connection, {answer.code: answer.as_of for answer in answers}, to)
        except DATABASE_AWAY as error:
            log.warning("not noted as seen", error=type(error).__qualname__)
