"""G62, G63: requests that no program should send, and bodies larger than any limit: refused, and that is all."""

import asyncio
import random
import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.channels.web.framing import AMBIGUOUS
from tests.faults.evidence import Evidence
from tests.faults.load import Producer
from tests.faults.proxy import open_proxy
from tests.faults.rig import NO_MUTANT, Rig, open_rig

LINES = 48
REST_SECONDS, MORE_SECONDS = 1.5, 0.1  # that an answer, and a further one, are waited for
ANSWER_SECONDS = 12.0
GIB = 1024**3
TAKEN_OF_A_GIB = 24 * 1024 * 1024  # bytes that go in before the refusal is heard: a limit, and what lies in buffers
MEMORY = 64 * 1024  # KiB
METHODS = (b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"get", b"TRACE", b"CONNECT", b"P\x00ST", b"\xff", b"A" * 300)
TARGETS = (
    b"/",
    b"/tra-cuu?code=%E1%BB%87",
    b"/api/v1/lookup/H05.16-261102-000001",
    b"/api/v1/lookup/%",
    b"/api/v1/lookup/" + b"A" * 3_000,
    b"/api/v1/events",
    b"/api/v1/dossiers/%00",
    b"/gop-y",
    b"/g/PA-261120-000001.x",
    b"/console/vao",
    b"/cong-khai?q=%ff&agency=%00",
    b"/cong-khai/99999999999999999999",
    b"/static/../../etc/passwd",
    b"/static/%2e%2e/%2e%2e/etc/passwd",
    b"//evil.example/",
    b"http://evil.example/",
    b"*",
    b"/?" + b"a=1&" * 2_000,
    b"/\xed\xa0\x80",
    b"",
)
FORM = b"application/x-www-form-urlencoded"
POSTED = (
    (b"/tra-cuu", FORM),
    (b"/gop-y", FORM),
    (b"/gop-y", b"multipart/form-data; boundary=x"),
    (b"/api/v1/lookup", b"application/json"),
    (b"/console/vao", FORM),
    (b"/webhooks/sms", b"application/json"),
    (b"/chat", FORM),
    (b"/open311/v2/requests.json", FORM),
    (b"/tra-cuu", b";;;="),
)
ENCODED = (b"Content-Encoding: br", b"Content-Encoding: no-such-thing", b"Content-Type: text/plain; charset=no-such")
FRAMED = (b"Content-Length: %d", b"Content-Length: %d", b"Transfer-Encoding: chunked")
VERSIONS = (b"HTTP/1.1", b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"HTTP/1.1 ", b"http/1.1", b"", b"HTTP/9.9", b"\x00")
HEADERS = (
    b"Host: 127.0.0.1",
    b"Host: a\r\nHost: b",
    b"Host: \xff\x00",
    b"Content-Length: 5",
    b"Content-Length: -1",
    b"Content-Length: 5, 5",
    b"Content-Length: 99999999999999999999",
    b"Content-Length: 0x10",
    b"Content-Length : 5",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: chunked, identity",
    b"Transfer-Encoding: \x0bchunked",
    b"Transfer-Encoding: xchunked",
    b"Content-Encoding: gzip",
    b"Content-Encoding: br",
    b"Content-Encoding: no-such-thing",
    b"Content-Type: application/json",
    b"Content-Type: application/x-www-form-urlencoded",
    b"Content-Type: multipart/form-data",
    b"Content-Type: multipart/form-data; boundary=" + b"x" * 500,
    b"Content-Type: ;;;=",
    b"Content-Type: text/plain; charset=no-such",
    b"Expect: 100-continue",
    b"Expect: the-unexpected",
    b"Connection: upgrade\r\nUpgrade: websocket",
    b"Connection: close",
    b"Range: bytes=-1-",
    b"If-None-Match: \xff",
    b"Cookie: " + b"a=b; " * 400,
    b'Cookie: motma="\\777\x01',
    b"Authorization: Bearer \xff\xfe",
    b"Authorization: Basic \xf0\x9f",
    b"Accept-Language: " + b"vi," * 2_000,
    b"X-Forwarded-For: 1, 2, 3, ::::",
    b"Sec-Fetch-Site: \x00",
    b"A" * 9_000 + b": 1",
    b"X: " + b"y" * 70_000,
    b"No colon here",
    b": nameless",
    b" folded: 1",
    b"X\x00Y: 1",
)
BODIES = (
    b"",
    b"code=1",
    b"{",
    b"[" * 5_000,
    b'{"id":"\xed\xa0\x80"}',
    b"5\r\nabcde\r\n0\r\n\r\n",
    b"ffffffffffffffff\r\nx",
    b"-1\r\n",
    b"5;ext=\x00\r\nabcde\r\n0\r\nTrailer: \xff\r\n\r\n",
    b"\x1f\x8b\x08\x00broken",
    b"--x\r\nContent-Disposition: form-data; name=\x00\r\n\r\n1\r\n--x--",
    b"GET / HTTP/1.1\r\nHost: smuggled\r\n\r\n",
    b"\x00" * 2_000,
)
# What somebody else asks right after, and what only that is answered with.
HONEST = (
    ("/api/v1/lookup/H05.16-261102-999999", 404, '"not_found"'),
    ("/robots.txt", 200, "Sitemap"),
    ("/cong-khai/kiem-chung", 200, "verify"),
)
ANSWER = re.compile(rb"HTTP/1\.[01] ([0-9]{3})")
EVENTS = b"/api/v1/events"
# Route, type, whether with a key, the most that is documented. GeoReport, by which Open311 goes, has no 413.
LIMITS = (
    (EVENTS, b"application/json", True, 16 * 1024 * 1024),
    (b"/open311/v2/requests.json", FORM, False, 128 * 1024),
    (b"/tra-cuu", FORM, False, 4_096),
    (b"/gop-y", FORM, False, 64 * 1024),
    (b"/webhooks/kannel/hook-secret-of-faults/mo", FORM, False, 16 * 1024),
    (b"/api/v1/lookup", b"application/json", False, 4_096),
)


async def malformed(*, requests: int, mutant: str = NO_MUTANT) -> Evidence:
    """So many requests of a grammar of mistakes, bytes changed at random besides: no 5xx, no restart.

    Then requests that can be read in two ways, through a proxy: never more is heard than it passes on. Mutant:
    `faults_of_payloads_ours`.
    """
    evidence = Evidence(guarantee="G62")
    async with open_rig(webs=1, dispatchers=0, mutant=mutant) as rig:
        codes, (web,) = await Producer(rig).dossiers(50), rig.of("web")
        assert web.process is not None
        process, answers, waiting = web.process.pid, Counter[str](), _requests(requests)
        wrong: list[str] = []

        async def line() -> None:
            for request in waiting:
                for status in await _ask(rig.port, request):
                    answers[status] += 1
                    if status >= "5" and len(wrong) < 5:
                        wrong.append(f"{status} for {request[:120]!r}")

        async with asyncio.TaskGroup() as lines:
            for _ in range(LINES):
                lines.create_task(line())
        evidence.figures |= {"requests": requests, "answers": dict(sorted(answers.items()))}
        evidence.expect(not wrong, f"{sum(n for s, n in answers.items() if s >= '5')} answers 5xx: {wrong}")
        evidence.expect(web.runs and web.process.pid == process, "the process was restarted")
        async with rig.http.get(f"{rig.url}/api/v1/lookup/{codes[0]}") as response:
            evidence.expect(response.status == 200, f"afterwards a look-up is answered {response.status}")
        evidence.expect("fault" not in _faults(rig), f"faults in the log: {_faults(rig)[:300]}")
        evidence.need(answers["400"] > requests / 20, "hardly anything was malformed")
        evidence.need(answers["200"] > requests / 1_000, "everything was refused: nothing reached the pages")
        await _behind_a_proxy(rig, evidence)
    return evidence


async def _behind_a_proxy(rig: Rig, evidence: Evidence) -> None:
    """We hear no more requests than the proxy passes on, and whoever comes next on its line gets their own answer."""
    async with open_proxy(rig.directory, rig.port) as proxy:
        before, pairs = await _heard_at_last(rig, 0), 0  # the log is written a little later than answers
        for port in proxy.ports:
            for one in AMBIGUOUS:
                await _ask(port, one.sent)
                pairs += 1
                for path, status, words in HONEST:
                    async with rig.http.get(f"http://127.0.0.1:{port}{path}") as response:
                        own = response.status == status and words in await response.text()
                    evidence.expect(own, f"after {one.name} {path} is answered {response.status}")
        heard = await _heard_at_last(rig, before + pairs * len(HONEST)) - before
        passed_on = proxy.passed_on()
        evidence.figures |= {"pairs behind nginx": pairs, "passed on": passed_on, "heard": heard}
        evidence.expect(heard <= passed_on, f"{heard - passed_on} requests more were heard than the proxy passed on")
        evidence.need(passed_on > pairs * len(HONEST), "the proxy passed on nothing strange")


def _heard(rig: Rig) -> int:
    """How many requests the log speaks of."""
    return (rig.directory / "web-0.log").read_bytes().count(b'"event":"request"')


async def _heard_at_last(rig: Rig, least: int) -> int:
    """The same once nothing more is written."""
    count = _heard(rig)
    async with asyncio.timeout(10):
        while True:
            await asyncio.sleep(0.5)
            if (now := _heard(rig)) == count and now >= least:
                return now
            count = now


def _faults(rig: Rig) -> str:
    """What the log says of faults of ours."""
    lines = (rig.directory / "web-0.log").read_text("utf-8", "replace").splitlines()
    return "\n".join(line for line in lines if '"event": "fault"' in line or '"event":"fault"' in line)


def _requests(most: int) -> Iterator[bytes]:
    """One is wrong all over, one right but for a header, one has a body that is framed right; and again."""
    choice = random.Random(62)
    for n in range(most):
        body = choice.choice(BODIES)
        if n % 3 == 0:
            line = b" ".join((choice.choice(METHODS), choice.choice(TARGETS), choice.choice(VERSIONS)))
            head = [line, *choice.sample(HEADERS, choice.randrange(5))]
        elif n % 3 == 1:
            line = b"GET " + choice.choice(TARGETS) + b" HTTP/1.1"
            head, body = [line, HEADERS[0], choice.choice(HEADERS)], b""
        else:
            path, kind = choice.choice(POSTED)
            line = b"POST " + path + b" HTTP/1.1"
            packed = choice.choice((b"X-Plain: 1", b"Content-Encoding: gzip", b"Content-Encoding: deflate", *ENCODED))
            head = [line, HEADERS[0], b"Content-Type: " + kind, packed, choice.choice(FRAMED)]
            head[-1] = head[-1] % len(body) if b"%d" in head[-1] else head[-1]
            body = body if b"Length" in head[-1] else b"%x\r\n%b\r\n0\r\n\r\n" % (len(body) or 1, body or b" ")
        request = bytearray(b"\r\n".join(head) + b"\r\n\r\n" + body)
        if n % 5 == 0:
            for _ in range(choice.randrange(1, 8)):
                request[choice.randrange(len(request))] = choice.randrange(256)
        if n % 11 == 0:
            del request[choice.randrange(len(request)) :]
        yield bytes(request)


async def _ask(port: int, request: bytes) -> list[str]:
    """The statuses that come back on one connection; none where it is closed, or where the rest is waited for."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    said = b""
    try:
        writer.write(request)
        async with asyncio.timeout(REST_SECONDS) as patience:
            while part := await reader.read(65_536):
                said += part
                patience.reschedule(asyncio.get_running_loop().time() + MORE_SECONDS)
    except (TimeoutError, OSError):
        pass  # whatever was said before counts
    finally:
        writer.transport.abort()
    return [status.decode() for status in ANSWER.findall(said)]


async def oversize(*, gigabytes: float, mutant: str = NO_MUTANT) -> Evidence:
    """Every documented limit by one byte too many, said beforehand and in chunks; then a body without an end.

    Mutant: `bodies_without_limit`.
    """
    evidence = Evidence(guarantee="G63")
    async with open_rig(webs=1, dispatchers=0, mutant=mutant) as rig:
        await Producer(rig).dossiers(1)
        before = _memory(rig)
        for path, kind, keyed, limit in LIMITS:
            over = await _sent(rig, path, kind, keyed=keyed, size=limit + 1, chunked=False)
            chunked = await _sent(rig, path, kind, keyed=keyed, size=limit + 1, chunked=True)
            within = await _sent(rig, path, kind, keyed=keyed, size=limit, chunked=True)
            name, refused = path.decode(), "400" if b"open311" in path else "413"
            evidence.expect(over[0] == refused, f"{name}: {limit + 1} bytes announced are answered {over[0]}")
            evidence.expect(chunked[0] == refused, f"{name}: {limit + 1} bytes in chunks are answered {chunked[0]}")
            evidence.expect(within[0] not in {"413", ""}, f"{name}: {limit} bytes are answered {within[0]}")
        most = before
        for path, kind, keyed, limit in LIMITS:
            status, went, took = await _sent(
                rig, path, kind, keyed=keyed, size=int(gigabytes * GIB), chunked=True, patient=True
            )
            most = max(most, _memory(rig))
            evidence.expect(
                status in {"413", "400", "cut"}, f"{path.decode()}: a body without an end is answered {status}"
            )
            evidence.expect(went <= limit + TAKEN_OF_A_GIB, f"{path.decode()}: {went >> 20} MiB of it were taken")
            evidence.figures[path.decode()] = f"{status} after {went >> 10} KiB, {took:.2f} s"
        evidence.figures["MiB more"] = (most - before) >> 10
        evidence.expect(most - before <= MEMORY, f"{(most - before) >> 10} MiB more")
    return evidence


async def _sent(
    rig: Rig, path: bytes, kind: bytes, *, keyed: bool, size: int, chunked: bool, patient: bool = False
) -> tuple[str, int, float]:
    """The status, how much went in before it was heard, and the seconds. `patient`: whatever size, until an answer."""
    key = b"Authorization: Bearer " + rig.api_key.encode() + b"\r\n" if keyed else b""
    length = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % size
    head = b"POST %b HTTP/1.1\r\nHost: 127.0.0.1\r\n%bContent-Type: %b\r\n%b\r\n\r\n" % (path, key, kind, length)
    reader, writer = await asyncio.open_connection("127.0.0.1", rig.port, limit=1 << 20)
    answer = asyncio.create_task(reader.readline())
    piece, went, began = b"[" + b" " * 65_535, 0, time.monotonic()
    try:
        writer.write(head)
        while went < size and not answer.done():
            part = (piece if not went else piece[1:])[: size - went]
            writer.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
            went += len(part)
            await writer.drain()
        if chunked and not answer.done():
            writer.write(b"0\r\n\r\n")
        async with asyncio.timeout(ANSWER_SECONDS):
            said = await answer
    except (TimeoutError, OSError):
        said = b""
    finally:
        answer.cancel()
        writer.transport.abort()
    found = ANSWER.match(said)
    return found[1].decode() if found else ("cut" if patient else ""), went, time.monotonic() - began


def _memory(rig: Rig) -> int:
    """Of the web process, in KiB."""
    (web,) = rig.of("web")
    assert web.process is not None
    status = Path(f"/proc/{web.process.pid}/status").read_text("utf-8")
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))
