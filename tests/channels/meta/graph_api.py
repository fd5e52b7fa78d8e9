"""A stand-in for Meta: the Graph API's messages, and the webhook calls that follow from them.

There is no real Meta here. Written from Meta's reference pages: what each kind of message may hold, the day after which
free words are refused, the codes of refusals, several items in one call, calls that come again as a whole until they
are taken, and signatures over escaped bytes.
"""

import asyncio
import hashlib
import hmac
import json
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

PAGE_TOKEN = "EAAG-page-token-of-the-tests-0123456789"
WHATSAPP_TOKEN = "EAAG-whatsapp-token-of-the-tests-0123"
APP_SECRET = "0123456789abcdef0123456789abcdef"
PAGE_ID = "104857600000001"
PHONE_ID = "106540352242922"
ACCOUNT_ID = "102290129340398"
DAY = 24 * 3600
Json = dict[str, Any]


def approved(name: str, language: str, places: int) -> Json:
    """A template as Meta lists it, with so many places and two buttons."""
    body = {"type": "BODY", "text": " ".join(f"{{{{{n}}}}}" for n in range(1, places + 1))}
    buttons = {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": text} for text in ("Xem", "Ngừng")]}
    return {"name": name, "language": language, "status": "APPROVED", "components": [body, buttons]}


@dataclass(kw_only=True)
class Fault(Exception):
    """How one call goes wrong. `taken`: Meta does what was asked, and the answer is lost."""

    code: int = 0
    subcode: int = 0
    status: int = 400
    transient: bool = False
    retry_after: str | None = None
    taken: bool = False
    html: int = 0  # the status of a page that is not Meta's
    waits: asyncio.Event | None = None

    def answer(self) -> web.Response:
        """As the Graph API words it."""
        error: Json = {"message": f"(#{self.code}) refused", "type": "OAuthException", "code": self.code}
        error |= {"error_subcode": self.subcode} if self.subcode else {}
        error |= {"is_transient": True} if self.transient else {}
        headers = {"Retry-After": self.retry_after} if self.retry_after else {}
        return web.json_response({"error": error | {"fbtrace_id": "A"}}, status=self.status, headers=headers)


@dataclass
class GraphApi:
    """Meta and all it knows. `deliver_to` is our webhook."""

    url: str = ""
    deliver_to: str = ""
    secret: str = APP_SECRET
    reports: bool = True  # whether it tells what became of messages
    listed: list[Any] = field(  # templates as Meta describes them
        default_factory=lambda: [
            approved(name, language, places)
            for name, places in (("thay_doi", 2), ("ho_so_thay_doi", 4))
            for language in ("vi", "en")
        ]
    )
    subscribed: list[str] = field(
        default_factory=lambda: ["messages", "messaging_postbacks", "message_deliveries", "messaging_referrals"]
    )
    calls: list[tuple[str, Json]] = field(default_factory=list)
    faults: deque[Fault] = field(default_factory=deque)
    heard: dict[str, float] = field(default_factory=dict)  # when Meta last saw each person write
    messages: dict[str, list[Json]] = field(default_factory=lambda: defaultdict(list))  # to each person
    templates: dict[str, int] = field(default_factory=dict)  # approved ones, and how many parameters each takes
    files: dict[str, bytes] = field(default_factory=dict)
    attempts: list[int] = field(default_factory=list)  # the statuses our webhook answered
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _ids: int = 0
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)
    _http: aiohttp.ClientSession | None = None

    def next_id(self, kind: str = "m_") -> str:
        """An id like Meta's."""
        self._ids += 1
        return f"{kind}{self._ids:08d}Hy-_Q=="

    async def tell(self) -> None:
        """Wake whoever waits for a change."""
        async with self.changed:
            self.changed.notify_all()

    # --- the webhook ---

    async def deliver(self, kind: str, *entries: Json) -> None:
        """Call the webhook with `entries`, again and again until it takes them."""
        body = signed_form({"object": kind, "entry": list(entries)})
        for pause in count():
            if await self.post(body, sign(body, self.secret)) == 200:
                break
            await asyncio.sleep(0.01 * min(pause, 10))
        await self.tell()

    async def rest(self) -> None:
        """Wait until everything that is to be told has been taken."""
        await asyncio.gather(*self._tasks)

    async def post(self, body: bytes, signature: str | None) -> int:
        """One call with these very bytes; the status it is answered with."""
        assert self._http is not None
        headers = {"Content-Type": "application/json"} | ({"X-Hub-Signature-256": signature} if signature else {})
        async with self._http.post(self.deliver_to, data=body, headers=headers) as response:
            self.attempts.append(response.status)
            return response.status

    def _later(self, kind: str, *entries: Json) -> None:
        task = asyncio.create_task(self.deliver(kind, *entries))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- the Graph API ---

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Every node and edge."""
        path = request.match_info["path"]
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in {PAGE_TOKEN, WHATSAPP_TOKEN}:
            return Fault(code=190, status=401).answer()
        if request.method == "GET":
            return await self._get(path)
        given = await request.json()
        self.calls.append((path, given))
        fault = self.faults.popleft() if self.faults else None
        if fault is not None and fault.waits is not None:
            await fault.waits.wait()
        if fault is not None and fault.html:
            return web.Response(status=fault.html, text="<html>not Meta</html>", content_type="text/html")
        if fault is not None and not fault.taken:
            return fault.answer()
        try:
            answer = await (self._send_by_page(given) if path == "me/messages" else self._send_by_number(given))
        except Fault as refusal:
            return refusal.answer()
        if fault is not None:
            assert request.transport is not None
            request.transport.abort()
        return web.json_response(answer)

    async def file(self, request: web.Request) -> web.Response:
        """A file's content."""
        content = self.files.get(request.match_info["name"])
        return web.Response(status=404) if content is None else web.Response(body=content)

    async def _get(self, path: str) -> web.Response:
        if path == "me":
            return web.json_response({"id": PAGE_ID, "name": "Dịch vụ công Cao Bằng"})
        if path == "me/subscribed_apps":
            return web.json_response({"data": [{"id": "1", "name": "Một Mã", "subscribed_fields": self.subscribed}]})
        if path == PHONE_ID:
            number = {"display_phone_number": "+84 222 382 2016", "verified_name": "Một Mã", "id": PHONE_ID}
            return web.json_response(number | {"quality_rating": "GREEN", "status": "CONNECTED"})
        if path in {"me/message_templates", f"{ACCOUNT_ID}/message_templates"}:
            return web.json_response({"data": self.listed})
        if path in self.files:
            size = len(self.files[path])
            return web.json_response({"url": f"{self.url}/files/{path}", "file_size": size, "id": path})
        return Fault(code=100, subcode=33).answer()

    async def _send_by_page(self, given: Json) -> Json:
        person, message = given["recipient"]["id"], given["message"]
        if given["messaging_type"] == "UTILITY":
            self._check_template(message["template"])
        else:
            assert given["messaging_type"] in {"RESPONSE", "UPDATE"}
            if not self._lately(person):
                raise Fault(code=10, subcode=2018278)
            replies = message.get("quick_replies", [])
            long = any(len(reply["title"]) > 20 or not reply["title"] for reply in replies)
            if not 0 < len(message["text"]) <= 2000 or len(replies) > 13 or long:
                raise Fault(code=100)
        mid = self.next_id()
        await self._show(person, message | {"mid": mid})
        if self.reports:
            delivery = {"mids": [mid], "watermark": int(time.time() * 1000)}
            self._later(
                "page", page_entry({"sender": {"id": person}, "recipient": {"id": PAGE_ID}, "delivery": delivery})
            )
        return {"recipient_id": person, "message_id": mid}

    async def _send_by_number(self, given: Json) -> Json:
        assert given["messaging_product"] == "whatsapp"
        person = given.get("to") or given["recipient"]
        content = given[given["type"]]
        if given["type"] == "template":
            self._check_template(content)
        elif not self._lately(person):
            raise Fault(code=131047)
        elif given["type"] == "text":
            if not 0 < len(content["body"]) <= 4096:
                raise Fault(code=100)
        else:
            _check_interactive(content)
        wamid = self.next_id("wamid.")
        await self._show(person, {"type": given["type"], **content, "wamid": wamid})
        if self.reports:
            self._report(wamid, person, given.get("biz_opaque_callback_data"), "sent", "delivered", "read")
        return {"messaging_product": "whatsapp", "contacts": [{"input": person}], "messages": [{"id": wamid}]}

    def _report(self, wamid: str, person: str, ours: str | None, *states: str) -> None:
        named = {} if ours is None else {"biz_opaque_callback_data": ours}
        statuses = [
            {"id": wamid, "status": state, "timestamp": str(int(time.time())), "recipient_id": person, **named}
            for state in reversed(states)  # in no order
        ]
        self._later("whatsapp_business_account", number_entry(statuses=statuses))

    def _lately(self, person: str) -> bool:
        return time.time() - self.heard.get(person, 0.0) < DAY

    def _check_template(self, template: Json) -> None:
        if template["name"] not in self.templates:
            raise Fault(code=132001, status=404)
        parameters = template["components"][0]["parameters"]
        if len(parameters) != self.templates[template["name"]]:
            raise Fault(code=132000)
        if any(not one["text"].strip() or "\n" in one["text"] for one in parameters):
            raise Fault(code=131008)

    async def _show(self, person: str, message: Json) -> None:
        self.messages[person].append(message)
        await self.tell()


def _check_interactive(content: Json) -> None:
    if not 0 < len(content["body"]["text"]) <= 1024:
        raise Fault(code=131009)
    if content["type"] == "button":
        titles = [button["reply"]["title"] for button in content["action"]["buttons"]]
        most, longest = 3, 20
    else:
        rows = [row for section in content["action"]["sections"] for row in section["rows"]]
        titles = [row["title"] for row in rows]
        most, longest = 10, 24
        if len(content["action"]["button"]) > 20:
            raise Fault(code=131009)
    if not 1 <= len(titles) <= most or len(set(titles)) < len(titles) or any(len(title) > longest for title in titles):
        raise Fault(code=131009)


def page_entry(*messaging: Json) -> Json:
    """An entry of a page's call."""
    return {"id": PAGE_ID, "time": int(time.time() * 1000), "messaging": list(messaging)}


def number_entry(**value: Any) -> Json:  # noqa: ANN401 - JSON
    """An entry of a number's call."""
    metadata = {"display_phone_number": "842223822016", "phone_number_id": PHONE_ID}
    content = {"messaging_product": "whatsapp", "metadata": metadata, **value}
    return {"id": "102290129340398", "changes": [{"field": "messages", "value": content}]}


def signed_form(call: Json) -> bytes:
    """A call as Meta writes and signs it: letters beyond ASCII as \\u and lower-case digits, slashes escaped."""
    return json.dumps(call, separators=(",", ":")).replace("/", "\\/").encode()


def sign(body: bytes, secret: str = APP_SECRET) -> str:
    """The signature header of `body`."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


@asynccontextmanager
async def graph_api() -> AsyncIterator[GraphApi]:
    """A Meta that listens."""
    async with aiohttp.ClientSession() as http:
        api = GraphApi()
        api._http = http
        app = web.Application()
        app.router.add_get("/files/{name}", api.file)
        app.router.add_route("*", "/v25.0/{path:.+}", api.handle)
        server = TestServer(app)
        await server.start_server()
        api.url = str(server.make_url("")).rstrip("/")
        try:
            yield api
        finally:
            for task in api._tasks:
                task.cancel()
            await asyncio.gather(*api._tasks, return_exceptions=True)
            await server.close()
