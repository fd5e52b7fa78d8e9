"""The README's five minutes, against `motma up --demo` as a newcomer starts it."""

import asyncio
import html
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest

from domain.civil_time import utc_now

CODE = "H05.16-261102-0001"
READY = re.compile(r"^Ready: (http://\S+)$", re.MULTILINE)
PATIENCE = 60.0
SOON = 5.0


@dataclass
class Desk:
    """A running `motma up`, and the demo key."""

    url: str
    key: str
    http: aiohttp.ClientSession
    process: asyncio.subprocess.Process

    async def push(self, number: int, status: int) -> tuple[int, str]:
        """The office reports a change; status and result of the answer."""
        at = utc_now() + timedelta(milliseconds=number)
        async with self.http.post(
            f"{self.url}/api/v1/events",
            json={"id": f"tour-{number}", "code": CODE, "status": status, "at": at.isoformat()},
            headers={"Authorization": f"Bearer {self.key}"},
        ) as response:
            return response.status, (await response.json()).get("result", "")

    async def text(self, words: str) -> None:
        """The citizen texts from the registered phone."""
        async with self.http.post(f"{self.url}/gia-lap", data={"text": words}) as response:
            assert response.status == 200

    async def screen(self) -> list[str]:
        """What the phone shows, oldest first."""
        async with self.http.get(f"{self.url}/gia-lap") as response:
            page = await response.text()
        return [html.unescape(said) for said in re.findall(r'<p class="said">(.*?)</p>', page)]

    async def shows(self, words: str) -> str:
        """The first text on the phone with these words; waits for it a little."""
        deadline = asyncio.get_running_loop().time() + SOON
        while True:
            said = next((s for s in await self.screen() if words in s), None)
            if said is not None:
                return said
            assert asyncio.get_running_loop().time() < deadline, await self.screen()
            await asyncio.sleep(0.05)

    async def stage(self) -> str:
        """The stage the public is told."""
        async with self.http.get(f"{self.url}/api/v1/lookup/{CODE}") as response:
            return str((await response.json())["stage"])


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MOTMA_")}
    environment |= {"MOTMA_ADMIN_LISTEN": "127.0.0.1:0", "MOTMA_LOOKUP_LIMIT": "1000/minute"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "service", "up", "--demo", "--data", str(tmp_path), "--listen", "127.0.0.1:0"),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout
    async with asyncio.timeout(PATIENCE):
        said = ""
        while (ready := READY.search(said)) is None:
            line = await process.stdout.readline()
            assert line, "motma up ended"
            said += line.decode()
    key = json.loads((tmp_path / "demo.json").read_text())["api_keys"]["live"]
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        yield Desk(url=ready[1], key=key, http=http, process=process)
    if process.returncode is None:
        process.send_signal(signal.SIGINT)
    async with asyncio.timeout(PATIENCE):
        assert await process.wait() == 0


async def test_the_tour_goes_as_the_readme_says(desk: Desk) -> None:
    assert await desk.stage() == "in_progress"
    async with desk.http.post(f"{desk.url}/api/v1/lookup", json={"code": CODE, "proof": "246810"}) as response:
        told = await response.json()
    assert (told["status"], told["applicant"]) == (4, "N*** V** A*")

    await desk.text(f"HS {CODE}")
    assert "dang giai quyet" in await desk.shows("dang giai quyet")

    assert await desk.push(1, 9) == (201, "stored")
    assert await desk.push(1, 9) == (409, "")  # the same id at another time is another event
    assert "Tat tin" in await desk.shows("da co ket qua")
    assert await desk.stage() == "done"

    await desk.text(f"BO {CODE}")
    await desk.shows("Se khong bao tin")
    assert await desk.push(2, 10) == (201, "stored")
    assert await desk.stage() == "closed"
    await desk.text(f"HS {CODE}")
    await desk.shows("da tra ket qua")
    notices = [said for said in await desk.screen() if "Tat tin" in said]
    assert len(notices) == 1
