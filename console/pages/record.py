"""The record of what officers of this office and those below it did and saw."""

from aiohttp import web

from console.audit import entries
from console.page import Group, Page
from console.roles import Ability
from console.visit import WORDS, Visit

_AT_ONCE = 50


async def show(visit: Visit) -> web.Response:
    """GET /console/nhat-ky, by dossier or account where asked for."""
    subject = visit.asked("ve").strip()[:80]
    before = visit.number("truoc")
    async with visit.reading() as connection:
        found = await entries(connection, before=before, subject=subject or None, most=_AT_ONCE)
    onward = ""
    if len(found) == _AT_ONCE:
        onward = str(visit.request.rel_url.update_query(truoc=found[-1].number))
    return visit.render("record.html", entries=found, subject=subject, onward=onward, named=_named(visit))


def _named(visit: Visit) -> dict[str, str]:
    """The acts that have words; others are shown by their names."""
    keys = WORDS.keys(visit.language)
    return {key.removeprefix("act."): visit.say(key) for key in keys if key.startswith("act.")}


PAGE = Page(name="record", path="/nhat-ky", needs=Ability.AUDIT_VIEW, shows=show, group=Group.ADMINISTRATION)
