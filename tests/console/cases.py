"""People who file, and officers who handle: what tests of the pages of cases need."""

from dataclasses import dataclass

from console.roles import OfficerRole
from database.pool import Role
from feedback_intake.filing import Filed
from tests.console.officers import OFFICE, Answer, Browser, House
from tests.feedback_intake.desk import TEXT, CaseDesk

CLERK, HANDLER, APPROVER, HEAD = OfficerRole.CLERK, OfficerRole.HANDLER, OfficerRole.APPROVER, OfficerRole.HEAD


@dataclass(slots=True, kw_only=True)
class Counter:
    """The console, and the citizens' side of it."""

    house: House
    desk: CaseDesk

    async def files(self, text: str = TEXT, *, phone: str = "+84901234567", confidential: bool = False) -> Filed:
        """Somebody files with the office."""
        return await self.desk.files(text, phone=phone, office=OFFICE, confidential=confidential)

    async def officer(self, name: str, *roles: OfficerRole, office: str = OFFICE) -> Browser:
        """Somebody signed in."""
        return await self.house.officer(*roles, email=f"{name}@bacninh.gov.vn", office=office)

    async def account(self, name: str) -> int:
        """Their account."""
        async with self.house.core.database.connection(Role.OPERATOR) as connection:
            found: int = await connection.fetchval("SELECT id FROM account WHERE email = $1", f"{name}@bacninh.gov.vn")
        return found


def case(filed: Filed, *rest: str) -> str:
    """The address of a case."""
    return "/".join((f"/console/phan-anh/{filed.case_id}", *rest))


async def send(browser: Browser, path: str, **fields: str) -> Answer:
    """Send a form of the page that is open."""
    return await browser.post(path, headers=None, **fields)  # type: ignore[arg-type]
