"""The way of a case from filed to closed: one table of states and moves, from which tests and pages are made.

Sources: NĐ 20/2008 (amended by NĐ 48/2013, 92/2017) Đ8-15, Đ19; the working vocabulary of the Government's application
for feedback (reception and handling). A move is what somebody does; a state is how the case stands after it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from domain.errors import Forbidden, Invalid


class CaseState(StrEnum):
    """How a case stands."""

    RECEIVED = "received"  # chờ tiếp nhận
    NEEDS_INFO = "needs_info"  # chờ bổ sung thông tin
    REFUSED = "refused"  # bị từ chối tiếp nhận
    CLASSIFIED = "classified"  # đã phân loại
    FORWARDED = "forwarded"  # đã chuyển, chờ cơ quan mới tiếp nhận
    ASSIGNED = "assigned"  # đã phân công
    IN_PROGRESS = "in_progress"  # đang xử lý
    AWAITING_APPROVAL = "awaiting_approval"  # chờ duyệt
    ANSWERED = "answered"  # đã trả lời
    PUBLISHED = "published"  # đã công khai
    CLOSED = "closed"  # đã kết thúc
    REOPENED = "reopened"  # mở lại
    WITHDRAWN = "withdrawn"  # đã rút


class MoveName(StrEnum):
    """What somebody does with a case."""

    ASK = "ask"  # the sender for what is missing
    SUPPLY = "supply"  # the sender gives it
    REFUSE = "refuse"
    CLASSIFY = "classify"
    FORWARD = "forward"
    ASSIGN = "assign"
    START = "start"
    SUBMIT = "submit"  # an answer for approval
    SEND_BACK = "send_back"
    APPROVE = "approve"
    PUBLISH = "publish"
    CLOSE = "close"
    REOPEN = "reopen"  # the sender: it is not solved
    WITHDRAW = "withdraw"  # the sender


class Who(StrEnum):
    """Who makes a move: the sender, an officer in a role (`console` gives them), or the clock."""

    SENDER = "sender"
    CLERK = "clerk"
    HANDLER = "handler"
    APPROVER = "approver"
    HEAD = "head"
    CLOCK = "clock"


class Needs(StrEnum):
    """What a move cannot be made without."""

    WHY = "why"  # words: a reason, or the question to the sender
    AGENCY = "agency"  # the new holder
    ASSIGNEE = "assignee"
    CONTENT = "content"  # what the feedback is about (`Content`)
    ANSWER = "answer"
    OTHER_PERSON = "other_person"  # nobody approves the answer they wrote


class Content(StrEnum):
    """What feedback is about (NĐ 20/2008 Đ5)."""

    DELAY = "delay"  # chậm trễ, gây phiền hà, không thực hiện, thực hiện không đúng
    UNREALISTIC = "unrealistic"  # không phù hợp với thực tế
    INCONSISTENT = "inconsistent"  # không đồng bộ, không thống nhất
    UNLAWFUL = "unlawful"  # không hợp pháp
    AGAINST_TREATY = "against_treaty"  # trái điều ước quốc tế
    OTHER = "other"
    PROPOSAL = "proposal"  # phương án xử lý
    INITIATIVE = "initiative"  # sáng kiến ban hành mới


PROPOSALS = frozenset({Content.PROPOSAL, Content.INITIATIVE})  # kiến nghị; all else is feedback, phản ánh


class RefusalReason(StrEnum):
    """Why feedback is not taken (NĐ 20/2008 Đ1, Đ9); each with words of its own for the sender, and an address."""

    COMPLAINT = "complaint"  # khiếu nại: another law, another way
    DENUNCIATION = "denunciation"  # tố cáo
    LEGAL_ADVICE = "legal_advice"
    NOT_ABOUT_PROCEDURES = "not_about_procedures"
    UNCLEAR = "unclear"
    ANONYMOUS = "anonymous"
    SPAM = "spam"


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One move. `to` None: back to where the case stood before it waited for the sender.

    `tells`: the sender hears of it. `new_clock`: the holder's time begins anew; the sender's runs on in any case.
    """

    starts: frozenset[CaseState]
    to: CaseState | None
    by: frozenset[Who]
    needs: frozenset[Needs] = field(default_factory=frozenset)
    tells: bool = False
    new_clock: bool = False


_S, _W, _N = CaseState, Who, Needs
_OFFICERS = frozenset({_W.CLERK, _W.HANDLER, _W.HEAD})
_NEW = frozenset({_S.RECEIVED, _S.FORWARDED, _S.REOPENED})
_WORKED_ON = frozenset({_S.CLASSIFIED, _S.ASSIGNED, _S.IN_PROGRESS})
_SAID = frozenset({_S.ANSWERED, _S.PUBLISHED})

OPEN = _NEW | _WORKED_ON | {_S.NEEDS_INFO, _S.AWAITING_APPROVAL}
ENDED = frozenset(CaseState) - OPEN

MOVES: Mapping[MoveName, Move] = MappingProxyType(
    {
        MoveName.ASK: Move(
            starts=_NEW | _WORKED_ON, to=_S.NEEDS_INFO, by=_OFFICERS, needs=frozenset({_N.WHY}), tells=True
        ),
        MoveName.SUPPLY: Move(
            starts=frozenset({_S.NEEDS_INFO}), to=None, by=frozenset({_W.SENDER, _W.CLERK}), needs=frozenset({_N.WHY})
        ),
        MoveName.REFUSE: Move(
            starts=_NEW | {_S.NEEDS_INFO, _S.CLASSIFIED},
            to=_S.REFUSED,
            by=_OFFICERS,
            needs=frozenset({_N.WHY}),
            tells=True,
        ),
        MoveName.CLASSIFY: Move(starts=_NEW, to=_S.CLASSIFIED, by=_OFFICERS, needs=frozenset({_N.CONTENT})),
        MoveName.FORWARD: Move(
            starts=_NEW | _WORKED_ON,
            to=_S.FORWARDED,
            by=_OFFICERS,
            needs=frozenset({_N.AGENCY, _N.WHY}),
            tells=True,
            new_clock=True,
        ),
        MoveName.ASSIGN: Move(
            starts=_NEW | _WORKED_ON,
            to=_S.ASSIGNED,
            by=frozenset({_W.CLERK, _W.HEAD}),
            needs=frozenset({_N.ASSIGNEE}),
        ),
        MoveName.START: Move(
            starts=_NEW | {_S.CLASSIFIED, _S.ASSIGNED}, to=_S.IN_PROGRESS, by=frozenset({_W.HANDLER, _W.HEAD})
        ),
        MoveName.SUBMIT: Move(
            starts=frozenset({_S.ASSIGNED, _S.IN_PROGRESS}),
            to=_S.AWAITING_APPROVAL,
            by=frozenset({_W.HANDLER, _W.HEAD}),
            needs=frozenset({_N.ANSWER}),
        ),
        MoveName.SEND_BACK: Move(
            starts=frozenset({_S.AWAITING_APPROVAL}),
            to=_S.IN_PROGRESS,
            by=frozenset({_W.APPROVER, _W.HEAD}),
            needs=frozenset({_N.WHY}),
        ),
        MoveName.APPROVE: Move(
            starts=frozenset({_S.AWAITING_APPROVAL}),
            to=_S.ANSWERED,
            by=frozenset({_W.APPROVER, _W.HEAD}),
            needs=frozenset({_N.OTHER_PERSON}),
            tells=True,
        ),
        MoveName.PUBLISH: Move(
            starts=frozenset({_S.ANSWERED, _S.CLOSED}),
            to=_S.PUBLISHED,
            by=frozenset({_W.APPROVER, _W.HEAD}),
            tells=True,
        ),
        # Only when nobody may object any more: what was answered is not what was solved.
        MoveName.CLOSE: Move(starts=_SAID, to=_S.CLOSED, by=frozenset({_W.CLOCK})),
        MoveName.REOPEN: Move(
            starts=_SAID, to=_S.REOPENED, by=frozenset({_W.SENDER, _W.CLERK}), needs=frozenset({_N.WHY}), new_clock=True
        ),
        MoveName.WITHDRAW: Move(starts=OPEN, to=_S.WITHDRAWN, by=frozenset({_W.SENDER, _W.CLERK})),
    }
)


def allowed(state: CaseState, roles: frozenset[Who]) -> tuple[MoveName, ...]:
    """The moves that somebody in `roles` may make from `state`, in the order of the table."""
    return tuple(name for name, move in MOVES.items() if state in move.starts and move.by & roles)


def after(name: MoveName, state: CaseState, resumes: CaseState | None, roles: frozenset[Who]) -> CaseState:
    """The state after a move. Raises `Invalid` where it leads nowhere from `state`, `Forbidden` for other roles."""
    move = MOVES[name]
    if state not in move.starts:
        raise Invalid(f"A case that is {state} cannot be moved by {name}.", field="move")
    if not move.by & roles:
        raise Forbidden(f"None of your roles may {name} a case.")
    return move.to or resumes or CaseState.RECEIVED
