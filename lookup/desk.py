"""The desk every channel asks: from a code, and perhaps a proof, to what may be said."""

from collections.abc import Callable
from datetime import datetime

from domain.dossier import Dossier, PublicDossier
from domain.errors import Unavailable
from lookup.disclosure import Answer, Level, disclose
from lookup.dossiers import ProvenReader
from lookup.receipt_tokens import ReceiptKeys, Validity
from lookup.registry import Registry
from lookup.source import DossierSource


class LookupDesk:
    """Answers about dossiers. `source` may be a cache; proofs are always checked against the store."""

    def __init__(
        self,
        source: DossierSource,
        proven: ProvenReader,
        registry: Registry,
        clock: Callable[[], datetime],
        *,
        receipts: ReceiptKeys,
        validity: Validity,
    ) -> None:
        self._source = source
        self._proven = proven
        self._registry = registry
        self._clock = clock
        self._receipts = receipts
        self._validity = validity

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
        return None if found is None else self._told(found, found.public, Level.PROVEN, by_phone=True)

    async def registered(self, phone: str, most: int) -> list[Answer]:
        """Level L1 of the newest `most` dossiers of the registered phone (E.164), which the asker has proven to hold.

        Their history is left out. Raises `Unavailable`.
        """
        found = await self._proven.registered(phone, most)
        return [self._told(dossier, dossier.public, Level.PROVEN) for dossier in found]

    async def any_registered(self, phone: str) -> bool:
        """Whether some dossier has this registered phone (E.164). Nobody may be told who has not proven to hold it."""
        return await self._proven.any_registered(phone)

    async def with_receipt(self, token: str) -> Answer | None:
        """Level L1 for the one dossier a receipt's token was issued for.

        None for a token that is not ours, expired, void, or of a specimen, whatever it was. Raises `Unavailable`.
        """
        receipt, now = self._receipts.read(token), self._clock()
        if receipt is None or receipt.specimen or self._validity.is_too_old(receipt, now):
            return None
        found = await self._proven.by_receipt(receipt.code, receipt.issued_at)
        if found is None or self._validity.has_ended(found, now):
            return None
        return self._told(found, found.public, Level.PROVEN)

    def _told(
        self, dossier: PublicDossier | Dossier, public: PublicDossier, level: Level, *, by_phone: bool = False
    ) -> Answer:
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
            by_phone=by_phone,
        )
