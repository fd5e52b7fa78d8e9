"""What a proof changes in the processes of its rig without taking a guard away: times made short, clocks gone wrong."""

import os
import time
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from aiohttp.resolver import ThreadedResolver

from channels import provider_call
from channels.sms.traffic import Rule
from domain import civil_time
from notifications.dispatcher import Dispatching
from notifications.notices import Notices

LEASE, CLOCK, FASTER, TRAP = "MOTMA_TEST_LEASE", "MOTMA_TEST_CLOCK", "MOTMA_TEST_ROUTES_FASTER", "MOTMA_TEST_TRAP"
NAMES = "MOTMA_TEST_NAMES"  # name=address
CALL_SHARE = 0.4  # of a lease that one call may take


def given() -> None:
    """Bring about what the environment asks for."""
    asked = {LEASE: _short_lease, CLOCK: _wrong_clock, FASTER: _faster_routes, TRAP: _trap, NAMES: _names}
    for name, bring_about in asked.items():
        if name in os.environ:
            bring_about(os.environ[name])


def defaults_of(kind: type) -> dict[str, Any]:
    """The defaults of a dataclass's fields, to be changed."""
    defaults: dict[str, Any] | None = vars(kind)["__init__"].__kwdefaults__
    assert defaults is not None
    return defaults


def _short_lease(seconds: str) -> None:
    """Leases of so many seconds, and calls that end well before."""
    defaults = defaults_of(Dispatching)
    defaults["lease"] = timedelta(seconds=float(seconds))
    defaults["call_limit"] = defaults["lease"] * CALL_SHARE
    provider_call.CALL_LIMIT = defaults["call_limit"].total_seconds() * 0.8


def _wrong_clock(seconds: str) -> None:
    """Every look at the wall clock is off by so many seconds; what measures time is not."""
    off, right = float(seconds), time.time

    class Wrong(datetime):
        """A clock that is off."""

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            """The wrong time, as a plain one."""
            return datetime.fromtimestamp(right() + off, tz or UTC)

    vars(civil_time)["datetime"] = Wrong
    time.time = lambda: right() + off


def _faster_routes(times: str) -> None:
    """The rule that moves texts to another route, so many times as fast."""
    defaults = defaults_of(Rule)
    for name, value in list(defaults.items()):
        if isinstance(value, timedelta):
            defaults[name] = value / float(times)


def _names(pair: str) -> None:
    """One name leads where it says, whatever the network knows of it."""
    named, _, address = pair.partition("=")
    resolve = ThreadedResolver.resolve

    async def resolved(self: ThreadedResolver, host: str, port: int = 0, *given: Any) -> Any:  # noqa: ANN401 - as there
        return await resolve(self, address if host == named else host, port, *given)

    ThreadedResolver.resolve = resolved  # type: ignore[method-assign,assignment]


def _trap(event: str) -> None:
    """The wording of one kind of notice ends the process, as a fault in a C library would."""
    outgoing = Notices.outgoing

    def trapped(self: Notices, row: Any) -> Any:  # noqa: ANN401 - as there
        if row.event == event:
            os._exit(139)
        return outgoing(self, row)

    Notices.outgoing = trapped  # type: ignore[method-assign]
