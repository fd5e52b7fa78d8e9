"""Receipts for agencies' systems: one slip, many in one file, and making those already printed void."""

import asyncio
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Annotated
from urllib.parse import unquote

import msgspec
from aiohttp import hdrs, web
from msgspec import UNSET, Meta, Struct, UnsetType

from channels.agency_api.admission import Admission, idempotency_key
from channels.agency_api.bodies import JSON, MAX_ITEMS, MAX_ONE, require_type, whole
from channels.agency_api.callers import Caller
from channels.agency_api.payloads import Word
from channels.json_bodies import decoded, refuse_repeated_members
from channels.receipts.printing import (
    CONTENT_TYPE,
    Format,
    Printing,
    Wanted,
    content_type_together,
    file_name,
    printed,
    printed_together,
)
from channels.receipts.slip import Link
from domain.errors import Invalid, MalformedCode
from domain.language import Language
from lookup.api_keys import Scope
from lookup.codes import canonical
from lookup.receipts import Receipts, made_secret

FEW = 20  # slips this process makes itself; more are made in another, so that nobody waits for them


class ReceiptPayload(Struct, forbid_unknown_fields=True, kw_only=True):
    """What is wanted: `code` for one slip or `codes` for many."""

    code: Word | UnsetType = UNSET
    codes: Annotated[list[Word], Meta(min_length=1, max_length=MAX_ITEMS)] | UnsetType = UNSET
    format: Format = Format.PDF
    language: Language = Language.VIETNAMESE
    links: Annotated[list[Link], Meta(max_length=len(Link))] = msgspec.field(default_factory=list)
    secret: Annotated[str, Meta(min_length=4, max_length=64)] | UnsetType | None = UNSET
    new_secret: bool = False

    @property
    def wanted(self) -> Wanted:
        """How the slips are wanted."""
        return Wanted(language=self.language, links=frozenset(self.links))


_decode = msgspec.json.Decoder(ReceiptPayload).decode


class ReceiptCalls:
    """The calls. A test key prints specimens of its own dossiers, which open nothing.

    What is made here proves a right, so it is never stored, under an Idempotency-Key neither: the same request again
    makes the same slip anew, and of two new secrets the later one counts, which is the one that was printed.
    """

    def __init__(self, *, admission: Admission, receipts: Receipts, printing: Printing) -> None:
        self._admission = admission
        self._receipts = receipts
        self._printing = printing
        self._together = asyncio.Semaphore(1)  # many slips take seconds of a core

    async def print(self, request: web.Request) -> web.StreamResponse:
        """POST /api/v1/receipts"""
        caller = await self._admission.admitted(request, Scope.RECEIPTS_PRINT)
        idempotency_key(request)  # not needed here, but a malformed one is told
        require_type(request, JSON)
        with self._admission.room.body() as claim:
            body = await whole(request, MAX_ONE, claim)
            payload = _understood(body)
            if isinstance(payload.codes, list):
                await self._admission.allow(request, caller, len(payload.codes) - 1)
                return await self._many(caller, payload, payload.codes)
            return await self._one(caller, payload, str(payload.code))

    async def revoke(self, request: web.Request) -> web.StreamResponse:
        """DELETE /api/v1/receipts/{code}: every slip of it printed until now opens nothing any more."""
        caller = await self._admission.admitted(request, Scope.RECEIPTS_PRINT)
        code = canonical(unquote(request.match_info["code"]))
        at = await self._receipts.revoke(caller.tenant, code)
        return web.Response(body=msgspec.json.encode({"code": code, "void_before": at}), content_type=JSON)

    async def _one(self, caller: Caller, payload: ReceiptPayload, code: str) -> web.StreamResponse:
        facts = (await self._receipts.facts(caller.tenant, [canonical(code)]))[0]
        secret = payload.secret if isinstance(payload.secret, str) else None
        if secret is not None and not self._receipts.is_its_secret(facts, secret):
            raise Invalid("This secret does not open the dossier, so it must not be printed.", field="secret")
        made = made_secret() if payload.new_secret else None
        slip = self._printing.slip(facts, payload.wanted, specimen=caller.tenant.test, secret=made or secret)
        file = await asyncio.to_thread(printed, slip, payload.format)
        if made:  # only once the slip that says so exists
            await self._receipts.keep_secrets(caller.tenant, {facts.code: made})
        return _file(file, CONTENT_TYPE[payload.format], facts.code, payload.format)

    async def _many(self, caller: Caller, payload: ReceiptPayload, codes: list[str]) -> web.StreamResponse:
        facts = await self._receipts.facts(caller.tenant, _canonical(codes))
        slips = [self._printing.slip(one, payload.wanted, specimen=caller.tenant.test) for one in facts]
        if len(slips) <= FEW:
            file = await asyncio.to_thread(printed_together, slips, payload.format)
        else:
            async with self._together:
                pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
                try:
                    loop = asyncio.get_running_loop()
                    file = await loop.run_in_executor(pool, printed_together, slips, payload.format)
                finally:
                    pool.shutdown(wait=False, cancel_futures=True)
        content_type = content_type_together(payload.format)
        return _file(file, content_type, "receipts", content_type.rpartition("/")[2])


def _understood(body: bytes) -> ReceiptPayload:
    """Raises `Malformed`, `Invalid`."""
    payload = decoded(_decode, body)
    refuse_repeated_members(body)
    if (payload.code is UNSET) is (payload.codes is UNSET):
        raise Invalid("Name either one `code` or several `codes`.", field="code")
    if payload.secret and payload.new_secret:
        raise Invalid("Print the secret the dossier has, or make a new one, not both.", field="new_secret")
    if payload.codes is not UNSET and (payload.secret or payload.new_secret):
        raise Invalid("Slips with a secret are made one at a time.", field="codes")
    return payload


def _canonical(codes: list[str]) -> list[str]:
    """Raises `MalformedCode` naming the one that cannot be a code."""
    found = []
    for n, code in enumerate(codes):
        try:
            found.append(canonical(code))
        except MalformedCode as error:
            raise MalformedCode(error.message, field=f"codes[{n}]") from None
    return found


def _file(body: bytes, content_type: str, name: str, ending: str) -> web.Response:
    ending = "pdf" if ending == Format.THERMAL else ending
    headers = {hdrs.CONTENT_DISPOSITION: f'attachment; filename="{file_name(name)}.{ending}"'}
    return web.Response(body=body, content_type=content_type, headers=headers)
