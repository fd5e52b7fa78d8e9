"""Feedback by its number as JSON, in the shape that dossiers have: who looks up a code need not know which it is."""

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

from channels.guesses import GuardedFeedback
from domain.agency import Agency
from domain.civil_time import utc_now
from domain.errors import NotFound
from domain.language import Language
from domain.status import Stage
from feedback_intake.filing import TAIL
from feedback_intake.moves import CaseState
from feedback_intake.progress import Progress
from feedback_intake.telling import WORDS, refusal
from lookup.wording import stage_label

_S = CaseState
STAGE_OF = MappingProxyType(
    {
        _S.RECEIVED: Stage.RECEIVED,
        _S.NEEDS_INFO: Stage.WAITING_FOR_YOU,
        _S.REFUSED: Stage.CLOSED,
        _S.CLASSIFIED: Stage.IN_PROGRESS,
        _S.FORWARDED: Stage.IN_PROGRESS,
        _S.ASSIGNED: Stage.IN_PROGRESS,
        _S.IN_PROGRESS: Stage.IN_PROGRESS,
        _S.AWAITING_APPROVAL: Stage.IN_PROGRESS,
        _S.ANSWERED: Stage.DONE,
        _S.PUBLISHED: Stage.DONE,
        _S.CLOSED: Stage.CLOSED,
        _S.REOPENED: Stage.IN_PROGRESS,
        _S.WITHDRAWN: Stage.CLOSED,
    }
)


class FeedbackLookup:
    """What `channels.public_api` says of numbers. `agency` finds offices by our id."""

    def __init__(self, numbers: GuardedFeedback, agency: Callable[[int], Agency | None]) -> None:
        self._numbers = numbers
        self._agency = agency

    async def by_number(self, number: str, *, origin: str, language: Language) -> dict[str, Any]:
        """What the number alone tells. Raises `NotFound`, `ProofNeeded`, `Unavailable`."""
        found = await self._numbers.by_code(number, origin=origin)
        return self._told(found, language)

    async def with_proof(self, number: str, proof: str, *, origin: str, language: Language) -> dict[str, Any]:
        """All of it, for the last four digits of the phone that was given. Raises as `by_number`, and `TooMany`."""
        found = await self._numbers.with_proof(number, proof if len(proof) <= TAIL * 4 else "", origin=origin)
        return self._told(found, language)

    def _told(self, found: Progress | None, language: Language) -> dict[str, Any]:
        if found is None:
            raise NotFound("We found no file that matches this. Please check the code on your slip.")
        office, stage = self._agency(found.holder_agency), STAGE_OF[found.state]
        told: dict[str, Any] = {
            "code": found.number,
            "kind": "feedback",
            "feedback_kind": found.kind,
            "stage": stage,
            "stage_label": stage_label(stage, language),
            "state": found.state,
            "state_label": WORDS.say(language, f"state.{found.state}.label"),
            "on_time": not found.late,
            "due_on": found.answer_by,
            "agency": _office(office, language),
            "next": WORDS.say(language, f"state.{found.state}.next"),
            "as_of": utc_now(),
            "fresh": True,
        }
        if (proven := found.proven) is None:
            return told
        return told | {
            "filed_at": found.filed_at,
            "object_until": found.object_until,
            "text": proven.text,
            "may_publish": proven.may_publish,
            "timeline": [
                {
                    "at": step.at,
                    "move": step.move,
                    "state": step.state,
                    "label": WORDS.say(language, f"step.{step.move}"),
                    "words": refusal(step.reason, step.words, found.number, _name(office, language), language),
                }
                for step in proven.steps
            ],
            "answers": [{"at": answer.at, "text": answer.text} for answer in proven.answers],
            "acts": list(proven.acts),
            "rating": proven.score,
        }


def _office(agency: Agency | None, language: Language) -> dict[str, str] | None:
    if agency is None:
        return None
    return {
        "code": agency.code,
        "name": _name(agency, language),
        "phone": agency.phone,
        "address": agency.address,
    }


def _name(agency: Agency | None, language: Language) -> str:
    if agency is None:
        return ""
    return agency.name_en if language is Language.ENGLISH and agency.name_en else agency.name
