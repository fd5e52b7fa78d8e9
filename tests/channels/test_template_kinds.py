"""Templates for kinds of change, as a setting names them."""

import pytest

from channels.meta.templates import templates_of
from channels.template_kinds import by_kind
from channels.zalo.templates import Templates
from domain.errors import Malformed
from domain.language import Language

VI, EN = Language.VIETNAMESE, Language.ENGLISH


def test_a_setting_has_a_template_for_all_else_and_some_of_their_own() -> None:
    assert by_kind("A x=code:30; asked: B y ; new_due_date, overdue: C", "S") == {
        "": "A x=code:30",
        "asked": "B y",
        "new_due_date": "C",
        "overdue": "C",
    }
    assert by_kind("", "S") == by_kind(" ; ", "S") == {}


@pytest.mark.parametrize("setting", ["asked: B", "A; asleep: B", "A; asked: B; asked: C", "A; B", "A; asked,asked: B"])
def test_a_setting_that_leaves_a_notice_without_its_template_is_refused(setting: str) -> None:
    with pytest.raises(Malformed, match="MOTMA_S"):
        by_kind(setting, "MOTMA_S")


def test_zalo_takes_the_persons_language_before_the_kind() -> None:
    templates = Templates.of("S", "111111 ma=code; asked: 222222 ma=code viec=asked|next", "333333 ma=code")
    numbers = {
        (event, language): found.number
        for event in ("asked", "closed")
        for language in (VI, EN)
        if (found := templates.of_notice({"event": event}, language))
    }
    assert numbers == {
        ("asked", VI): "222222",
        ("closed", VI): "111111",
        ("asked", EN): "333333",
        ("closed", EN): "333333",
    }
    assert set(templates.by_setting) == {"S", "S (asked)", "S_EN"}
    assert Templates.of("S", "", "").of_notice({}, VI) is None


def test_meta_has_templates_for_kinds_too() -> None:
    templates = templates_of("thay_doi/vi,en code status; asked: can_bo_sung/vi code asked|next +2", "S")
    assert {kind: template.name for kind, template in templates.items()} == {"": "thay_doi", "asked": "can_bo_sung"}
    assert templates["asked"].buttons == 2
