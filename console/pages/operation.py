"""What an operator watches: what waits, how the providers do, what was paid, who refused, what was given up."""

from datetime import timedelta
from itertools import groupby

from aiohttp import web

from console.page import Group, Page
from console.roles import Ability
from console.visit import HOME, Visit
from domain.civil_time import civil_day, start_of_day
from domain.message import DeliveryState
from notifications.dead_letters import MOST_AT_ONCE, Which, dead_letters, reasons, replay
from notifications.operation import Cost, Queue, costs, figures, queues

_DEAD = f"{HOME}/thu-hong"
_AT_ONCE = 50
_A_WEEK = timedelta(days=7)


async def show(visit: Visit) -> web.Response:
    """GET /console/van-hanh: everything for the system's owner, for others what their offices wait for and paid."""
    if visit.at_root:
        async with visit.surveying() as connection:
            all_figures = await figures(connection)
        waiting, paid, as_of = all_figures.queues, all_figures.costs, all_figures.as_of
    else:
        all_figures, as_of = None, visit.means.clock()
        async with visit.reading() as connection:
            waiting = await queues(connection)
            paid = await costs(connection, civil_day(as_of))
    oldest = min((queue.oldest_due for queue in waiting if queue.oldest_due), default=None)
    return visit.render(
        "operation.html",
        figures=all_figures,
        as_of=as_of,
        lanes=_by_lane(waiting),
        paid=paid,
        dong=sum(cost.dong for cost in paid),
        messages=sum(cost.messages for cost in paid),
        waiting=sum(queue.waiting for queue in waiting),
        due=sum(queue.due for queue in waiting),
        more="+" if any(queue.at_least for queue in waiting) else "",
        oldest=round((as_of - oldest).total_seconds()) if oldest else None,
        offices=_offices(visit, waiting, paid),
    )


async def show_dead(visit: Visit) -> web.Response:
    """GET /console/thu-hong: what was given up, newest first, and why."""
    return await _dead_page(visit)


async def send_again(visit: Visit) -> web.Response:
    """POST …/gui-lai: those that were ticked. Which may be sent again is decided by who sees them."""
    ticked = {int(text) for text in visit.form.all("message") if text.isascii() and text.isdigit() and len(text) <= 18}
    async with visit.surveying() as connection:
        seen = {letter.message_id for letter in await dead_letters(connection, Which(), most=MOST_AT_ONCE)}
    chosen = sorted(ticked & seen)
    if not chosen:
        return visit.see(_DEAD)
    async with visit.operating("message.replay", number=len(chosen)) as deed:
        await replay(deed.connection, chosen)
    return visit.see(_DEAD, done="dead.replayed")


async def waits(visit: Visit) -> int:
    """How many were given up today."""
    today = start_of_day(civil_day(visit.means.clock()))
    async with visit.surveying() as connection:
        return len(await dead_letters(connection, Which(since=today), most=MOST_AT_ONCE))


async def _dead_page(visit: Visit) -> web.Response:
    state = visit.asked("loai")
    states = {"dead": (DeliveryState.DEAD,), "failed": (DeliveryState.FAILED,)}.get(state)
    which = Which(states=states or Which().states, before=visit.number("truoc"))
    async with visit.surveying() as connection:
        letters = await dead_letters(connection, which, most=_AT_ONCE)
        why = await reasons(connection, visit.means.clock() - _A_WEEK)
    onward = ""
    if len(letters) == _AT_ONCE:
        onward = str(visit.request.rel_url.update_query(truoc=letters[-1].message_id))
    return visit.render(
        "dead_letters.html",
        letters=letters,
        reasons=why[:10],
        state=state if states else "",
        onward=onward,
        may=visit.officer.may(Ability.OPERATION_REPLAY),
    )


def _by_lane(waiting: tuple[Queue, ...]) -> list[tuple[str, str, list[Queue]]]:
    """Channel, lane, and what waits of each office there."""
    return [
        (channel, lane.name.lower(), list(found))
        for (channel, lane), found in groupby(waiting, key=lambda queue: (queue.channel, queue.lane))
    ]


def _offices(visit: Visit, waiting: tuple[Queue, ...], paid: tuple[Cost, ...]) -> dict[str, str]:
    codes = {queue.agency for queue in waiting if queue.agency} | {cost.agency for cost in paid if cost.agency}
    found = {code: visit.means.registry.agency_by_code(code) for code in codes}
    return {code: agency.name for code, agency in found.items() if agency}


PAGE = Page(name="operation", path="/van-hanh", needs=Ability.OPERATION_VIEW, shows=show, group=Group.OPERATION)
DEAD_LETTERS = Page(
    name="dead_letters",
    path="/thu-hong",
    needs=Ability.OPERATION_REPLAY,
    shows=show_dead,
    does={"/gui-lai": send_again},
    waits=waits,
    group=Group.OPERATION,
)
