"""What a page of the console is: its place, who may see it, what it shows and does. `console.places` lists them all."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from aiohttp import web

from console.roles import Ability
from console.visit import HOME, Visit

Handler = Callable[[Visit], Awaitable[web.StreamResponse]]


class Group(StrEnum):
    """The headings of the menu."""

    WORK = "work"
    REFERENCE = "reference"
    NOTICES = "notices"
    OPERATION = "operation"
    ADMINISTRATION = "administration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page and what can be done on it.

    `name` is the msgid of its words (`page.NAME`); `path` stands below /console. `needs`: an ability of the officer's
    roles at the present office, None for everybody who is signed in. `shows` answers GET at `path`, `parts` GET below
    it (`/{code}`), `does` POST below it. `rare` are those of `parts` (exports) and `does` that ask for a proof shown a
    short while ago. `kept` are those of `does` whose form waits as a draft while it is refused, until it is taken;
    what else keeps drafts does so itself.
    `waits` says how much of it waits for the officer, for the start page; `group` None keeps it out of the menu.
    """

    name: str
    path: str
    needs: Ability | None
    shows: Handler
    group: Group | None = None
    parts: Mapping[str, Handler] = field(default_factory=dict)
    does: Mapping[str, Handler] = field(default_factory=dict)
    rare: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()
    waits: Callable[[Visit], Awaitable[int]] | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return HOME + self.path

    def above(self, path: str) -> str:
        """Where the form stands that is sent to `path`: the nearest place above it that answers GET."""
        shown = [re.compile(re.sub(r"{\w+}", "[^/]+", self.url + part)) for part in self.parts]
        if path.removeprefix(self.url) in self.does and path != self.url:  # `/tim` is none of `/{case}`
            path = path.rpartition("/")[0]
        while len(path) > len(self.url) and not any(place.fullmatch(path) for place in shown):
            path = path.rpartition("/")[0]
        return path if path.startswith(self.url) else self.url
