"""Every text exists in both languages, and dates are written the reader's way."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from domain.language import Language
from domain.status import Stage, Status
from lookup.wording import Words, day, long_day, moment, next_step, next_step_of, stage_label, status_label

ROOT = Path(__file__).parents[2]
SPEAKING = sorted(
    ".".join(file.parts[len(ROOT.parts) : -2])
    for ours in ("lookup", "notifications", "feedback_intake", "channels")
    for file in ROOT.joinpath(ours).rglob("catalogues/vi.po")
)


@pytest.mark.parametrize("package", SPEAKING)
def test_both_languages_have_the_same_texts(package: str) -> None:
    words = Words(package)
    assert words.keys(Language.VIETNAMESE) == words.keys(Language.ENGLISH)
    assert words.keys(Language.VIETNAMESE)


@pytest.mark.parametrize("language", Language)
def test_every_status_and_stage_has_words(language: Language) -> None:
    assert all(status_label(status, language) and next_step_of(status, language) for status in Status)
    assert all(stage_label(stage, language) and next_step(stage, language) for stage in Stage)


def test_a_missing_text_is_an_error_not_a_symbol_shown_to_a_citizen() -> None:
    with pytest.raises(KeyError, match=r"no vi text for 'no\.such\.text'"):
        Words("lookup").say(Language.VIETNAMESE, "no.such.text")


def test_dates_are_written_in_the_readers_form() -> None:
    due = date(2026, 11, 20)
    assert day(due) == "20/11/2026"
    assert long_day(due, Language.VIETNAMESE) == "thứ Sáu, 20/11/2026"
    assert long_day(due, Language.ENGLISH) == "Friday, 20 November 2026"


def test_the_clock_is_vietnamese_time() -> None:
    at = datetime(2026, 11, 19, 17, 30, tzinfo=UTC)
    assert moment(at, Language.VIETNAMESE) == "00:30, 20/11/2026"
    assert moment(at, Language.ENGLISH) == "00:30, 20 Nov 2026"
