"""Requests whose end can be read in two ways, or that break RFC 9112 otherwise, each with what must come of it."""

from dataclasses import dataclass

SECOND = b"GET /robots.txt HTTP/1.1\r\nHost: motma\r\nX-Hidden: 1\r\n\r\n"  # what somebody tries to slip through
_GET = b"GET /api/v1/lookup/H05.16-261102-000001 HTTP/1.1\r\nHost: motma\r\n"
_POST = b"POST /tra-cuu HTTP/1.1\r\nHost: motma\r\nContent-Type: application/x-www-form-urlencoded\r\n"
_CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ambiguous:
    """`sent` as one stream; `answers` is how many come back, `refused`: the last is a refusal, and nothing follows."""

    name: str
    sent: bytes
    answers: int = 1
    refused: bool = True


def _bad(name: str, head: bytes, body: bytes = b"") -> Ambiguous:
    """A head that must be refused whatever follows it."""
    return Ambiguous(name=name, sent=head + b"\r\n" + body + SECOND)


def _chunks(name: str, body: bytes) -> Ambiguous:
    return Ambiguous(name=name, sent=_POST + _CHUNKED + body + SECOND)


def _fine(name: str, sent: bytes, answers: int) -> Ambiguous:
    return Ambiguous(name=name, sent=sent, answers=answers, refused=False)


AMBIGUOUS = (
    _bad("both lengths", _POST + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    _bad("both lengths, the other way", _POST + b"Transfer-Encoding: chunked\r\nContent-Length: 6\r\n", b"0\r\n\r\n"),
    _bad("two lengths", _POST + b"Content-Length: 6\r\nContent-Length: 5\r\n", b"code=1"),
    _bad("one length twice", _POST + b"Content-Length: 6\r\nContent-Length: 6\r\n", b"code=1"),
    _bad("a list of lengths", _POST + b"Content-Length: 6, 6\r\n", b"code=1"),
    _bad("a length with a sign", _POST + b"Content-Length: +6\r\n", b"code=1"),
    _bad("a length below zero", _POST + b"Content-Length: -6\r\n", b"code=1"),
    _bad("a hexadecimal length", _POST + b"Content-Length: 0x6\r\n", b"code=1"),
    _bad("a length with an underscore", _POST + b"Content-Length: 1_0\r\n", b"code=1"),
    _bad("a length without end", _POST + b"Content-Length: 99999999999999999999999\r\n", b"code=1"),
    _bad("no length", _POST + b"Content-Length: \r\n", b"code=1"),
    _bad("a length of other digits", _POST + "Content-Length: ٦\r\n".encode(), b"code=1"),
    _bad("a space before the colon", _POST + b"Content-Length : 6\r\n", b"code=1"),
    _bad("a tab before the colon", _POST + b"Transfer-Encoding\t: chunked\r\n", b"0\r\n\r\n"),
    _bad("an unknown coding", _POST + b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n"),
    _bad("a known coding that is not last", _POST + b"Transfer-Encoding: chunked, identity\r\n", b"0\r\n\r\n"),
    _bad("identity", _POST + b"Transfer-Encoding: identity\r\n", b"0\r\n\r\n"),
    _bad("chunked twice", _POST + b"Transfer-Encoding: chunked, chunked\r\n", b"0\r\n\r\n"),
    _bad("chunked in two lines", _POST + b"Transfer-Encoding: chunked\r\n" * 2, b"0\r\n\r\n"),
    _bad("chunked and something else", _POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n", b"0\r\n\r\n"),
    _bad("a coding behind a vertical tab", _POST + b"Transfer-Encoding: \x0bchunked\r\n", b"0\r\n\r\n"),
    _bad("a quoted coding", _POST + b'Transfer-Encoding: "chunked"\r\n', b"0\r\n\r\n"),
    _bad("chunked in HTTP/1.0", _POST.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    _bad("a folded line", _GET + b"X-A: b\r\n Transfer-Encoding: chunked\r\n"),
    _bad("a folded first line", b"GET /robots.txt HTTP/1.1\r\n Host: motma\r\n"),
    _bad("a bare CR in a value", _GET + b"X-A: b\rTransfer-Encoding: chunked\r\n"),
    _bad("a bare LF in the head", _GET + b"X-A: b\nContent-Length: 6\r\n", b"code=1"),
    _bad("a NUL in a value", _GET + b"X-A: b\x00c\r\n"),
    _bad("a NUL in a name", _GET + b"X\x00A: b\r\n"),
    _bad("a line without a colon", _GET + b"X-A\r\n"),
    _bad("a line without a name", _GET + b": b\r\n"),
    _bad("a space in a name", _GET + b"X A: b\r\n"),
    _bad("no host", b"GET /robots.txt HTTP/1.1\r\n"),
    _bad("two hosts", _GET + b"Host: elsewhere\r\n"),
    _bad("a host that is none", b"GET /robots.txt HTTP/1.1\r\nHost: a/b@c d\r\n"),
    _bad("a tab in the first line", b"GET\t/robots.txt\tHTTP/1.1\r\nHost: motma\r\n"),
    _bad("a space in the target", b"GET /robots.txt HTTP/1.1 HTTP/1.1\r\nHost: motma\r\n"),
    _bad("another protocol", b"GET /robots.txt HTTPS/1.1\r\nHost: motma\r\n"),
    _bad("another version", b"GET /robots.txt HTTP/1.7\r\nHost: motma\r\n"),
    _bad("more behind what said it was the last", _GET + b"Connection: close\r\n"),
    Ambiguous(name="only LFs", sent=(_GET + b"\r\n" + SECOND).replace(b"\r\n", b"\n")),
    Ambiguous(name="the head of HTTP/2", sent=b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SECOND),
    _chunks("a huge chunk", b"fffffffffffffffff\r\nx"),
    _chunks("a chunk as long as 2^64", b"10000000000000006\r\ncode=1\r\n0\r\n\r\n"),
    _chunks("a chunk below zero", b"-1\r\nx\r\n0\r\n\r\n"),
    _chunks("a chunk with a sign", b"+6\r\ncode=1\r\n0\r\n\r\n"),
    _chunks("a chunk size with a prefix", b"0x6\r\ncode=1\r\n0\r\n\r\n"),
    _chunks("a chunk size with an underscore", b"0_6\r\ncode=1\r\n0\r\n\r\n"),
    _chunks("a chunk size behind a space", b" 6\r\ncode=1\r\n0\r\n\r\n"),
    _chunks("no chunk size", b"\r\ncode=1\r\n0\r\n\r\n"),
    _chunks("a chunk size ended by LF", b"6\ncode=1\r\n0\r\n\r\n"),
    _chunks("an extension ended by LF", b"6;a=b\ncode=1\r\n0\r\n\r\n"),
    _chunks("an extension with a bare CR", b"6;a\rb\r\ncode=1\r\n0\r\n\r\n"),
    _chunks("a chunk longer than said", b"4\r\ncode=1\r\n0\r\n\r\n"),
    _chunks("a chunk not ended", b"6\r\ncode=10\r\n\r\n"),
    _chunks("a chunk ended by LF", b"6\r\ncode=1\n0\r\n\r\n"),
    _chunks("the last chunk ended by LF", b"6\r\ncode=1\r\n0\n\n"),
    _chunks("a trailer that says a length", b"0\r\nContent-Length: 900\r\n\r\n"),
    # --- and what is allowed: nothing more and nothing less than what was sent ---
    _fine("one after the other", _GET + b"\r\n" + SECOND, 2),
    _fine("an empty line before", b"\r\n" + _GET + b"\r\n" + SECOND, 2),
    _fine("a request in a body", _POST + b"Content-Length: %d\r\n\r\n" % len(SECOND) + SECOND, 1),
    _fine("a request in the body of a GET", _GET + b"Content-Length: %d\r\n\r\n" % len(SECOND) + SECOND, 1),
    _fine("a request in a chunk", _POST + _CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (len(SECOND), SECOND) + SECOND, 2),
    _fine("an extension", _POST + _CHUNKED + b"6;a=b\r\ncode=1\r\n0\r\n\r\n" + SECOND, 2),
    _fine("a size with zeros before", _POST + _CHUNKED + b"0006\r\ncode=1\r\n000\r\n\r\n" + SECOND, 2),
    _fine("two spaces in the first line", _GET.replace(b"GET ", b"GET  ") + b"\r\n" + SECOND, 2),
    _fine("the whole address", _GET.replace(b" /", b" http://motma/") + b"\r\n" + SECOND, 2),
    # aiohttp reads nothing more of a connection that was to become another one.
    _fine("a wish for HTTP/2", _GET + b"Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: A\r\n\r\n" + SECOND, 1),
    _fine("a wish for a socket", _GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n" + SECOND, 2),
)
