"""What an officer takes along as a table: after a fresh proof, noted in the record, as CSV or as a workbook."""

from collections.abc import AsyncIterator, Callable, Sequence

from aiohttp import web

from console.roles import Ability
from console.tables import MOST_XLSX, Cell, send_csv, send_xlsx
from console.visit import Visit
from database.pool import Connection
from domain.errors import NotFound
from feedback_intake.caseload import Period

# Whole stretches of a table are read, as only an export does.
PATIENCE = "SELECT set_config('statement_timeout', '120s', true)"

Rows = AsyncIterator[Sequence[Cell]]


def check_may_export(visit: Visit) -> None:
    """Raises `NotFound` for who may not."""
    if not visit.officer.may(Ability.EXPORT):
        raise NotFound("There is nothing at this address.")


async def send_noted(
    visit: Visit, action: str, *, name: str, period: Period, head: Sequence[str], rows: Callable[[Connection], Rows]
) -> web.StreamResponse:
    """What `rows` reads of a stretch of days, sent while it is read; the record says so before the first row.

    `action` is its name there, `name` the file's without days and ending.
    """
    workbook = visit.form.get("format") == "xlsx"
    first, last = period.first.isoformat(), period.last.isoformat()
    await visit.note(action, first=first, last=last, format="xlsx" if workbook else "csv")
    name = f"{name}-{period.first:%Y%m%d}-{period.last:%Y%m%d}"
    async with visit.reading() as connection:
        await connection.execute(PATIENCE)
        if workbook:
            cut = visit.say("figures.export.cut", most=visit.count(MOST_XLSX))
            return await send_xlsx(visit.request, name, head, rows(connection), cut=cut)
        return await send_csv(visit.request, name, head, rows(connection))


STATEMENTS = (PATIENCE,)
