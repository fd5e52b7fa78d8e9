"""What is typed and what is stored is shown as text, whatever it is."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from markupsafe import escape

from tests.channels.web.conftest import Site
from tests.channels.web.reading import CODE, proven
from tests.channels.web.sample_answers import OFFICE, SAMPLES

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' autofocus onfocus=alert(1) x='",
    "{{7*7}}{% raw %}",
    "javascript:alert(1)",
    "</title><svg/onload=alert(1)>",
    "\u202egnp.exe\u2066",
    "<!--<a href='",
]


class Elements(HTMLParser):
    """What a browser would make of a page: anything that runs, or loads from where it should not."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        addresses = [given.get(name) or "" for name in ("href", "src", "action")]
        runs = any(name.startswith("on") or name == "style" for name in given)
        strays = any(a and not re.match(r"/(?!/)|#|(?:tel|sms):[0-9+]", a) for a in addresses)
        inline = tag == "script" and not (given.get("src") or "").startswith("/static/motma.")
        if runs or strays or inline or tag in {"img", "iframe", "object", "embed", "base", "style"}:
            self.found.append(f"<{tag} {attrs}>")


@pytest.mark.parametrize("hostile", HOSTILE)
async def test_what_is_typed_is_shown_as_text(site: Site, hostile: str) -> None:
    for response in (
        await site.client.get("/tra-cuu", params={"code": hostile}),
        await site.client.post("/tra-cuu", data={"code": CODE, "proof": hostile}),
        await site.client.post("/tra-cuu", data={"code": hostile, "proof": hostile}),
        await site.client.get("/", params={"instead": hostile, "lang": hostile}),
    ):
        assert response.status in {200, 404, 422}
        assert Elements(await response.text()).found == []


@pytest.mark.parametrize("hostile", HOSTILE)
async def test_what_is_stored_is_shown_as_text(site: Site, hostile: str) -> None:
    office = replace(OFFICE, name=hostile, name_en=hostile, phone=hostile, address=hostile)
    sample = replace(SAMPLES["supplement"], office=office, asked=hostile, applicant=hostile, procedure=hostile)
    site.desk.samples[sample.code] = sample
    for response in (
        await proven(site, sample.code),
        await site.client.get("/tra-cuu", params={"code": sample.code, "lang": "en"}),
    ):
        html = await response.text()
        assert response.status == 200
        assert Elements(html).found == []
        assert str(escape(hostile)) in html
