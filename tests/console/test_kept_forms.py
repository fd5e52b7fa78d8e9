"""What was typed into a form waits: while it is refused, while a session ends, while a fresh proof is asked for."""

import pytest

from console.roles import OfficerRole
from database.pool import Role
from tests.console.officers import PASSWORD, House

WORDS = "Điều đã gõ rất lâu"
FORMS = {
    "/console/lich/sua": {"day": "30/02/2027", "kind": "off", "reason": WORDS, "source": ""},
    "/console/thoi-han-phan-anh": {"agency": WORDS, "forward_days": "x"},
    "/console/khoa/moi": {"name": WORDS, "agency": "H99.99", "kind": "live"},
    "/console/thong-bao/quy-tac": {"agency": "H99", "procedure": WORDS, "event": "overdue", "told": "1"},
    "/console/thong-bao/bac-thang": {"ladder_agency": WORDS, "rungs": "thư tay", "dong": "x"},
    "/console/tai-khoan/moi": {"email": WORDS, "name": "", "role": "clerk", "agency": "H99.99"},
    "/console/tai-khoan/{account}/vai-tro": {"agency": WORDS, "role": "clerk", "valid_to": "31/02/2027"},
    "/console/tai-khoan/{account}/ten": {"name": WORDS, "version": "77"},
}


@pytest.mark.parametrize("address", FORMS)
async def test_a_form_that_was_refused_waits_on_its_page_through_the_end_of_a_session(
    house: House, address: str
) -> None:
    officer = await house.officer(*OfficerRole, office="VN")
    form, fields = address.format(account=await house.hires("ha@bacninh.gov.vn", OfficerRole.CLERK)), FORMS[address]
    place = form if form.endswith("phan-anh") else form.rpartition("/")[0]
    await officer.get(place)
    refused = await officer.post(form, fields)
    assert refused.status in {409, 422}
    assert f'value="{WORDS}"' in refused.text
    assert f'value="{WORDS}"' in (await officer.get(place)).text
    assert f'href="{place}"' in (await officer.get("/console")).text.split("start-unfinished")[-1]
    async with house.core.database.transaction(Role.GATE) as connection:
        await connection.execute("UPDATE session SET seen_at = seen_at - interval '1 hour'")
    sent = await officer.post(form, fields, reason=f"{WORDS} và hơn nữa", note="")
    assert sent.place == f"/console/vao?next={place}"
    back = await officer.post("/console/vao", email="an@bacninh.gov.vn", password=PASSWORD, next=place)
    assert f'value="{WORDS}' in back.text


async def test_a_role_that_asks_for_a_fresh_proof_is_still_typed_after_it_and_gone_once_given(house: House) -> None:
    officer = await house.officer(OfficerRole.ADMINISTRATOR, office="VN")
    place = f"/console/tai-khoan/{await house.hires('ha@bacninh.gov.vn', OfficerRole.CLERK)}"
    await officer.get(place)
    async with house.core.database.transaction(Role.GATE) as connection:
        await connection.execute("UPDATE session SET proven_at = now() - interval '11 minutes'")
    fields = {"role": "handler", "agency": "H05.11", "valid_to": "31/12/2099"}
    assert (await officer.post(f"{place}/vai-tro", fields)).place == f"/console/xac-nhan?next={place}"
    back = await officer.post("/console/xac-nhan", password=PASSWORD, next=place)
    assert 'value="31/12/2099"' in back.text
    done = await officer.post(f"{place}/vai-tro", fields)
    assert "Người thụ lý" in done.text or "H05.11" in done.text
    assert 'value="31/12/2099"' not in done.text
