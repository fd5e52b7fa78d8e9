"""A Valkey of a test's own: it may be killed, frozen, restarted empty, or joined with others to a Cluster."""

import asyncio
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from service.embedded.valkey import find_valkey


class ValkeyServer:
    """One server with its files in `folder`; on a socket there, or on a loopback port as a node of a Cluster."""

    def __init__(self, folder: Path, *, cluster: bool = False) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.port = _free_port() if cluster else 0
        self.url = f"redis://127.0.0.1:{self.port}" if cluster else f"unix://{folder / 'valkey.sock'}"
        self._settings = {"port": str(self.port), "save": "", "dir": str(folder), "logfile": str(folder / "log")}
        if cluster:
            self._settings |= {"cluster-enabled": "yes", "cluster-node-timeout": "10000", "bind": "127.0.0.1"}
        else:
            self._settings |= {"unixsocket": str(folder / "valkey.sock")}
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start empty, and wait until it answers."""
        words = [word for name, value in self._settings.items() for word in (f"--{name}", value)]
        self._process = await asyncio.to_thread(self._spawn, words)
        async with Redis.from_url(self.url) as client:
            while True:
                try:
                    await client.ping()
                except RedisError:
                    assert self._process.poll() is None
                    await asyncio.sleep(0.01)
                else:
                    return

    def _spawn(self, words: list[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen([find_valkey(), *words], stdout=subprocess.DEVNULL)  # noqa: S603 - our own binary

    def signal(self, what: signal.Signals) -> None:
        """SIGSTOP makes it a black hole, SIGCONT wakes it."""
        assert self._process is not None
        self._process.send_signal(what)

    def kill(self) -> None:
        """kill -9, and wait for the end."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            (self._folder / "valkey.sock").unlink(missing_ok=True)


def _free_port() -> int:
    """A port whose Cluster bus port (10,000 above) is free too, below the range that clients are given."""
    for port in range(16000, 22000):
        try:
            with socket.socket() as own, socket.socket() as bus:
                own.bind(("127.0.0.1", port))
                bus.bind(("127.0.0.1", port + 10000))
        except OSError:
            continue
        return port
    raise AssertionError("no free port")


async def form_cluster(servers: list[ValkeyServer]) -> None:
    """Share the slots among `servers` and wait until all agree."""
    clients: list[Any] = [Redis.from_url(server.url) for server in servers]
    try:
        width = 16384 // len(clients) + 1
        for number, client in enumerate(clients):
            last = min(16383, (number + 1) * width - 1)
            await client.execute_command("CLUSTER", "ADDSLOTSRANGE", number * width, last)
            await client.execute_command("CLUSTER", "MEET", "127.0.0.1", servers[0].port)
        for client in clients:
            await _agrees(client, len(servers))
    finally:
        for client in clients:
            await client.aclose()


async def _agrees(client: Any, size: int) -> None:  # noqa: ANN401 - redis-py types its commands half-way
    """Wait until this node sees a Cluster of `size` masters in order."""
    info: set[str] = set()
    while not {"cluster_state:ok", f"cluster_size:{size}"} <= info:
        await asyncio.sleep(0.05)
        info = set((await client.execute_command("CLUSTER", "INFO")).decode().split("\r\n"))
