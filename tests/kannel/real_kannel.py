"""A real Kannel: bearerbox, smsbox and the fake SMSC of kannel-extras, as children of the test."""

import asyncio
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote_from_bytes, unquote_to_bytes

from tests.kannel.network import free_ports

FAKESMSC = "/usr/lib/kannel/test/fakesmsc"
USERNAME, PASSWORD, NUMBER = "app", "secret", "8088"
HOOK_SECRET = "hook-secret-of-the-tests"
PATIENCE = 30.0  # seconds

# As dependencies.md found it to work: no smsbox-id, or no MO arrives.
CONFIGURATION = """\
group = core
admin-port = {admin}
admin-password = bar
admin-interface = 127.0.0.1
status-password = foo
admin-deny-ip = "*.*.*.*"
admin-allow-ip = "127.0.0.1"
smsbox-port = {box}
smsbox-interface = 127.0.0.1
box-deny-ip = "*.*.*.*"
box-allow-ip = "127.0.0.1"
log-file = {run}/bearerbox.log
dlr-storage = internal
store-type = file
store-location = {run}/store.log

{smsc}
group = smsbox
bearerbox-host = 127.0.0.1
bearerbox-port = {box}
sendsms-port = {sendsms}
sendsms-interface = 127.0.0.1
global-sender = 8088
mo-recode = {recode}
reply-couldnotfetch = ""
reply-couldnotrepresent = ""
reply-requestfailed = ""
reply-emptymessage = ""
http-request-retry = 3
http-queue-delay = 1

group = sendsms-user
username = app
password = secret
user-deny-ip = "*.*.*.*"
user-allow-ip = "127.0.0.1"
concatenation = true
max-messages = 5

group = sms-service
keyword = default
catch-all = true
max-messages = 0
concatenation = true
omit-empty = true
send-sender = true
{url}
"""
FAKE = """\
group = smsc
smsc = fake
smsc-id = FAKE
port = {port}
connect-allow-ip = 127.0.0.1
"""
# As docs/kannel.md has it for an operator's line.
SMPP = """\
group = smsc
smsc = smpp
smsc-id = SMPP
host = 127.0.0.1
port = {port}
transceiver-mode = true
interface-version = 34
smsc-username = motma
smsc-password = smpp-pw
system-type = ""
source-addr-autodetect = true
enquire-link-interval = 5
reconnect-delay = 1
"""
HOOK = "http://127.0.0.1:{ours}/webhooks/kannel/" + HOOK_SECRET
BY_GET = 'get-url = "{hook}/mo?from=%p&to=%P&text=%b&coding=%c&charset=%C&smsc=%i&ts=%t&id=%I"'
BY_POST = 'post-url = "{hook}/mo?from=%p&to=%P&coding=%c&charset=%C&smsc=%i&ts=%t&id=%I"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Kannel:
    """A gateway that runs. `our_port` is where it expects our webhooks."""

    our_port: int
    smsc_port: int
    sendsms_url: str
    hook_url: str


@contextmanager
def run_kannel(directory: Path, *, by_post: bool, recode: bool, smsc: str = FAKE) -> Iterator[Kannel]:
    """Kannel, handing texts over by post-url or get-url, recoded to UTF-8 or as they come; `smsc` is its line."""
    for program in ("bearerbox", "smsbox", FAKESMSC):
        assert shutil.which(program), f"{program} is missing: apt-get install kannel kannel-extras"
    admin, box, centre, sendsms, ours = free_ports(5)
    hook = HOOK.format(ours=ours)
    file = directory / "kannel.conf"
    file.write_text(
        CONFIGURATION.format(
            run=directory,
            admin=admin,
            box=box,
            smsc=smsc.format(port=centre),
            sendsms=sendsms,
            recode="true" if recode else "false",
            url=(BY_POST if by_post else BY_GET).format(hook=hook),
        )
    )
    with _child(["bearerbox", str(file)], box), _child(["smsbox", str(file)], sendsms):
        yield Kannel(
            our_port=ours,
            smsc_port=centre,
            sendsms_url=f"http://127.0.0.1:{sendsms}/cgi-bin/sendsms",
            hook_url=f"http://127.0.0.1:{ours}",
        )


@contextmanager
def _child(command: list[str], port: int) -> Iterator[None]:
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
    try:
        deadline = time.monotonic() + PATIENCE
        while not _listens(port):
            assert child.poll() is None, f"{command[0]} ended with {child.returncode}"
            assert time.monotonic() < deadline, f"{command[0]} does not listen"
            time.sleep(0.05)
        yield
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(15)  # bearerbox waits for its boxes for ten seconds
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


_GOT = re.compile(rb"Got message \d+: <(?P<line>.*)>\n?$", re.DOTALL)
_CONCATENATED = b"\x05\x00\x03"  # user data header: reference, parts in all, this part (3GPP TS 23.040 9.2.3.24.1)


@dataclass
class Network:
    """The mobile network behind the fake SMSC: every phone, by its number."""

    process: asyncio.subprocess.Process
    inboxes: dict[str, asyncio.Queue[str]] = field(default_factory=dict)
    parts: dict[tuple[str, int], dict[int, bytes]] = field(default_factory=dict)
    taken: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))  # texts the fake SMSC has passed on

    def phone(self, number: str) -> "Phone":
        """The phone with `number`, as the network writes it."""
        return Phone(network=self, number=number)

    async def read(self) -> None:
        """Deliver what the fake SMSC prints, until it ends."""
        assert self.process.stderr is not None
        async for raw in self.process.stderr:
            if got := _GOT.search(raw):
                self._deliver(got["line"])
            elif b"sent message" in raw:
                self.taken.release()

    def _deliver(self, line: bytes) -> None:
        _, receiver, kind, *rest = line.split(b" ", 3)
        number = receiver.decode()
        body = rest[0] if rest else b""
        if kind == b"text":
            self._put(number, body.decode("utf-8"))
        elif kind in {b"ucs-2", b"ucs2"}:
            self._put(number, _octets(body).decode("utf-16-be"))
        elif kind == b"udh":
            header, _, content = body.split(b" ", 2)
            self._join(number, _octets(header), content)

    def _join(self, number: str, header: bytes, content: bytes) -> None:
        assert header.startswith(_CONCATENATED), header
        reference, total, place = header[3], header[4], header[5]
        parts = self.parts.setdefault((number, reference), {})
        parts[place] = content
        if len(parts) == total:
            whole = b"".join(_octets(parts[n]) for n in range(1, total + 1))
            self._put(number, whole.decode("utf-16-be"))

    def _put(self, number: str, text: str) -> None:
        self.inboxes.setdefault(number, asyncio.Queue()).put_nowait(text)


@dataclass
class Phone:
    """One phone of the network."""

    network: Network
    number: str

    async def says(self, text: str, *, to: str = NUMBER, ucs2: bool = False) -> None:
        """Send a text. The fake SMSC sees a second line only when it has passed on the first."""
        body = f"ucs2 {quote_from_bytes(text.encode('utf-16-be'))}" if ucs2 else f"text {text}"
        stdin = self.network.process.stdin
        assert stdin is not None
        stdin.write(f"{self.number} {to} {body}\n".encode())
        await stdin.drain()
        async with asyncio.timeout(PATIENCE):
            await self.network.taken.acquire()

    async def hears(self) -> str:
        """The next text."""
        inbox = self.network.inboxes.setdefault(self.number, asyncio.Queue())
        async with asyncio.timeout(PATIENCE):
            return await inbox.get()

    @property
    def silent(self) -> bool:
        """Whether nothing waits to be heard."""
        return self.network.inboxes.setdefault(self.number, asyncio.Queue()).empty()


@asynccontextmanager
async def open_network(kannel: Kannel) -> AsyncIterator[Network]:
    """The network, connected to `kannel`; texts are typed into the fake SMSC, which falls over when its stdin ends."""
    process = await asyncio.create_subprocess_exec(
        *(FAKESMSC, "-H", "127.0.0.1", "-r", str(kannel.smsc_port), "-i", "0.01"),
        stdin=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    network = Network(process=process)
    reading = asyncio.create_task(network.read())
    try:
        yield network
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await reading


def _octets(text: bytes) -> bytes:
    return unquote_to_bytes(text.replace(b"+", b" "))
