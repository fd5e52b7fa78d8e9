"""Dossiers, events, dossiers of files: how each is read, from an array, from lines or alone, and understood."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Generic, TypeVar

from channels.agency_api.bodies import LINES, MAX_ITEMS, Line
from channels.agency_api.intake import Batch, Change, sorted_out
from channels.agency_api.payloads import (
    DOSSIERS,
    EVENTS,
    IMPORTED,
    MAX_ITEM,
    DossierPayload,
    EventPayload,
    ImportedDossier,
    Shape,
    Unreadable,
    elements,
    unreadable,
)
from channels.agency_api.understanding import Understanding
from domain.civil_time import utc_now
from domain.errors import TooLarge
from lookup.changes import Tenant

P = TypeVar("P", DossierPayload, EventPayload, ImportedDossier)


class Kind(Generic[P]):
    """One of them. `route` names it in quarantine; `one_allowed` says whether one may come outside an array."""

    def __init__(
        self, *, route: str, shape: Shape[P], understand: Callable[[Tenant, datetime, P], Change], one_allowed: bool
    ) -> None:
        self.route = route
        self.one_allowed = one_allowed
        self._shape: Shape[P] = shape
        self._understand: Callable[[Tenant, datetime, P], Change] = understand

    def array(self, tenant: Tenant, body: bytes) -> Batch:
        """The batch in a JSON array. Raises `Malformed`, `Invalid`, `TooLarge`."""
        items: Sequence[P | Unreadable] | None = self._shape.many(body)
        if items is None:
            items = self._shape.each(few(elements(body)))
        return self._sorted_out(tenant, few(items), range(len(items)))

    def lines(self, tenant: Tenant, given: Sequence[Line]) -> Batch:
        """The batch in some lines."""
        texts = [line.text for line in given if line.text is not None]
        items: Sequence[P | Unreadable] | None = None
        if len(texts) == len(given):
            items = self._shape.many(b"[" + b",".join(texts) + b"]", len(given))
        if items is None:
            too_large = TooLarge(f"One item may have {MAX_ITEM} bytes at most.")
            read = iter(self._shape.each(texts))
            items = [unreadable(b"", too_large) if line.text is None else next(read) for line in given]
        return self._sorted_out(tenant, items, [line.number for line in given])

    def one(self, tenant: Tenant, body: bytes) -> Batch:
        """The batch of a single item. Raises `Malformed`, `Invalid`, `TooLarge`."""
        return self._sorted_out(tenant, [self._shape.one(body)], [0])

    def _sorted_out(self, tenant: Tenant, items: Sequence[P | Unreadable], places: Sequence[int]) -> Batch:
        return sorted_out(items, places, partial(self._understand, tenant, utc_now()), self.route)


class Kinds:
    """All of them, and the understanding they share."""

    def __init__(self, understanding: Understanding) -> None:
        self.understanding = understanding
        facts, event = understanding.facts, understanding.event
        self.dossiers = Kind(route="dossiers", shape=DOSSIERS, understand=facts, one_allowed=False)
        self.imported = Kind(route="import", shape=IMPORTED, understand=facts, one_allowed=False)
        self.events = Kind(route="events", shape=EVENTS, understand=event, one_allowed=True)


def few(items: Sequence[Any]) -> Sequence[Any]:
    """`items`, if an array may have as many. Raises `TooLarge`."""
    if len(items) > MAX_ITEMS:
        raise TooLarge(f"An array may have {MAX_ITEMS} items at most; {LINES} takes more.")
    return items
