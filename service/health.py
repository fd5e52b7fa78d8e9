"""Alive, ready, and what each dependency says: for the operator, the balancer and the metrics scraper."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

import msgspec
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

CHECK_SECONDS = 1.0
_encode = msgspec.json.Encoder().encode

Check = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """Something we lean on: `check` raises or is slow when it is away; without a `vital` one we are not ready."""

    check: Check
    vital: bool


class Health:
    """Answers /healthz and /readyz."""

    def __init__(self, dependencies: Mapping[str, Dependency]) -> None:
        self._dependencies = dependencies

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Both routes."""
        return [web.get("/healthz", self.alive), web.get("/readyz", self.ready)]

    async def alive(self, _request: web.Request) -> web.Response:
        """The process answers; says nothing of what it leans on, so that a restart is not asked for in vain."""
        return web.Response(body=b'{"alive":true}', content_type="application/json")

    async def ready(self, _request: web.Request) -> web.Response:
        """200 while every vital dependency answers, else 503; the state of each either way."""
        names = list(self._dependencies)
        states = dict(zip(names, await asyncio.gather(*map(self._state, names)), strict=True))
        ready = all(states[n]["ok"] for n in names if self._dependencies[n].vital)
        degraded = not all(state["ok"] for state in states.values())
        body = _encode({"ready": ready, "degraded": degraded, "dependencies": states})
        return web.Response(status=200 if ready else 503, body=body, content_type="application/json")

    async def _state(self, name: str) -> dict[str, object]:
        started = time.monotonic()
        try:
            await asyncio.wait_for(self._dependencies[name].check(), CHECK_SECONDS)
        except Exception as error:  # whatever it is, the dependency is not well
            return {"ok": False, "fault": type(error).__name__}
        return {"ok": True, "ms": round((time.monotonic() - started) * 1000, 1)}


async def metrics(_request: web.Request) -> web.Response:
    """Prometheus text of this process."""
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})
