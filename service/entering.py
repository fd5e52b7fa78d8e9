"""Dossiers typed in the console: read, understood and stored as those of a file are."""

import asyncio
from collections.abc import Sequence
from functools import partial

from channels.agency_api.columns import dossier_of, fields_of
from channels.agency_api.intake import Intake, sorted_out
from channels.agency_api.payloads import ImportedDossier, Unreadable
from channels.agency_api.tallies import Tally
from channels.agency_api.understanding import Understanding
from channels.json_bodies import converted
from channels.receipts.printing import Format, Printing, Wanted, printed
from console.dossier_lists import OfficersDatabase
from console.entering import Entered, RefusedRow
from domain.civil_time import utc_now
from domain.errors import ServiceError
from domain.language import Language
from lookup.changes import Tenant
from lookup.receipts import Receipts
from service.wiring import Core


class DossierEntry:
    """Fulfils `console.entering.Entering`."""

    def __init__(self, core: Core, printing: Printing) -> None:
        self._intake = Intake(database=core.database, seal=core.seal, writer=core.writer)
        self._understanding = Understanding(core.registry)
        self._receipts = Receipts(OfficersDatabase.of(core.database), core.seal)
        self._printing = printing

    async def enter(
        self, tenant: Tenant, headers: Sequence[str], rows: Sequence[Sequence[str]], *, notify: bool
    ) -> Entered:
        """Store `rows`. Raises `Invalid` for the headers, `Unavailable`."""
        fields = fields_of(headers)

        def payload(cells: Sequence[str]) -> ImportedDossier | Unreadable:
            try:
                given = dossier_of(headers, fields, cells, tenant.agency_code)
                return converted(ImportedDossier, {**given, "notify": notify})
            except ServiceError as error:
                return Unreadable(error=error)

        understand = partial(self._understanding.facts, tenant, utc_now())
        batch = sorted_out([payload(cells) for cells in rows], range(len(rows)), understand, "import")
        tally = Tally()
        await self._intake.store(tenant, batch, tally)
        refused = [
            RefusedRow(
                place=item["index"],
                code=item["error"]["code"],
                field=item["error"].get("field"),
                message=item["error"]["message"],
            )
            for item in tally.items
            if item["result"] == "rejected"
        ]
        return Entered(
            stored=tally.stored,
            duplicate=tally.duplicate,
            kept=tally.quarantined,
            refused=tuple(sorted(refused, key=lambda row: row.place)),
        )

    async def slip(self, tenant: Tenant, code: str, language: Language, *, roll: bool) -> bytes:
        """A slip as a PDF, A5 or for printers of receipts. Raises `NotFound`."""
        (facts,) = await self._receipts.facts(tenant, [code])
        made = self._printing.slip(facts, Wanted(language=language), specimen=tenant.test)
        return await asyncio.to_thread(printed, made, Format.THERMAL if roll else Format.PDF)
