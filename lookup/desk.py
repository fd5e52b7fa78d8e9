"""The desk every channel asks: from a code, and perhaps a proof, to what may be said."""

from collections.abc import Callable
from datetime import datetime

from domain.dossier import Dossier, PublicDossier
from domain.errors import Unavailable
from lookup.disclosure import Answer, Level, disclose
from lookup.dossiers import ProvenReader
from lookup.registry import Registry
from lookup.source import DossierSource


class LookupDesk:
    """Answers about dossiers. `source` may be a cache; proofs are always checked against the store."""

    def __init__(
        self, source: DossierSource, proven: ProvenReader, registry: Registry, clock: Callable[[], datetime]
    ) -> None:
        self._source = source
        self._proven = proven
        self._registry = registry
        self._clock = clock

    async def by_code(self, code: str) -> Answer | None:
        """Level L0, or None when there is no such dossier. `code` is canonical. Raises `Unavailable`."""
        found = await self._source.find(code)
        return None if found is None else self._told(found, found, Level.CODE)

    async def with_proof(self, code: str, proof: str) -> Answer | None:
        """Level L1 for the look-up secret or the last four digits of the registered phone; None otherwise."""
        found = await self._proven.any_proof(code, proof)
        return None if found is None else self._told(found, found.public, Level.PROVEN)

    async def for_phone(self, code: str, phone: str) -> Answer | None:
        """Level L1 for the registered phone (E.164), which must be where the answer goes; None for every other."""
        found = await self._proven.prove(code, phone=phone)
        return None if found is None else self._told(found, found.public, Level.PROVEN)

    def _told(self, dossier: PublicDossier | Dossier, public: PublicDossier, level: Level) -> Answer:
        agency = self._registry.agency(public.agency_id)
        if agency is None:  # newer than our picture of the offices, which is seconds old
            raise Unavailable("The office of this dossier is being set up. Please try again shortly.")
        now = self._clock()
        return disclose(
            dossier,
            level,
            agency=agency,
            freshness=self._registry.freshness(public, now),
            calendar=self._registry.calendar,
            now=now,
        )
