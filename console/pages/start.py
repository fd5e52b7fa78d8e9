"""What waits for the officer: the first page after signing in."""

from collections.abc import Mapping, Sequence

from aiohttp import web

from console.page import Group, Page
from console.visit import WORDS, Visit


async def show(visit: Visit) -> web.Response:
    """GET /console"""
    waiting = [(page, await page.waits(visit)) for page in visit.menu if page.waits is not None]
    async with visit.reading() as connection:
        drafts = await visit.means.drafts.forms(connection, visit.officer.account_id)
    return visit.render("start.html", waiting=waiting, unfinished=_unfinished(visit, drafts))


def _unfinished(visit: Visit, drafts: Sequence[str]) -> Mapping[str, str]:
    """Where what was typed and not sent can be finished, with what it is: the form of a case, or a page."""
    found = {}
    for form in drafts:
        page = next((page for page in visit.menu if f"{form}/".startswith(f"{page.url}/") and page.path), None)
        if page is None:
            continue
        words, (case, _, move) = visit.say(f"page.{page.name}"), form.rpartition("/viec/")
        if case and WORDS.has(visit.language, f"case.move.{move}"):
            found[f"{case}?viec={move}#viec"] = f"{words}: {visit.say(f'case.move.{move}')}"
        else:
            found[page.above(form)] = words
    return found


PAGE = Page(name="start", path="", needs=None, shows=show, group=Group.WORK)
