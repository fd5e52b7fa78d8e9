"""What waits for the officer: the first page after signing in."""

from aiohttp import web

from console.page import Group, Page
from console.visit import Visit


async def show(visit: Visit) -> web.Response:
    """GET /console"""
    waiting = [(page, await page.waits(visit)) for page in visit.menu if page.waits is not None]
    async with visit.reading() as connection:
        drafts = await visit.means.drafts.forms(connection, visit.officer.account_id)
    unfinished = [page for page in visit.menu if any(form.startswith(page.url + "/") for form in drafts)]
    return visit.render("start.html", waiting=waiting, unfinished=unfinished)


PAGE = Page(name="start", path="", needs=None, shows=show, group=Group.WORK)
