"""What became of what was sent, as interface.md answers it: one item with a status, many with a count and a list."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

import msgspec

from domain.errors import Conflict, NotYours, ServiceError
from lookup.changes import DossierFacts, ItemError, ItemResult, Outcome, StatusEvent
from lookup.idempotency import GivenAnswer
from lookup.quarantine import Unclear

_encode = msgspec.json.Encoder().encode

_STATUS_OF = MappingProxyType(
    {
        Outcome.STORED: HTTPStatus.CREATED,
        Outcome.DUPLICATE: HTTPStatus.OK,
        Outcome.QUARANTINED: HTTPStatus.ACCEPTED,
        Outcome.REJECTED: HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)
_REJECTED_AS = MappingProxyType({NotYours.code: HTTPStatus.FORBIDDEN, Conflict.code: HTTPStatus.CONFLICT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What an item calls itself, so that its sender finds it again."""

    code: str | None
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """An item that does not reach the store: rejected, or `unclear` and quarantined."""

    place: int
    named: Named
    error: ItemError
    unclear: Unclear | None = None


@dataclass(slots=True, kw_only=True)
class Tally:
    """Counts of outcomes, and the items that were not stored."""

    stored: int = 0
    duplicate: int = 0
    rejected: int = 0
    quarantined: int = 0
    items: list[dict[str, Any]] = field(default_factory=list)

    def refuse(self, refused: Refused) -> None:
        """Count an item that did not reach the store."""
        outcome = Outcome.QUARANTINED if refused.unclear else Outcome.REJECTED
        self._list(refused.place, refused.named, ItemResult(outcome=outcome, error=refused.error))

    def add(
        self,
        places: Sequence[int],
        changes: Sequence[DossierFacts | StatusEvent],
        results: Sequence[ItemResult],
        names: Sequence[str] | None = None,
    ) -> None:
        """Count results of the store; `names` are the ids by which the sender knows its events, where not our own."""
        for n, result in enumerate(results):
            if result.outcome is Outcome.STORED:
                self.stored += 1
                continue
            change = changes[n]
            own = change.event_id if isinstance(change, StatusEvent) else None
            named = Named(code=change.code, event_id=names[n] if names else own)
            self._list(places[n], named, result)

    def _list(self, place: int, named: Named, result: ItemResult) -> None:
        setattr(self, result.outcome, getattr(self, result.outcome) + 1)
        self.items.append({"index": place, **_said(named, result)})

    def said(self) -> dict[str, Any]:
        """The answer to many."""
        return {
            "stored": self.stored,
            "duplicate": self.duplicate,
            "rejected": self.rejected,
            "quarantined": self.quarantined,
            "items": sorted(self.items, key=lambda item: int(item["index"])),
        }

    def answer(self) -> GivenAnswer:
        """The same, encoded."""
        return GivenAnswer(status=HTTPStatus.OK, body=_encode(self.said()))


def answer_to_one(named: Named, result: ItemResult) -> GivenAnswer:
    """The answer to a single item."""
    if result.outcome is Outcome.REJECTED and result.error is not None:
        status = _REJECTED_AS.get(result.error.code, _STATUS_OF[Outcome.REJECTED])
        return GivenAnswer(status=status, body=_encode({"error": error_said(result.error)}))
    return GivenAnswer(status=_STATUS_OF[result.outcome], body=_encode(_said(named, result)))


def item_error(error: ServiceError) -> ItemError:
    """An error as an item carries it."""
    return ItemError(code=error.code, message=error.message, field=error.field)


def error_said(error: ItemError) -> dict[str, str]:
    """`{"code", "message", "field"?}`."""
    said = {"code": error.code, "message": error.message}
    return said if error.field is None else {**said, "field": error.field}


def _said(named: Named, result: ItemResult) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if named.event_id is not None:
        said["id"] = named.event_id
    if named.code is not None:
        said["code"] = named.code
    said["result"] = result.outcome.value
    if result.error is not None:
        said["error"] = error_said(result.error)
    return said
