"""A number of feedback in place of a dossier's code: every command does what people expect, and adds no words."""

import pytest

from feedback_intake.cases import Step
from feedback_intake.filing import FeedbackKind
from feedback_intake.moves import CaseState, MoveName, Who
from tests.channels.story import CODE, STRANGER, Citizen, Line, Office
from tests.channels.test_feedback_by_number import files, hears_after, moves, state
from tests.channels.test_telling_the_office import rows

WORDS = "Cán bộ hẹn ba lần mà vẫn chưa xong"


@pytest.mark.parametrize(
    "asking", ["HS {}", "TC {}", "tra cuu {}", "XEM THEM {}", "hoi {} den dau roi", "{} khi nao xong?", "{} HELP"]
)
async def test_who_asks_how_it_stands_reads_so(line: Line, citizen: Citizen, asking: str) -> None:
    number = await files(citizen, f"PHAN ANH {WORDS}")
    assert (await hears_after(citizen, asking.format(number))).startswith(f"{number}: Da nhan")
    await moves(line.core, number, Step(move=MoveName.ASK, why="Ở đâu?"), Who.CLERK)
    await citizen.hears()
    assert (await hears_after(citizen, asking.format(number))).startswith(f"{number}: Cho Ong/Ba bo sung")
    assert await state(line.core) is CaseState.NEEDS_INFO
    assert [step["move"] for step in await rows(line.core, "feedback_step")] == ["ask"]


@pytest.mark.parametrize("asking", ["THEO DOI {}", "BO {}", "{} THEO DOI", "{} dừng"])
async def test_who_filed_is_told_in_any_case(line: Line, citizen: Citizen, asking: str) -> None:
    number = await files(citizen, f"PHAN ANH {WORDS}")
    assert (await hears_after(citizen, asking.format(number))).startswith("Ong/Ba duoc bao khi")
    assert "duoc bao" not in await hears_after(line.citizen(STRANGER), f"THEO DOI {number}")
    await hears_after(citizen, "STOP")
    assert (await hears_after(citizen, f"{asking.format(number)}.")).startswith("Ong/Ba dang ngung moi tin.")
    assert await rows(line.core, "feedback_step") == []


async def test_words_told_with_the_number_belong_to_that_case(line: Line, citizen: Citizen, office: Office) -> None:
    await office.files()
    number = await files(citizen, f"PHAN ANH {WORDS}")
    assert await hears_after(citizen, f"GOP Y {number} ở quầy số 3") == f"Da gui them vao {number}."
    assert await hears_after(citizen, f"KIEN NGHI {number}") == f"Da ghi {number} la kien nghi."
    (kept,) = await rows(line.core, "feedback")
    assert kept["kind"] == FeedbackKind.PROPOSAL
    assert [step["move"] for step in await rows(line.core, "feedback_step")] == ["add", "as_proposal"]
    stranger = line.citizen(STRANGER)
    assert "Da ghi phan anh" in await hears_after(stranger, f"PHAN ANH {number} {CODE} cũng chậm như thế")
    assert len(await rows(line.core, "feedback_step")) == 2


async def test_a_greeting_is_no_matter_to_be_told(line: Line, citizen: Citizen) -> None:
    await hears_after(citizen, "GOP Y")
    assert (await hears_after(citizen, "xin chào")).startswith("Xin viet dieu Ong/Ba muon noi")
    assert await rows(line.core, "feedback") == []
    assert "Da ghi" in await hears_after(citizen, WORDS)
