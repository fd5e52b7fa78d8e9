"""What officers may do: eight roles, and the one table of what each allows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from types import MappingProxyType


class OfficerRole(StrEnum):
    """The roles of migration 0016, each held at an agency and all below it."""

    CLERK = "clerk"  # cán bộ một cửa
    HANDLER = "handler"  # chuyên viên thụ lý
    APPROVER = "approver"  # người duyệt
    HEAD = "head"  # lãnh đạo
    CONTROLLER = "controller"  # kiểm soát thủ tục hành chính
    OPERATOR = "operator"  # vận hành
    AUDITOR = "auditor"  # kiểm tra nhật ký
    ADMINISTRATOR = "administrator"  # quản trị


class Ability(StrEnum):
    """One thing that a page may ask for."""

    DOSSIERS_VIEW = "dossiers.view"
    DOSSIERS_ENTER = "dossiers.enter"
    DOSSIERS_FIGURES = "dossiers.figures"
    APOLOGIES_CONFIRM = "apologies.confirm"
    FEEDBACK_VIEW = "feedback.view"
    FEEDBACK_RECEIVE = "feedback.receive"
    FEEDBACK_HANDLE = "feedback.handle"
    FEEDBACK_APPROVE = "feedback.approve"
    FEEDBACK_OVERSEE = "feedback.oversee"
    FEEDBACK_FIGURES = "feedback.figures"
    FEEDBACK_TERMS = "feedback.terms"
    REFERENCE_VIEW = "reference.view"
    CALENDAR_EDIT = "calendar.edit"
    WORDS_MAP = "words.map"
    NOTICES_EDIT = "notices.edit"
    OPERATION_VIEW = "operation.view"
    OPERATION_REPLAY = "operation.replay"
    KEYS_MANAGE = "keys.manage"
    ACCOUNTS_MANAGE = "accounts.manage"
    AUDIT_VIEW = "audit.view"
    EXPORT = "export"


_A = Ability
ALLOWS: Mapping[OfficerRole, frozenset[Ability]] = MappingProxyType(
    {
        OfficerRole.CLERK: frozenset(
            {_A.DOSSIERS_VIEW, _A.DOSSIERS_ENTER, _A.FEEDBACK_VIEW, _A.FEEDBACK_RECEIVE, _A.REFERENCE_VIEW},
        ),
        OfficerRole.HANDLER: frozenset({_A.DOSSIERS_VIEW, _A.FEEDBACK_VIEW, _A.FEEDBACK_HANDLE, _A.REFERENCE_VIEW}),
        OfficerRole.APPROVER: frozenset(
            {_A.DOSSIERS_VIEW, _A.APOLOGIES_CONFIRM, _A.FEEDBACK_VIEW, _A.FEEDBACK_APPROVE, _A.REFERENCE_VIEW},
        ),
        OfficerRole.HEAD: frozenset(
            {_A.DOSSIERS_VIEW, _A.APOLOGIES_CONFIRM, _A.FEEDBACK_HANDLE, _A.FEEDBACK_APPROVE, _A.REFERENCE_VIEW}
            | {_A.FEEDBACK_VIEW, _A.FEEDBACK_FIGURES, _A.FEEDBACK_TERMS, _A.OPERATION_VIEW, _A.EXPORT}
            | {_A.DOSSIERS_FIGURES},
        ),
        OfficerRole.CONTROLLER: frozenset(
            {_A.DOSSIERS_VIEW, _A.FEEDBACK_VIEW, _A.FEEDBACK_OVERSEE, _A.FEEDBACK_FIGURES, _A.REFERENCE_VIEW, _A.EXPORT}
            | {_A.DOSSIERS_FIGURES}
        ),
        OfficerRole.OPERATOR: frozenset(
            {_A.OPERATION_VIEW, _A.OPERATION_REPLAY, _A.WORDS_MAP, _A.CALENDAR_EDIT, _A.NOTICES_EDIT}
            | {_A.REFERENCE_VIEW},
        ),
        OfficerRole.AUDITOR: frozenset({_A.AUDIT_VIEW, _A.REFERENCE_VIEW, _A.EXPORT}),
        OfficerRole.ADMINISTRATOR: frozenset(
            {_A.ACCOUNTS_MANAGE, _A.KEYS_MANAGE, _A.NOTICES_EDIT, _A.WORDS_MAP, _A.REFERENCE_VIEW, _A.AUDIT_VIEW}
            | {_A.FEEDBACK_TERMS},
        ),
    }
)
# Whoever holds one of these can give rights or stop messages: a password alone is too little.
STRONG: frozenset[OfficerRole] = frozenset({OfficerRole.ADMINISTRATOR, OfficerRole.OPERATOR})


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """One role as an account holds it: where, in which sector (empty for all), how long, and for whom."""

    role: OfficerRole
    agency_id: int
    sector: str = ""
    valid_to: date | None = None
    delegated_by: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Officer:
    """Somebody signed in, working for one office. `duties` are those held at that office."""

    account_id: int
    email: str
    name: str
    agency_id: int
    duties: tuple[Duty, ...]
    elsewhere: tuple[int, ...] = ()  # other offices the account has duties at

    @property
    def roles(self) -> frozenset[OfficerRole]:
        """The roles at the present office."""
        return frozenset(duty.role for duty in self.duties)

    def may(self, ability: Ability) -> bool:
        """Whether some role at the present office allows it."""
        return any(ability in ALLOWS[duty.role] for duty in self.duties)

    def sectors(self, ability: Ability) -> frozenset[str] | None:
        """The sectors in which it is allowed; None for all."""
        named = [duty.sector for duty in self.duties if ability in ALLOWS[duty.role]]
        return None if "" in named else frozenset(named)


def needs_two_proofs(duties: Iterable[Duty]) -> bool:
    """Whether some of these is too strong for a password alone."""
    return any(duty.role in STRONG for duty in duties)
