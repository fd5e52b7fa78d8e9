"""One call on a real socket: where names lead is looked at when connecting, and no receiver can hold or overfill us."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from standardwebhooks import Webhook

from channels.agency_api.callbacks_address import Addresses
from channels.agency_api.callbacks_post import open_callback_post
from notifications.callbacks.courier import Answer, Call, NoAnswer
from notifications.callbacks.receivers import made_secret

SECRET = made_secret()
OK = b"HTTP/1.1 204 No Content\r\n\r\n"

Answering = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Names(AbstractResolver):
    """Answers each look-up of a name with the next address."""

    def __init__(self, *addresses: str, port: int = 0) -> None:
        self.addresses = list(addresses)
        self.port = port
        self.asked = 0

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        """One address."""
        self.asked += 1
        address = self.addresses.pop(0) if len(self.addresses) > 1 else self.addresses[0]
        version = ip_address(address).version
        return [
            ResolveResult(hostname=host, host=address, port=port, family=2 if version == 4 else 10, proto=0, flags=0)
        ]

    async def close(self) -> None:
        """Nothing is held."""


class Peer:
    """A server of bytes; counts who came."""

    def __init__(self) -> None:
        self.port = 0
        self.came = 0
        self.read = bytearray()


@asynccontextmanager
async def serving(answer: bytes | Answering, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Peer]:
    """A peer that reads a request and answers."""
    peer = Peer()
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer.came += 1
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            peer.read += head + await reader.readexactly(length)
            if isinstance(answer, bytes):
                writer.write(answer)
                await writer.drain()
            else:
                await answer(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            ended.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    peer.port = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        server.close()


def call(url: str, *secrets: str) -> Call:
    """A call to make."""
    return Call(url=url, message_id="chg_1", body=b'{"type":"dossier.changed"}', secrets=secrets or (SECRET,))


async def answered(peer: Peer, limit: float = 5) -> Answer:
    """What a call to the peer brings."""
    async with open_callback_post(Addresses(loopback=True), limit=limit) as post:
        return await post.call(call(f"http://127.0.0.1:{peer.port}/hook"))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of hook.example.vn, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hook.example.vn")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("hook.example.vn")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "hook.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


async def test_a_call_is_signed_by_every_secret_and_says_its_length() -> None:
    other = made_secret()
    async with serving(OK) as peer, open_callback_post(Addresses(loopback=True)) as post:
        answer = await post.call(call(f"http://127.0.0.1:{peer.port}/hook?a=1", SECRET, other))
    assert answer == Answer(status=204)
    head, _, body = bytes(peer.read).partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /hook?a=1 HTTP/1.1"
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
    for secret in (SECRET, other):
        assert Webhook(secret).verify(body, headers) == {"type": "dossier.changed"}
    assert headers["webhook-signature"].count("v1,") == 2
    assert not {"cookie", "authorization", "accept-encoding"} & headers.keys()


async def test_over_tls_the_name_must_be_the_certificates(certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    trusted = ssl.create_default_context(cafile=str(certificate))
    async with serving(OK, tls=context) as peer:
        addresses = Addresses(ports=[peer.port], loopback=True)
        async with open_callback_post(addresses, resolver=Names("127.0.0.1"), trusted=trusted) as post:
            assert (await post.call(call(f"https://hook.example.vn:{peer.port}/"))).status == 204
            with pytest.raises(NoAnswer, match="certificate"):
                await post.call(call(f"https://other.example.vn:{peer.port}/"))
        async with open_callback_post(addresses, resolver=Names("127.0.0.1")) as post:
            with pytest.raises(NoAnswer, match="certificate"):
                await post.call(call(f"https://hook.example.vn:{peer.port}/"))


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1"])
async def test_a_name_that_leads_inside_is_not_connected_to(address: str) -> None:
    async with serving(OK) as peer:
        names = Names(address)
        async with open_callback_post(Addresses(ports=[peer.port]), resolver=names) as post:
            with pytest.raises(NoAnswer, match="not public"):
                await post.call(call(f"https://rebinding.example.vn:{peer.port}/"))
        assert (names.asked, peer.came) == (1, 0)


async def test_a_name_that_changes_its_mind_is_looked_at_at_every_call() -> None:
    """The first look-up says public, which a check before the call would have seen; the second says loopback."""
    async with serving(OK) as peer:
        names = Names("203.0.113.1", "127.0.0.1")  # the first: a documentation address, refused too
        async with open_callback_post(Addresses(ports=[peer.port]), resolver=names) as post:
            for _ in range(2):
                with pytest.raises(NoAnswer, match="not public"):
                    await post.call(call(f"https://rebinding.example.vn:{peer.port}/"))
        assert (names.asked, peer.came) == (2, 0)


async def test_an_address_that_is_no_longer_allowed_is_not_called() -> None:
    async with serving(OK) as peer, open_callback_post(Addresses()) as post:
        with pytest.raises(NoAnswer, match="https"):
            await post.call(call(f"http://127.0.0.1:{peer.port}/"))
    assert peer.came == 0


async def test_the_status_counts_as_soon_as_it_is_there() -> None:
    """A body that never ends is not waited for."""

    async def dripping(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()

    async with serving(dripping) as peer:
        async with asyncio.timeout(3):
            assert (await answered(peer)).status == 200


async def test_one_that_never_answers_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serving(silent) as peer:
        with pytest.raises(NoAnswer, match="in time"):
            await answered(peer, limit=0.2)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 999999 What\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: minus\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_no_answer(answer: bytes) -> None:
    async with serving(answer) as peer:
        with pytest.raises(NoAnswer):
            await answered(peer)


async def test_a_redirect_is_only_a_status() -> None:
    async with serving(OK) as inside:
        away = f"HTTP/1.1 307 Away\r\nLocation: http://127.0.0.1:{inside.port}/\r\nContent-Length: 0\r\n\r\n"
        async with serving(away.encode()) as peer:
            assert (await answered(peer)).status == 307
        assert inside.came == 0


async def test_retry_after_is_heard() -> None:
    busy = b"HTTP/1.1 503 Busy\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n"
    async with serving(busy) as peer:
        assert await answered(peer) == Answer(status=503, retry_after=timedelta(minutes=2))


async def test_nobody_there() -> None:
    async with serving(OK) as peer:
        pass
    with pytest.raises(NoAnswer, match="No connection"):
        await answered(peer)
