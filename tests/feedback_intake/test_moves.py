"""The table of states and moves: what follows from it, for every state, move and role."""

from itertools import product

import pytest

from domain.errors import Forbidden, Invalid
from feedback_intake.moves import ENDED, MOVES, OPEN, CaseState, MoveName, Needs, Who, after, allowed

EVERYBODY = frozenset(Who)


@pytest.mark.parametrize(("name", "state"), list(product(MoveName, CaseState)))
def test_a_move_is_made_from_its_states_only(name: MoveName, state: CaseState) -> None:
    if state in MOVES[name].starts:
        to = after(name, state, CaseState.CLASSIFIED, EVERYBODY)
        assert to is (MOVES[name].to or CaseState.CLASSIFIED)
        assert name in allowed(state, EVERYBODY)
    else:
        with pytest.raises(Invalid):
            after(name, state, None, EVERYBODY)
        assert name not in allowed(state, EVERYBODY)


@pytest.mark.parametrize(("name", "who"), list(product(MoveName, Who)))
def test_a_move_is_made_by_its_roles_only(name: MoveName, who: Who) -> None:
    state = next(iter(MOVES[name].starts))
    if who in MOVES[name].by:
        assert after(name, state, None, frozenset({who}))
    else:
        with pytest.raises(Forbidden):
            after(name, state, None, frozenset({who}))


def test_every_state_is_reached_and_none_is_a_trap_but_the_ends() -> None:
    reached, grown = {CaseState.RECEIVED}, True
    while grown:
        more = {move.to for move in MOVES.values() if move.to and move.starts & reached} - reached
        reached |= more
        grown = bool(more)
    assert reached == set(CaseState)
    ends = {state for state in CaseState if not any(state in move.starts for move in MOVES.values())}
    assert ends == {CaseState.REFUSED, CaseState.WITHDRAWN}


def test_an_open_case_can_be_withdrawn_and_an_ended_one_not() -> None:
    assert frozenset(CaseState) == OPEN | ENDED
    for state in CaseState:
        assert (MoveName.WITHDRAW in allowed(state, frozenset({Who.SENDER}))) == (state in OPEN)


def test_the_one_who_wrote_an_answer_is_not_the_one_who_approves_it() -> None:
    assert Needs.OTHER_PERSON in MOVES[MoveName.APPROVE].needs
    assert not MOVES[MoveName.APPROVE].by & {Who.HANDLER, Who.CLERK}


def test_only_a_forward_and_an_objection_give_the_holder_new_time() -> None:
    assert {name for name, move in MOVES.items() if move.new_clock} == {MoveName.FORWARD, MoveName.REOPEN}
