"""nginx before the site, once as it passes bodies on when they are whole, and once as they come."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL, SIGTERM

from service.embedded.account import choose_account
from tests.faults.rig import free_port

PROGRAM = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
INSTALL = "There is no nginx here; on Debian: apt install nginx-light"
# One line to the site, which all callers share: what is left over on it comes before the next caller's request.
SETTINGS = """
daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log {directory}/nginx-error.log;
events {{ worker_connections 256; }}
http {{
    log_format passed '$upstream_bytes_sent';  # also where the caller left before the answer
    access_log {directory}/nginx-passed.log passed;
    client_body_temp_path {directory}/nginx-bodies;
    proxy_temp_path {directory}/nginx-answers;
    fastcgi_temp_path {directory}/nginx-1;
    uwsgi_temp_path {directory}/nginx-2;
    scgi_temp_path {directory}/nginx-3;
    upstream site {{ server 127.0.0.1:{site}; keepalive 1; }}
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $http_host;
    proxy_next_upstream off;
    server {{ listen 127.0.0.1:{whole}; location / {{ proxy_pass http://site; }} }}
    server {{ listen 127.0.0.1:{stream}; location / {{ proxy_pass http://site; proxy_request_buffering off; }} }}
}}
"""


@dataclass(frozen=True)
class Proxy:
    """Its ports: one for each way of passing bodies on."""

    ports: tuple[int, int]
    log: Path

    def passed_on(self) -> int:
        """How many requests went on to the site."""
        return sum(line.isdigit() and int(line) > 0 for line in self.log.read_text("utf-8").splitlines())


@asynccontextmanager
async def open_proxy(directory: Path, site: int) -> AsyncIterator[Proxy]:
    """A proxy before the site's port while inside. Raises `FileNotFoundError` where there is none."""
    if PROGRAM is None:
        raise FileNotFoundError(INSTALL)
    place = directory / "nginx"
    place.mkdir(mode=0o777)
    place.chmod(0o777)  # it may work as somebody else
    whole, stream = free_port(), free_port()
    settings = place / "nginx.conf"
    settings.write_text(SETTINGS.format(directory=place, site=site, whole=whole, stream=stream))
    account = await choose_account()
    process = await asyncio.create_subprocess_exec(
        *account.tethered(PROGRAM, "-e", str(place / "nginx-error.log"), "-c", str(settings), death_signal=SIGKILL)
    )
    try:
        for port in (whole, stream):
            await _until_it_listens(port, process)
        yield Proxy((whole, stream), place / "nginx-passed.log")
    finally:
        if process.returncode is None:
            process.send_signal(SIGTERM)
            await process.wait()


async def _until_it_listens(port: int, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(10):
        while process.returncode is None:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return
    raise ConnectionError("nginx never listened")
