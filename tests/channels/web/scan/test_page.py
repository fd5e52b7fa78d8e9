"""The page that reads a slip: the only one that may use the camera, and light until somebody scans."""

import hashlib
import re
from collections.abc import AsyncIterator
from importlib.resources import files

import pytest

from pages.assets import Assets
from service.citizens import PACKAGES
from service.wiring import Core
from tests.channels.web.corner import Corner, open_corner

FIRST_VISIT = 60_000  # bytes beside the font


@pytest.fixture
async def corner(core: Core) -> AsyncIterator[Corner]:
    async with open_corner(core) as opened:
        yield opened


async def test_only_this_page_may_use_the_camera(corner: Corner) -> None:
    assert "camera=(self)" in (await corner.client.get("/quet")).headers["Permissions-Policy"]
    for path in ("/", "/chat", "/cua-toi", "/khong-co"):
        assert "camera=()" in (await corner.client.get(path)).headers["Permissions-Policy"]


async def test_its_policy_is_that_of_every_page(corner: Corner) -> None:
    policy = (await corner.client.get("/quet")).headers["Content-Security-Policy"]
    assert policy == (await corner.client.get("/")).headers["Content-Security-Policy"]
    assert "unsafe" not in policy


@pytest.mark.parametrize("path", ["/", "/quet", "/chat", "/cua-toi"])
async def test_each_first_page_is_light(corner: Corner, path: str) -> None:
    """What the page itself makes a browser fetch; the decoder is not among it."""
    page = await corner.client.get(path, headers={"Accept-Encoding": "gzip"})
    html, total = await page.text(), int(page.headers["Content-Length"])
    wanted = set(re.findall(r'(?:href|src)="(/(?:static/|manifest)[^"]*)"', html))
    assert not any("zxing" in address for address in wanted)
    for address in wanted:
        response = await corner.client.get(address, headers={"Accept-Encoding": "gzip"})
        assert response.status == 200
        if not address.endswith(".woff2"):
            total += int(response.headers["Content-Length"])
    assert total <= FIRST_VISIT


def test_the_decoder_is_the_file_its_note_names() -> None:
    folder = files("channels.web.scan").joinpath("static", "zxing")
    digest = hashlib.sha256(folder.joinpath("zxing.min.js").read_bytes()).hexdigest()
    assert digest in folder.joinpath("README.md").read_text()
    assert "Apache License" in folder.joinpath("LICENSE.txt").read_text()
    assert Assets(("channels.web", *PACKAGES)).path("zxing/zxing.min.js").startswith("/static/zxing/zxing.min.")


async def test_the_front_page_names_every_way(corner: Corner) -> None:
    html = await (await corner.client.get("/")).text()
    for path in ("/quet", "/chat", "/cua-toi"):
        assert f'href="{path}"' in html
        assert (await corner.client.get(path)).status == 200
