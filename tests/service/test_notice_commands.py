"""`motma rules`, `ladders`, `wordings`, `apologies`, `deadlines`: set, shown, taken back; nonsense is refused."""

import asyncio
import io
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest

from domain.errors import Invalid, Malformed, NotFound, ServiceError
from notifications.kinds import EventKind
from service.__main__ import parser
from service.commands.rules import WHAT
from service.settings import Settings, read

Motma = Callable[..., Awaitable[str]]
READY = "HS {code}: da co ket qua. Moi Ong/Ba den {office} nhan. {stop}"


@pytest.fixture
def motma(database_url: str, redis_url: str, capsys: pytest.CaptureFixture[str]) -> Motma:
    """Runs a command as the command line does; what it printed."""
    given = {"MOTMA_DATABASE_URL": database_url, "MOTMA_REDIS_URL": redis_url, "MOTMA_SECRET_KEY": "t" * 32}
    settings: Settings = read(Settings, given)

    async def run(*words: str) -> str:
        arguments = parser().parse_args(words)
        assert await asyncio.to_thread(arguments.run, arguments, settings) == 0
        return capsys.readouterr().out

    return run


async def test_a_rule_is_made_shown_and_dropped(motma: Motma, database_url: str) -> None:
    assert "no rules" in await motma("rules", "list")
    owner = await asyncpg.connect(database_url)
    procedure = await owner.fetchval("SELECT code FROM procedure ORDER BY id LIMIT 1")
    await owner.close()
    await motma("rules", "set", "moved_on", "--silent")
    said = await motma("rules", "set", "internal", "--told", "--agency", "H05.16", "--procedure", procedure)
    assert said == f"internal is told from now on at H05.16 and below in {procedure}.\n"
    assert (await motma("rules", "list")).splitlines() == [
        f"internal            told    H05.16, {procedure}",
        "moved_on            silent  every agency, every procedure",
    ]
    await motma("rules", "drop", "moved_on")
    with pytest.raises(NotFound, match="no such rule about moved_on"):
        await motma("rules", "drop", "moved_on")


async def test_a_ladder_is_made_shown_and_dropped(motma: Motma) -> None:
    assert (await motma("ladders", "list")).startswith("everybody        sms ")
    said = await motma("ladders", "set", "chat,zns,sms", "--agency", "H05", "--dong", "1500")
    assert said == "H05 and all below tell by chat, then zns, then sms; at most 1.500 đồng a dossier.\n"
    assert "H05              chat,zns,sms             at most 1.500 đồng a dossier" in await motma("ladders", "list")
    await motma("ladders", "drop", "--agency", "H05")
    with pytest.raises(NotFound):
        await motma("ladders", "drop", "--agency", "H05")


@pytest.mark.parametrize(
    ("rungs", "why"),
    [("pigeon,sms", "no channel pigeon"), ("sms,sms", "list of channels"), ("sms,chat", "in chat")],
)
async def test_a_ladder_nobody_can_climb_is_refused(motma: Motma, rungs: str, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        await motma("ladders", "set", rungs, "--agency", "H05")


async def test_words_are_previewed_with_their_price_then_used_and_taken_back(motma: Motma) -> None:
    shown = await motma("wordings", "preview", "result_ready", "--form", "sms", "--words", READY)
    assert "Trung tam PVHCC Bac Ninh" in shown
    assert shown.splitlines()[-1].endswith("1 segment, 350 đồng")
    used = await motma("wordings", "set", "result_ready", "--form", "sms", "--agency", "H05.16", "--words", READY)
    assert "as version 1" in used
    listed = await motma("wordings", "list")
    assert listed.startswith("H05.16           result_ready        sms   vi  version 1 of ")
    assert READY in listed
    await motma("wordings", "drop", "result_ready", "--form", "sms", "--agency", "H05.16")
    assert await motma("wordings", "list") == "No agency has words of its own.\n"
    with pytest.raises(NotFound):
        await motma("wordings", "drop", "result_ready", "--form", "sms", "--agency", "H05.16")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("HS {code}: ban da xong. {stop}", "'ban' may be bạn"),
        ("HS {code}: xem https://a.vn {stop}", "no links"),
        ("HS da xong. {stop}", r"\{code\} is missing"),
        ("HS {code}: " + "da co ket qua " * 12 + "{stop}", "one segment holds 160"),
    ],
)
async def test_words_that_mislead_or_cost_more_are_refused_with_the_reason(motma: Motma, words: str, why: str) -> None:
    for ways in (["preview"], ["set", "--agency", "H05.16"]):
        with pytest.raises(Invalid, match=why):
            await motma("wordings", ways[0], "result_ready", *ways[1:], "--form", "sms", "--words", words)
    assert "No agency" in await motma("wordings", "list")


async def test_words_come_from_a_file_or_standard_input(
    motma: Motma, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "words"
    file.write_text("Hồ sơ {code} đã có kết quả.\n{stop}")
    asked = ("wordings", "preview", "result_ready", "--form", "full", "--file")
    shown = await motma(*asked, str(file))
    assert shown.startswith("Hồ sơ 000.00.00.H05-20261102-1234567 đã có kết quả.\n")
    assert "segment" not in shown
    monkeypatch.setattr("sys.stdin", io.StringIO(file.read_text()))
    assert await motma(*asked, "-") == shown
    with pytest.raises(Malformed, match="cannot be read"):
        await motma(*asked, str(tmp_path / "none"))


async def test_a_policy_of_apologies_is_made_shown_and_dropped(motma: Motma) -> None:
    said = await motma("apologies", "set", "automatic", "--agency", "H05.16", "--days", "3")
    assert said == "H05.16 and all below: automatic, put off by 3 working days.\n"
    assert (await motma("apologies", "list")).splitlines() == [
        "H05.16           automatic put off by 3 working days",
        "everybody else   officer   put off by 5 working days",
    ]
    await motma("apologies", "drop", "--agency", "H05.16")
    with pytest.raises(NotFound):
        await motma("apologies", "drop", "--agency", "H05.16")
    with pytest.raises(Invalid, match="1 to 60"):
        await motma("apologies", "set", "officer", "--agency", "H05.16", "--days", "0")


async def test_a_walk_along_the_calendar_is_shown_and_sent_back(motma: Motma, database_url: str) -> None:
    assert "looked at the calendar yet" in await motma("deadlines", "list")
    owner = await asyncpg.connect(database_url)
    await owner.execute("INSERT INTO deadline_walk (event, reached) VALUES ('overdue', '2026-11-23 00:00+07')")
    await owner.close()
    assert await motma("deadlines", "list") == "overdue             up to 2026-11-23 00:00\n"
    await motma("deadlines", "again", "overdue", "--since", "2026-11-16")
    assert await motma("deadlines", "list") == "overdue             up to 2026-11-16 00:00\n"
    for kind in ("overdue", "due_tomorrow"):
        with pytest.raises(NotFound, match="not come as far"):
            await motma("deadlines", "again", kind, "--since", "2026-11-20")


@pytest.mark.parametrize(
    "words",
    [
        ("rules", "set", "moved_on", "--silent", "--agency", "X1"),
        ("rules", "set", "moved_on", "--silent", "--procedure", "9.999"),
        ("ladders", "set", "sms", "--agency", "X1"),
        ("wordings", "set", "result_ready", "--form", "sms", "--agency", "X1", "--words", READY),
        ("apologies", "set", "none", "--agency", "X1"),
    ],
)
async def test_an_agency_or_procedure_nobody_knows_is_said_to_be_so(motma: Motma, words: tuple[str, ...]) -> None:
    with pytest.raises(ServiceError, match=r"X1|9\.999"):
        await motma(*words)


def test_the_help_names_every_kind_of_change() -> None:
    assert set(WHAT) == set(EventKind)
