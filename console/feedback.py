"""What an officer may do with one case by role, office, sector, confidence."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from console.roles import ALLOWS, Ability, OfficerRole
from console.visit import Visit
from database.pool import Connection
from domain.agency import Agency
from domain.errors import NotFound
from feedback_intake.casefile import CaseFile, CaseFiles
from feedback_intake.cases import IN_HAND, Actor, Case
from feedback_intake.moves import MoveName, Who, allowed
from feedback_intake.worklist import Reader

WHO: Mapping[OfficerRole, Who] = MappingProxyType(
    {
        OfficerRole.CLERK: Who.CLERK,
        OfficerRole.HANDLER: Who.HANDLER,
        OfficerRole.APPROVER: Who.APPROVER,
        OfficerRole.HEAD: Who.HEAD,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What one officer may do with one case. No roles: only read."""

    actor: Actor
    mine: bool

    @property
    def roles(self) -> frozenset[Who]:
        """The roles that count."""
        return self.actor.roles

    def moves(self, case: Case) -> tuple[MoveName, ...]:
        """The moves to offer, in the order of the table."""
        return allowed(case.state, self.roles)

    @property
    def leads(self) -> bool:
        """Whether the officer decides who may read it."""
        return bool(self.roles & {Who.CLERK, Who.HEAD})

    def keeps_in_sight(self, case: Case) -> bool:
        """Whether the officer, who read it, may go on reading `case` as it has become."""
        return not case.confidential or case.assignee == self.actor.account_id or Who.HEAD in self.roles

    @property
    def works(self) -> bool:
        """Whether the officer sorts or handles: writes notes, merges, splits."""
        return bool(self.roles & {Who.CLERK, Who.HANDLER, Who.HEAD, Who.APPROVER})


def files_of(visit: Visit) -> CaseFiles:
    """What reads cases."""
    return CaseFiles(visit.means.seal, visit.means.feedback.cases)


def reader_of(visit: Visit, *, office: Agency | None = None) -> Reader:
    """Whose lists these are: the officer's office and those below it, or one of them."""
    registry, officer = visit.means.registry, visit.officer
    reach = registry.reach(officer.agency_id)
    offices = registry.reach(office.agency_id) & reach if office is not None else reach
    sectors = officer.sectors(Ability.FEEDBACK_VIEW)
    return Reader(
        account_id=officer.account_id,
        offices=tuple(sorted(offices)),
        sectors=None if sectors is None else tuple(sorted(sectors)),
        reads_confidential=OfficerRole.HEAD in officer.roles,
    )


async def rights_of(visit: Visit, connection: Connection, case: Case) -> Rights:
    """What the officer may do with a case that row security shows. Raises `NotFound` for who may not read it."""
    officer, mine = visit.officer, case.assignee == visit.officer.account_id
    sector = await files_of(visit).sector(connection, case.case_id)
    held = [
        duty.role
        for duty in officer.duties
        if Ability.FEEDBACK_VIEW in ALLOWS[duty.role] and (mine or not duty.sector or duty.sector == sector)
    ]
    hidden = case.confidential and not mine and OfficerRole.HEAD not in held
    if not held or hidden:
        raise NotFound("There is no such case.")
    await connection.execute(IN_HAND, case.case_id)  # whoever gives it away sees what became of it
    here = visit.reaches(case.holder_agency)
    roles = frozenset(WHO[role] for role in held if role in WHO) if here else frozenset[Who]()
    return Rights(actor=Actor(roles=roles, account_id=officer.account_id), mine=mine)


async def opened(visit: Visit, connection: Connection, case_id: int | None) -> tuple[CaseFile, Rights]:
    """A case and what the officer may do with it. Raises `NotFound`."""
    case, rights = await found(visit, connection, case_id)
    return await files_of(visit).open(connection, case.case_id), rights


async def found(visit: Visit, connection: Connection, case_id: int | None) -> tuple[Case, Rights]:
    """The same without its words."""
    if case_id is None:
        raise NotFound("There is no such case.")
    case = await visit.means.feedback.cases.find(connection, case_id)
    return case, await rights_of(visit, connection, case)
