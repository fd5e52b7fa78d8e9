"""Letters people write, as a mail server hands them over."""

import base64
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from email.message import EmailMessage
from types import MappingProxyType
from typing import Any

import asyncpg
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from channels.email.intake import ROUTE
from channels.email.reading import MOST_PARTS, letter_in
from channels.standard_webhooks import key_of, sign
from database.pool import Role
from pages.problems import problem_json, problem_of
from service.feedback import FeedbackService
from service.settings import Settings
from service.wiring import Core
from tests.channels.story import CODE, Office
from tests.feedback_intake.test_attachments import PDF

SECRET = "whsec_" + base64.b64encode(b"letters" * 5).decode()
TEXT = "Tôi nộp hồ sơ từ tháng trước, hẹn ba lần mà chưa có kết quả."
Client = TestClient[web.Request, web.Application]


@web.middleware
async def told(request: web.Request, handler: Any) -> web.StreamResponse:  # noqa: ANN401
    try:
        response: web.StreamResponse = await handler(request)
    except Exception as error:
        return problem_json(problem_of(error), "test")
    return response


@pytest.fixture
async def server(core: Core) -> AsyncIterator[Client]:
    """Where letters are handed over."""
    mail = FeedbackService.of(core, Settings(mail_inbox_secret=SECRET)).mail
    assert mail is not None
    app = web.Application(middlewares=[told])
    app.add_routes(mail.routes())
    async with TestClient(TestServer(app)) as client:
        yield client


def written(
    text: str = TEXT, headers: Mapping[str, str] = MappingProxyType({}), *, files: tuple[tuple[str, bytes], ...] = ()
) -> bytes:
    letter = EmailMessage()
    given = {"From": "Nguyễn Văn An <an@example.vn>", "To": "gopy@motma.example", "Subject": "Chậm trả"}
    for name, value in (given | {"Message-ID": "<1@example.vn>"} | dict(headers)).items():
        letter[name] = value
    letter.set_content(text)
    for name, content in files:
        letter.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    return bytes(letter)


async def hand_over(server: Client, body: bytes, *, key: str = SECRET) -> int:
    now = int(datetime.now(UTC).timestamp())
    headers = {
        "webhook-id": "m1",
        "webhook-timestamp": str(now),
        "webhook-signature": sign(key_of(key), "m1", now, body),
        "Content-Type": "message/rfc822",
    }
    return (await server.post(ROUTE, data=body, headers=headers)).status


async def rows(core: Core, table: str) -> list[dict[str, Any]]:
    async with core.database.connection(Role.OPERATOR) as connection:
        return [dict(row) for row in await connection.fetch(f"SELECT * FROM {table} ORDER BY id")]  # noqa: S608


async def test_a_letter_becomes_feedback_and_is_answered(core: Core, server: Client) -> None:
    await Office(core).files()
    body = written(f"{TEXT} Mã {CODE}", files=(("đơn.pdf", PDF), ("x.zip", b"PK\x03\x04aaaa")))
    for _ in range(2):  # the provider was not sure
        assert await hand_over(server, body) == 204
    (kept,) = await rows(core, "feedback")
    unsealed = core.seal.open
    assert unsealed(kept["text_sealed"]) == f"Chậm trả\n{TEXT} Mã {CODE}"
    assert unsealed(kept["name_sealed"]) == "Nguyễn Văn An"
    assert (kept["channel"], kept["dossier_id"] is not None) == ("email", True)
    (file,) = await rows(core, "feedback_attachment")
    assert file["content_type"] == "application/pdf"
    (message,) = await rows(core, "message")
    answer = unsealed(message["text_sealed"])
    assert kept["number"] in answer
    assert "x.zip" in answer
    assert "địa chỉ" in answer


async def test_an_answer_to_our_letter_is_added_to_what_it_names(core: Core, server: Client) -> None:
    await hand_over(server, written())
    (kept,) = await rows(core, "feedback")
    reply = f"Thôn 3, xã Đông Cứu\n\nOn Mon, Nov 23, 2026, Một Mã wrote:\n> Đã nhận {kept['number']}"
    subject = f"Re: {kept['number']}"
    assert await hand_over(server, written(reply, {"Subject": subject, "Message-ID": "<2@example.vn>"})) == 204
    (step,) = await rows(core, "feedback_step")
    assert core.seal.open(step["why_sealed"]) == "Thôn 3, xã Đông Cứu"
    again = written(reply, {"Subject": subject, "Message-ID": "<2@example.vn>"})
    assert await hand_over(server, again) == 204  # the provider was not sure
    assert len(await rows(core, "feedback_step")) == 1
    assert len(await rows(core, "feedback")) == 1
    stranger = {"From": "khac@example.vn", "Subject": subject, "Message-ID": "<3@example.vn>"}
    assert await hand_over(server, written(f"Rút {kept['number']} giúp tôi với ạ", stranger)) == 204
    assert len(await rows(core, "feedback_step")) == 1  # a stranger's letter is a letter of its own
    assert len(await rows(core, "feedback")) == 2


@pytest.mark.parametrize(
    "headers",
    [
        {"Auto-Submitted": "auto-replied"},
        {"Precedence": "bulk"},
        {"List-Id": "<a.example>"},
        {"Return-Path": "<>"},
        {"X-Autoreply": "yes"},
        {"From": "Mail Delivery System <MAILER-DAEMON@mx.example.vn>"},
    ],
)
async def test_machines_are_not_answered(core: Core, server: Client, headers: dict[str, str]) -> None:
    assert await hand_over(server, written(TEXT, headers)) == 204
    assert await rows(core, "message") == []


async def test_only_genuine_calls_are_heard(core: Core, server: Client) -> None:
    other = "whsec_" + base64.b64encode(b"x" * 32).decode()
    assert await hand_over(server, written(), key=other) == 401
    assert (await server.post(ROUTE, data=written())).status == 401
    assert await rows(core, "feedback") == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00\xff",
        b"From: \xff\xfe\r\n\r\nx",
        b'From: a@b.vn\r\nContent-Type: multipart/mixed; boundary=""\r\n\r\n--\r\n',
        b"From: a@b.vn\r\nContent-Type: text/plain; charset=nonsense\r\n\r\nxin",
        b"From: a@b.vn\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * (MOST_PARTS + 2),
        b"From: a@b.vn\r\n" + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" * 400,
    ],
)
async def test_broken_letters_are_no_fault_of_ours(server: Client, body: bytes) -> None:
    assert await hand_over(server, body) in {204, 400}


def test_the_words_of_an_html_letter() -> None:
    letter = EmailMessage()
    letter["From"] = "a@b.vn"
    letter.set_content("<style>p{}</style><p>Xin <b>chào</b></p><script>alert(1)</script><div>Hồ sơ chậm</div>", "html")
    assert letter_in(bytes(letter)).text == "Xin chào\nHồ sơ chậm"


async def test_one_address_cannot_flood(core: Core, server: Client) -> None:
    for n in range(8):
        assert await hand_over(server, written(TEXT, {"Message-ID": f"<{n}@example.vn>"})) == 204
    assert len(await rows(core, "feedback")) == 5
    assert len(await rows(core, "message")) == 6  # put off three times, it is told so once: it may be a program


async def test_a_plain_reply_finds_its_feedback_by_what_it_quotes_and_brings_files(core: Core, server: Client) -> None:
    await hand_over(server, written())
    (kept,) = await rows(core, "feedback")
    reply = f"Tôi gửi thêm giấy hẹn\n\nVào 20/11/2026, Một Mã đã viết:\n> Số {kept['number']}."
    headers = {"Subject": "Re: Một Mã", "Message-ID": "<2@example.vn>"}
    assert await hand_over(server, written(reply, headers, files=(("giấy hẹn.pdf", PDF), ("x.exe", b"MZ")))) == 204
    assert len(await rows(core, "feedback")) == 1
    (step,) = await rows(core, "feedback_step")
    assert core.seal.open(step["why_sealed"]) == "Tôi gửi thêm giấy hẹn"
    (file,) = await rows(core, "feedback_attachment")
    assert core.seal.open(file["name_sealed"]) == "giấy hẹn.pdf"
    assert "x.exe" in core.seal.open((await rows(core, "message"))[-1]["text_sealed"])


async def test_a_letter_of_files_alone_is_taken(core: Core, server: Client) -> None:
    assert await hand_over(server, written("", {"Subject": ""}, files=(("đơn.pdf", PDF),))) == 204
    (kept,) = await rows(core, "feedback")
    assert core.seal.open(kept["text_sealed"]).startswith("(Thư không có lời")
    assert len(await rows(core, "feedback_attachment")) == 1


ANSWERED = """
    UPDATE feedback_case SET state = 'answered', answered_at = now(), object_until = current_date + 20"""


async def test_an_answer_is_objected_to_and_rated_by_letter(core: Core, server: Client, database_url: str) -> None:
    await hand_over(server, written())
    (kept,) = await rows(core, "feedback")
    owner = await asyncpg.connect(database_url)
    said = (
        ("Cảm ơn cơ quan", "answered", "CHƯA"),
        ("4 cán bộ nhiệt tình", "answered", "đánh giá"),
        ("Chưa: vẫn không ai gọi lại", "reopened", "xem lại"),
    )
    for n, (words, state, told) in enumerate(said):
        await owner.execute(ANSWERED)
        headers = {"Subject": f"Re: {kept['number']}", "Message-ID": f"<a{n}@example.vn>"}
        assert await hand_over(server, written(words, headers)) == 204
        assert [case["state"] for case in await rows(core, "feedback_case")] == [state]
        assert told in core.seal.open((await rows(core, "message"))[-1]["text_sealed"])
    await owner.close()
    assert [rating["score"] for rating in await rows(core, "case_rating")] == [4]
    assert core.seal.open((await rows(core, "feedback_step"))[-1]["why_sealed"]) == "vẫn không ai gọi lại"
