"""Commands are read however they are typed, and ordinary sentences are not mistaken for them."""

import unicodedata
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.conversation.keywords import Verb, understood
from domain.vietnamese import unaccented

CODE = "H05.16-261102-0001"
COMMANDS = {
    f"THEO DÕI {CODE}": Verb.FOLLOW,
    f"Bỏ {CODE}": Verb.MUTE,
    "Dừng": Verb.STOP_ALL,
    "Hủy": Verb.STOP_ALL,
    "Huỷ": Verb.STOP_ALL,
    "Từ chối": Verb.STOP_ALL,
    "STOP": Verb.STOP_ALL,
    "TC": Verb.TC,
    "Tiếp tục": Verb.RESUME,
    "Góp ý chờ lâu quá": Verb.PROPOSAL,
    "Phản ánh thái độ": Verb.FEEDBACK,
    "Đánh giá 5": Verb.RATE,
    "Trợ giúp": Verb.HELP,
    "HELP": Verb.HELP,
    "?": Verb.HELP,
    "EN": Verb.ENGLISH,
    "VI": Verb.VIETNAMESE,
    f"HS {CODE}": Verb.LOOK_UP,
    f"TC {CODE}": Verb.LOOK_UP,
    f"Tra cứu {CODE} 246810": Verb.LOOK_UP,
    CODE: Verb.LOOK_UP,
}


@given(st.sampled_from(sorted(COMMANDS)), st.randoms(use_true_random=False))
def test_case_accents_spacing_and_normal_form_make_no_difference(text: str, random: Random) -> None:
    verb = COMMANDS[text]
    words = text.split()
    text = (" " * random.randint(1, 3)).join(words)
    for change in (
        str.lower,
        str.upper,
        str.title,
        unaccented,
        lambda t: unicodedata.normalize("NFD", t),
        lambda t: f" {t}. ",
    ):
        if random.random() < 0.4:
            text = change(text)
    assert understood(text).verb is verb


@pytest.mark.parametrize(
    ("text", "verb"),
    [
        (f"THEODOI{CODE}", Verb.FOLLOW),
        (f"theodoi {CODE}", Verb.FOLLOW),
        (f"bỏ theo dõi {CODE}", Verb.MUTE),
        (f"BO HS {CODE}", Verb.MUTE),
        (f"HUY {CODE}", Verb.MUTE),
        (f"dung nhan tin {CODE}", Verb.MUTE),
        (f"TIEP TUC {CODE}", Verb.FOLLOW),
        ("Dừng nhận tin", Verb.STOP_ALL),
        ("dung lai di", Verb.STOP_ALL),
        ("STOP ALL", Verb.STOP_ALL),
        ("“Stop”", Verb.STOP_ALL),
        ("???", Verb.HELP),
        ("", Verb.HELP),
        ("...", Verb.HELP),
        ("trogiup", Verb.HELP),
        ("Cảm ơn nhiều ạ", Verb.THANKS),
        ("GOPY can bo rat nhiet tinh", Verb.PROPOSAL),
        ("danh gia5", Verb.RATE),
    ],
)
def test_common_ways_of_typing_a_command(text: str, verb: Verb) -> None:
    assert understood(text).verb is verb


@pytest.mark.parametrize(
    "text",
    [
        "đúng rồi",
        "Đúng",
        "Dũng",
        "Huế",
        f"bố tôi hỏi {CODE}",
        f"bo toi hoi ho so {CODE}",
        f"dung han khong {CODE}",
        f"huy bo hay sao {CODE}",
        "enough",
        "vi sao lau the",
        "tc gi do",
        "bố",
        "bộ phận một cửa ở đâu",
        "stopover",
        "Helpful",
    ],
)
def test_sentences_that_only_begin_like_a_command(text: str) -> None:
    assert understood(text).verb is Verb.LOOK_UP


def test_the_words_after_the_keyword_are_kept_as_typed() -> None:
    assert understood("Góp ý: Cán bộ rất  nhiệt tình").rest == "Cán bộ rất  nhiệt tình"
    assert understood(f"theo dõi{CODE} 246810").rest == f"{CODE} 246810"


@given(st.text(max_size=300))
def test_any_text_is_understood_somehow(text: str) -> None:
    assert understood(text).verb in Verb
