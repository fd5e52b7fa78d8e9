"""What an officer takes along as a table: after a fresh proof, noted in the record, as CSV or as a workbook."""

from collections.abc import AsyncIterator, Sequence

from aiohttp import web

from console.roles import Ability
from console.tables import MOST_XLSX, Cell, send_csv, send_xlsx
from console.visit import Visit
from database.pool import Connection
from domain.errors import NotFound
from feedback_intake.caseload import Period

# Whole stretches of a table are read, as only an export does.
PATIENCE = "SELECT set_config('statement_timeout', '120s', true)"


def check_may_export(visit: Visit) -> None:
    """Raises `NotFound` for who may not."""
    if not visit.officer.may(Ability.EXPORT):
        raise NotFound("There is nothing at this address.")


def format_of(visit: Visit) -> str:
    """What the form asks for."""
    return "xlsx" if visit.form.get("format") == "xlsx" else "csv"


async def patient(connection: Connection) -> None:
    """What this transaction reads may take long."""
    await connection.execute(PATIENCE)


def named(name: str, period: Period) -> str:
    """The file's name, without its ending."""
    return f"{name}-{period.first:%Y%m%d}-{period.last:%Y%m%d}"


async def send_table(
    visit: Visit, name: str, head: Sequence[str], rows: AsyncIterator[Sequence[Cell]]
) -> web.StreamResponse:
    """The rows, sent while they are read."""
    if format_of(visit) == "xlsx":
        cut = visit.say("figures.export.cut", most=visit.count(MOST_XLSX))
        return await send_xlsx(visit.request, name, head, rows, cut=cut)
    return await send_csv(visit.request, name, head, rows)


STATEMENTS = (PATIENCE,)
