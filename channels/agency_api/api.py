"""The agency API: routes of interface.md 'Agency API', from the request to the answer."""

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from urllib.parse import unquote

import msgspec
import structlog
from aiohttp import hdrs, web

from cache.limits import Limit, Limits
from channels.agency_api import cloud_events
from channels.agency_api.admission import Admission, idempotency_key
from channels.agency_api.apologies import ApologyCalls
from channels.agency_api.bodies import (
    JSON,
    LINES,
    MAX_ARRAY,
    MAX_ONE,
    Line,
    Room,
    lines,
    require_type,
    whole,
    whole_lines,
)
from channels.agency_api.callbacks import CallbackCalls
from channels.agency_api.callbacks_address import Addresses
from channels.agency_api.callers import Caller, Callers
from channels.agency_api.documentation import Documentation
from channels.agency_api.intake import Batch, Intake, OneByOne, Writer, sorted_out
from channels.agency_api.kinds import Kind, Kinds, few
from channels.agency_api.messages import MessageCalls
from channels.agency_api.payloads import DOSSIERS, DossierPayload, EventPayload, elements
from channels.agency_api.portal import Portal
from channels.agency_api.portal_sorting import PortalSorting
from channels.agency_api.reading_back import ReadingBack
from channels.agency_api.receipts import ReceiptCalls
from channels.agency_api.tallies import Named, Tally, answer_to_one, error_said, item_error
from channels.agency_api.understanding import Understanding
from channels.receipts.printing import Printing
from database.pool import DATABASE_AWAY, Connection, Database, Role
from domain.civil_time import utc_now
from domain.errors import ServiceError, TooLarge
from lookup.agency_dossiers import AgencyDossiers
from lookup.api_keys import Scope
from lookup.changes import MAX_BATCH, StatusEvent
from lookup.codes import canonical
from lookup.idempotency import GivenAnswer, OncePerKey, sweep
from lookup.receipts import Receipts
from lookup.registry import Registry
from lookup.sealing import Seal
from lookup.sender_words import ApplicantKinds
from notifications.apologies import Apologies
from notifications.callbacks.deliveries import Deliveries
from notifications.callbacks.receivers import Receivers
from notifications.timeline import Timeline
from pages.rendering import Pages
from pages.visitors import Visitors

log = structlog.get_logger()

_AWAY: tuple[type[BaseException], ...] = (ServiceError, *DATABASE_AWAY)

HOUSEKEEPING = timedelta(minutes=1)


class AgencyApi:
    """The routes of agencies' systems, and their documentation. Run `keep_house` beside them.

    `limit` is what `items_per_key` makes of the setting; `pages` must know the templates of this package.
    """

    def __init__(
        self,
        *,
        database: Database,
        seal: Seal,
        registry: Registry,
        writer: Writer,
        one_by_one: OneByOne,
        limits: Limits,
        limit: Limit,
        visitors: Visitors,
        pages: Pages,
        printing: Printing,
        apologies: Apologies,
        callback_addresses: Addresses | None = None,
    ) -> None:
        understanding = Understanding(registry)
        self._database = database
        self._admission = Admission(
            callers=Callers(database, limits, visitors),
            limits=limits,
            limit=limit,
            turns=OncePerKey(database),
            room=Room(),
        )
        self._kinds = Kinds(understanding)
        self._intake = Intake(database=database, seal=seal, writer=writer)
        self._one_by_one = one_by_one
        self._reading_back = ReadingBack(AgencyDossiers(database, seal), registry)
        self._portal = Portal(
            admission=self._admission,
            intake=self._intake,
            sorting=PortalSorting(understanding, ApplicantKinds(database), registry),
            reading_back=self._reading_back,
        )
        self._receipts = ReceiptCalls(admission=self._admission, receipts=Receipts(database, seal), printing=printing)
        self._callbacks = CallbackCalls(
            admission=self._admission,
            receivers=Receivers(database, seal),
            deliveries=Deliveries(database),
            addresses=callback_addresses or Addresses(),
        )
        self._messages = MessageCalls(admission=self._admission, database=database, timeline=Timeline(seal))
        self._apologies = ApologyCalls(admission=self._admission, apologies=apologies, registry=registry)
        self._documentation = Documentation(pages)

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Every route."""
        guarded = self._admission.guarded
        return [
            web.put("/api/v1/dossiers/{code}", guarded(self.put_dossier)),
            web.get("/api/v1/dossiers/{code}", guarded(self.get_dossier), allow_head=False),
            web.get("/api/v1/dossiers/{code}/events", guarded(self.get_events), allow_head=False),
            web.get("/api/v1/dossiers/{code}/messages", guarded(self._messages.of_dossier), allow_head=False),
            web.get("/api/v1/dossiers", guarded(self.list_dossiers), allow_head=False),
            web.post("/api/v1/dossiers", guarded(self.post_dossiers)),
            web.post("/api/v1/events", guarded(self.post_events)),
            web.options("/api/v1/events", self.greet_events),
            web.post("/api/v1/receipts", guarded(self._receipts.print)),
            web.delete("/api/v1/receipts/{code}", guarded(self._receipts.revoke)),
            *self._callbacks.routes(),
            *self._apologies.routes(),
            *self._portal.routes(),
            *self._documentation.routes(),
        ]

    async def keep_house(self) -> None:
        """Note the use of keys and forget old answers, for ever; a store that is away is asked again later."""
        while True:
            await asyncio.sleep(HOUSEKEEPING.total_seconds())
            try:
                await self.keep_house_once()
            except _AWAY as error:
                log.warning("housekeeping put off", error=type(error).__qualname__)

    async def keep_house_once(self) -> None:
        """The same, once. Raises `Unavailable` and database errors."""
        await self._admission.callers.note_use()
        async with self._database.transaction(Role.WORKER) as connection:
            await sweep(connection)

    # --- writing ---

    async def put_dossier(self, request: web.Request) -> web.StreamResponse:
        """PUT /api/v1/dossiers/{code}"""
        caller = await self._admission.admitted(request, Scope.DOSSIERS_WRITE)
        code = canonical(unquote(request.match_info["code"]))
        require_type(request, JSON)
        with self._admission.room.body() as claim:
            body = await whole(request, MAX_ONE, claim)

            async def work(connection: Connection | None) -> GivenAnswer:
                payload = DOSSIERS.one(body)
                payload.code = payload.code or code
                batch = sorted_out(
                    [payload],
                    [0],
                    partial(self._kinds.understanding.facts, caller.tenant, utc_now(), code=code),
                    "dossiers",
                )
                return await self._answer_to_one(caller, batch, Named(code=code), connection)

            return _response(await self._admission.once(request, caller, body, work))

    async def post_dossiers(self, request: web.Request) -> web.StreamResponse:
        """POST /api/v1/dossiers: an array or lines."""
        caller = await self._admission.admitted(request, Scope.DOSSIERS_WRITE)
        content_type = require_type(request, JSON, LINES)
        return await self._many(request, caller, self._kinds.dossiers, streamed=content_type == LINES)

    async def post_events(self, request: web.Request) -> web.StreamResponse:
        """POST /api/v1/events: one object, an array, lines, or CloudEvents."""
        caller = await self._admission.admitted(request, Scope.EVENTS_WRITE)
        content_type = require_type(request, JSON, LINES, cloud_events.STRUCTURED, cloud_events.BATCHED)
        if content_type in {cloud_events.STRUCTURED, cloud_events.BATCHED} or cloud_events.is_binary(request.headers):
            return await self._cloud_events(request, caller, content_type)
        return await self._many(request, caller, self._kinds.events, streamed=content_type == LINES)

    async def greet_events(self, request: web.Request) -> web.StreamResponse:
        """OPTIONS /api/v1/events: the handshake of CloudEvents webhooks. Every sender is welcome: its key decides."""
        headers: dict[str, str] = {hdrs.ALLOW: "OPTIONS, POST"}
        if origin := request.headers.get("WebHook-Request-Origin"):
            limit = self._admission.limit
            headers["WebHook-Allowed-Origin"] = origin
            headers["WebHook-Allowed-Rate"] = "*" if limit.off else str(max(1, int(60 / limit.each)))
        return web.Response(headers=headers)

    async def _many(
        self,
        request: web.Request,
        caller: Caller,
        kind: Kind[DossierPayload] | Kind[EventPayload],
        *,
        streamed: bool,
    ) -> web.StreamResponse:
        if streamed and idempotency_key(request) is None:
            return await self._stream(request, caller, kind)
        with self._admission.room.body() as claim:
            body = await whole(request, MAX_ARRAY, claim)

            async def work(connection: Connection | None) -> GivenAnswer:
                if streamed:
                    return await self._answer_to_lines(request, caller, kind, body, connection)
                if kind.one_allowed and not body.lstrip().startswith(b"["):
                    batch = kind.one(caller.tenant, body)
                    return await self._answer_to_one(caller, batch, _named(batch), connection)
                return await self._answer_to_many(request, caller, kind.array(caller.tenant, body), connection)

            return _response(await self._admission.once(request, caller, body, work))

    async def _stream(
        self, request: web.Request, caller: Caller, kind: Kind[DossierPayload] | Kind[EventPayload]
    ) -> web.StreamResponse:
        """Lines without a key: a batch goes to the store while the next is read, and no more is read than that."""
        tally, waiting = Tally(), list[Line]()
        storing: asyncio.Task[None] | None = None
        refusal: TooLarge | None = None

        async def store(given: list[Line]) -> None:
            batch = kind.lines(caller.tenant, given)
            await self._admission.pace(request, caller, len(batch))
            await self._intake.store(caller.tenant, batch, tally)

        try:
            try:
                async for some in lines(request):
                    waiting += some
                    while len(waiting) >= MAX_BATCH:
                        if storing:
                            await storing
                        storing = asyncio.create_task(store(waiting[:MAX_BATCH]))
                        del waiting[:MAX_BATCH]
            except TooLarge as error:
                refusal = error
            if storing:
                await storing
            if waiting:
                await store(waiting)
        finally:
            if storing:  # what was begun is finished: its sender may have gone, its items not
                await asyncio.gather(storing, return_exceptions=True)
        if refusal is None:
            return _response(tally.answer())
        said = {"error": error_said(item_error(refusal)), **tally.said()}
        return _response(GivenAnswer(status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE, body=msgspec.json.encode(said)))

    async def _cloud_events(self, request: web.Request, caller: Caller, content_type: str) -> web.StreamResponse:
        understand = partial(self._kinds.understanding.event, caller.tenant, utc_now())
        with self._admission.room.body() as claim:
            body = await whole(request, MAX_ARRAY if content_type == cloud_events.BATCHED else MAX_ONE, claim)

            async def work(connection: Connection | None) -> GivenAnswer:
                if content_type == cloud_events.BATCHED:
                    events, names = cloud_events.batched(list(few(elements(body))))
                    batch = sorted_out(events, range(len(events)), understand, "events", names)
                    return await self._answer_to_many(request, caller, batch, connection)
                if content_type == cloud_events.STRUCTURED:
                    event, name = cloud_events.structured(body)
                elif content_type == JSON:
                    event, name = cloud_events.binary(request.headers, body)
                else:
                    raise web.HTTPUnsupportedMediaType(headers={"Accept": JSON})
                batch = sorted_out([event], [0], understand, "events", [name])
                return await self._answer_to_one(caller, batch, Named(code=event.code, event_id=name), connection)

            said = cloud_events.attributes_said(request.headers) + body
            return _response(await self._admission.once(request, caller, said, work))

    # --- reading back ---

    async def get_dossier(self, request: web.Request) -> web.StreamResponse:
        """GET /api/v1/dossiers/{code}"""
        caller = await self._admission.admitted(request, Scope.DOSSIERS_READ)
        return _response(await self._reading_back.dossier(caller.tenant, unquote(request.match_info["code"])))

    async def get_events(self, request: web.Request) -> web.StreamResponse:
        """GET /api/v1/dossiers/{code}/events"""
        caller = await self._admission.admitted(request, Scope.DOSSIERS_READ)
        code = unquote(request.match_info["code"])
        return _response(await self._reading_back.events(caller.tenant, code, request.query))

    async def list_dossiers(self, request: web.Request) -> web.StreamResponse:
        """GET /api/v1/dossiers?reference=&changed_since=&cursor=&limit="""
        caller = await self._admission.admitted(request, Scope.DOSSIERS_READ)
        return _response(await self._reading_back.listed(caller.tenant, request.query))

    # --- answers ---

    async def _answer_to_one(
        self, caller: Caller, batch: Batch, named: Named, connection: Connection | None
    ) -> GivenAnswer:
        return answer_to_one(named, await self._intake.store_one(caller.tenant, batch, self._one_by_one, connection))

    async def _answer_to_many(
        self, request: web.Request, caller: Caller, batch: Batch, connection: Connection | None
    ) -> GivenAnswer:
        await self._admission.allow(request, caller, len(batch) - 1)  # the first was counted with the request
        tally = Tally()
        await self._intake.store(caller.tenant, batch, tally, connection)
        return tally.answer()

    async def _answer_to_lines(
        self,
        request: web.Request,
        caller: Caller,
        kind: Kind[DossierPayload] | Kind[EventPayload],
        body: bytes,
        connection: Connection | None,
    ) -> GivenAnswer:
        """Lines under a key: read whole, because no transaction may wait for its sender."""
        given = whole_lines(body)
        await self._admission.allow(request, caller, len(given) - 1)
        tally = Tally()
        for start in range(0, len(given), MAX_BATCH):
            batch = kind.lines(caller.tenant, given[start : start + MAX_BATCH])
            await self._intake.store(caller.tenant, batch, tally, connection)
        return tally.answer()


def _response(answer: GivenAnswer) -> web.Response:
    return web.Response(status=answer.status, body=answer.body, content_type=JSON)


def _named(batch: Batch) -> Named:
    for change in batch.changes:
        return Named(code=change.code, event_id=change.event_id if isinstance(change, StatusEvent) else None)
    return batch.refused[0].named
