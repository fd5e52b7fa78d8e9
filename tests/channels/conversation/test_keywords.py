"""Commands are read however they are typed, and ordinary sentences are not mistaken for them."""

import unicodedata
from random import Random
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.conversation.keywords import Verb, understood, yes_or_no
from channels.conversation.typing_slips import one_slip_apart
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
    "Góp ý chờ lâu quá": Verb.OPINION,
    "Phản ánh thái độ": Verb.FEEDBACK,
    "Kiến nghị mở cửa thứ Bảy": Verb.PROPOSAL,
    "de xuat mo cua thu bay": Verb.PROPOSAL,
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
        ("GOPY can bo rat nhiet tinh", Verb.OPINION),
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


@pytest.mark.parametrize(
    ("text", "verb"),
    [
        (f"theo doix {CODE}", Verb.FOLLOW),
        ("gops ys nên mở cửa sớm", Verb.OPINION),
        ("phanr anhs thái độ", Verb.FEEDBACK),
        ("ddanhs gias 5", Verb.RATE),
        ("huyr", Verb.STOP_ALL),
        ("duwngf", Verb.STOP_ALL),
        ("tuwf choois", Verb.STOP_ALL),
        ("tieeps tucj", Verb.RESUME),
    ],
)
def test_telex_left_undone_is_understood(text: str, verb: Verb) -> None:
    assert understood(text).verb is verb
    assert understood(text).sure


@pytest.mark.parametrize(
    ("text", "verb"),
    [
        (f"theo dpi {CODE}", Verb.FOLLOW),
        (f"thoe doi {CODE}", Verb.FOLLOW),
        (f"heo doi {CODE}", Verb.FOLLOW),
        ("phan ang can bo vang mat", Verb.FEEDBACK),
        ("phan ảnh", Verb.FEEDBACK),
        ("danh gai 5", Verb.RATE),
        ("tro giyp", Verb.HELP),
        ("tiep tcu", Verb.RESUME),
        ("tu chpi", Verb.STOP_ALL),
        ("unsubscribee", Verb.STOP_ALL),
    ],
)
def test_one_slip_in_a_long_keyword_is_forgiven(text: str, verb: Verb) -> None:
    assert understood(text).verb is verb


@pytest.mark.parametrize(
    "text",
    [
        "theo đó thì khi nào xong",
        "theo do thi khi nao xong",
        "tự chọn lịch hẹn được không",
        "danh gia dinh toi gui",  # 'đành gia đình tôi gửi' rates nothing: no score stands in it
        "tiếp thu ý kiến",
        "phân anh ra làm hai",
        "boo",
        "xem thêm giấy tờ gì nữa",
        "tờ cáo",
        "xóa số điện thoại của bà Lan giúp tôi",
    ],
)
def test_other_words_are_not_bent_into_commands(text: str) -> None:
    assert understood(text).verb in {Verb.LOOK_UP, Verb.FEEDBACK, Verb.RATE}
    if understood(text).verb is Verb.RATE:
        assert understood(text).rest
    assert understood(text).verb not in {Verb.STOP_ALL, Verb.FOLLOW, Verb.MUTE, Verb.RESUME, Verb.UNLINK}


@pytest.mark.parametrize(
    ("text", "verb", "rest"),
    [
        ("/start", Verb.WELCOME, ""),
        ("/start@motma_bot", Verb.WELCOME, ""),
        ("/help", Verb.HELP, ""),
        ("/stop", Verb.STOP_ALL, ""),
        ("/resume", Verb.RESUME, ""),
        ("/en", Verb.ENGLISH, ""),
        ("/VI", Verb.VIETNAMESE, ""),
        ("/lang", Verb.LANGUAGES, ""),
        ("/lang en", Verb.ENGLISH, ""),
        (f"/follow {CODE}", Verb.FOLLOW, CODE),
        (f"/unfollow@bot {CODE}", Verb.MUTE, CODE),
        ("/feedback chờ lâu", Verb.OPINION, "chờ lâu"),
        ("/gopy chờ lâu", Verb.OPINION, "chờ lâu"),
        ("/rate 5", Verb.RATE, "5"),
        (f"/tracuu {CODE}", Verb.LOOK_UP, CODE),
        (f"/{CODE}", Verb.LOOK_UP, f"/{CODE}"),
        ("/r/abc", Verb.LOOK_UP, "/r/abc"),
        ("START", Verb.RESUME, ""),
    ],
)
def test_commands_of_chats(text: str, verb: Verb, rest: str) -> None:
    assert (understood(text).verb, understood(text).rest) == (verb, rest)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        *[
            (yes, True)
            for yes in ("Có", "co", "CÓ.", "dạ có", "vâng ạ", "đồng ý", "ok", "Yes please", "đúng rồi", "gửi đi")
        ],
        *[(no, False) for no in ("Không", "khong", "ko", "dạ không", "thôi", "No.", "không gửi", "khong can dau")],
        *[(neither, None) for neither in ("", "có ai trả lời tôi không", CODE, "không thấy ai trả lời", "dung", "hmm")],
    ],
)
def test_yes_and_no(text: str, answer: bool | None) -> None:
    assert yes_or_no(text) is answer


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        ("theodoi", "theodoi", False),
        ("theodpi", "theodoi", True),
        ("theodoii", "theodoi", True),
        ("theodo", "theodoi", True),
        ("thoedoi", "theodoi", True),
        ("theodio", "theodoi", True),
        ("thedooi", "theodoi", True),
        ("hteodio", "theodoi", False),
        ("theo", "theodoi", False),
        ("", "a", True),
        ("", "", False),
    ],
)
def test_one_slip_is_one_slip(one: str, other: str, apart: bool) -> None:
    assert one_slip_apart(one, other) is apart
    assert one_slip_apart(other, one) is apart


def test_no_text_takes_long() -> None:
    """G39g: 50 ms for 10 kB."""
    for text in ("theo dpi " * 1100, f"{CODE} " * 500, "a" * 10_000, "/" * 10_000, "đánh giá " * 1100, "góp " * 2500):
        began = perf_counter()
        understood(text)
        assert perf_counter() - began < 0.5  # ten times what it may take, for a machine that is busy


@given(st.text(max_size=300))
def test_any_text_is_understood_somehow(text: str) -> None:
    assert understood(text).verb in Verb
