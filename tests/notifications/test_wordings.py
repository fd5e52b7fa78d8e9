"""Agencies' own words: refused where they mislead, shown first, used where they hold."""

import pytest

from database.pool import Database, Role
from domain.errors import Invalid
from domain.language import Language
from domain.status import Status
from notifications.kinds import EventKind
from notifications.subscriptions import Subscriptions
from notifications.wordings import Form, checked, preview, write_words
from tests.notifications.conftest import Dispatch, Office, Phones
from tests.notifications.test_claims import NEIGHBOUR

VI, EN = Language.VIETNAMESE, Language.ENGLISH
READY = "HS {code}: da co ket qua tai {office}. {stop}"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("Da co ket qua. {stop}", "{code} is missing"),
        ("HS {code}: da co ket qua.", "{stop} is missing"),
        ("HS {code} {name}. {stop}", "no part name"),
        ("HS {code!r} {stop}", "no part code"),
        ("HS {code:>30} {stop}", "no part code"),
        ("HS {} {code} {stop}", "no part "),
        ("HS {code {stop}", "Braces"),
        ("HS {code}: nop tien tai https://nop.vn {stop}", "no links"),
        ("HS {code}: xem nop-phi.top {stop}", "no links"),
        ("HS {code}: co quan hoãn trả kết quả. {stop}", "hoàn"),
        ("HS {code}: bi phạt. {stop}", "phạt"),
        ("HS {code}: da dừng. {stop}", "đừng"),
        ("HS {code}: 出生证明 {stop}", "does not fit"),
        (READY.replace(". {stop}", ", buoi sang tu 7 gio 30 den 11 gio 30, mang theo giay hen. {stop}"), "one segment"),
    ],
)
def test_words_that_would_mislead_or_cost_more_are_refused(words: str, why: str) -> None:
    with pytest.raises(Invalid) as refusal:
        checked(words, Form.SMS, VI)
    assert why in refusal.value.message


def test_what_follows_may_make_a_word_certain() -> None:
    for words in ("HS {code}: đã hoàn thành. {stop}", "HS {code}: đúng hạn, còn thời gian. {stop}"):
        assert checked(words, Form.SMS, VI) == words
    assert checked("File {code}: no fee to pay. {stop}", Form.SMS, EN)
    assert checked("Hồ sơ {code}: cơ quan hoãn trả kết quả.\n{stop}", Form.FULL, VI)


def test_a_preview_shows_what_is_read_and_what_it_costs() -> None:
    shown = preview("HS {code}: đã có kết quả tại {office}. {stop}", Form.SMS, VI, price=350)
    assert shown.text == (
        "HS 000.00.00.H05-20261102-1234567: da co ket qua tai Trung tam PVHCC Bac Ninh. "
        "Tat tin: BO 000.00.00.H05-20261102-1234567"
    )
    assert (shown.segments, shown.dong) == (1, 350)
    full = preview("Hồ sơ {code} đã có kết quả.\n{stop}", Form.FULL, VI, price=350)
    assert full.text.startswith("Hồ sơ 000.00.00.H05-20261102-1234567 đã có kết quả.\nTắt tin")
    assert (full.segments, full.dong) == (0, 0)


async def said(office: Office, dispatch: Dispatch, status: Status = Status.COMPLETED) -> list[str]:
    """What people read of a dossier that comes to `status`; it has one follower without proof."""
    dossier = await office.opens()
    async with office.database.transaction(Role.WORKER) as worker:
        await Subscriptions(office.seal).follow(worker, NEIGHBOUR, dossier, proven=False)
    await office.moves(dossier, status)
    phones = Phones()
    await dispatch.once(phones, calls=2)
    return [told.text for told in sorted(phones.told, key=lambda told: told.message_id)]


async def test_the_nearest_agencys_words_are_used_for_who_may_know(
    office: Office, database: Database, dispatch: Dispatch
) -> None:
    above = await office.owner.fetchval("SELECT parent_id FROM agency WHERE id = $1", office.agency_id)
    ready = EventKind.RESULT_READY
    async with database.connection(Role.OPERATOR) as operator:
        assert await write_words(operator, above, ready, Form.SMS, VI, "HS {code}: tinh bao. {stop}") == 1
        assert await write_words(operator, office.agency_id, ready, Form.SMS, VI, "cu {code} {stop}") == 1
        assert await write_words(operator, office.agency_id, ready, Form.SMS, VI, "HS {code}: so bao. {stop}") == 2
    own, followers = await said(office, dispatch)
    assert own == "HS H05.16-261102-0001: so bao. Tat tin: BO H05.16-261102-0001"
    assert followers.startswith("HS H05.16-261102-0001: da co ket qua tai bo phan mot cua.")
    async with database.connection(Role.OPERATOR) as operator:
        assert await write_words(operator, office.agency_id, ready, Form.SMS, VI, None) == 3
    dispatch.notices._wordings = type(dispatch.notices._wordings)()
    own, _ = await said(office, dispatch)
    assert own == "HS H05.16-261102-0002: tinh bao. Tat tin: BO H05.16-261102-0002"


async def test_words_that_do_not_hold_give_way_to_ours(office: Office, database: Database, dispatch: Dispatch) -> None:
    """A part that is not known, and a name of an office too long for one segment."""
    async with database.connection(Role.OPERATOR) as operator:
        words = "HS {code}: hen tra {due}. {stop}"
        await write_words(operator, office.agency_id, EventKind.MOVED_ON, Form.SMS, VI, words)
        await write_words(operator, office.agency_id, EventKind.RESULT_READY, Form.SMS, VI, READY)
    own, _ = await said(office, dispatch, Status.PROCESSING)
    assert own.startswith("HS H05.16-261102-0001: dang giai quyet.")
    await office.owner.execute("UPDATE agency SET name = $1 WHERE id = $2", "Trung tâm " * 10, office.agency_id)
    await dispatch.notices._registry.refresh()
    own, _ = await said(office, dispatch)
    assert own.startswith("HS H05.16-261102-0002: da co ket qua. Moi Ong/Ba mang giay hen")
