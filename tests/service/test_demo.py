"""Demo data: the same on every machine, and the first dossier is the one the contract names."""

from datetime import date

from domain.status import Status
from lookup.working_time import WorkingCalendar
from service.demo import AGENCY, FIRST_CODE, DemoDossier, demo_dossiers

TODAY = date(2026, 11, 20)
AGENCIES = {"H05.16": 1, "H05.17": 2, "H05.16.11": 3}
PROCEDURES = [("1.005129", "Đăng ký đất đai"), ("2.000635", "Cấp bản sao trích lục hộ tịch")]


def made(count: int) -> list[DemoDossier]:
    return list(demo_dossiers(count, AGENCIES, PROCEDURES, TODAY, WorkingCalendar()))


def test_the_first_dossier_is_the_one_of_the_contract() -> None:
    first = made(1)[0]
    assert first.facts.code == FIRST_CODE == f"{AGENCY}-261102-0001"
    assert (first.secret, first.phone) == ("246810", "+84901234567")
    assert first.facts.applicant_name == "Nguyễn Văn An"
    assert first.facts.status is Status.PROCESSING


def test_the_same_data_comes_every_time_and_codes_are_unique() -> None:
    once, again = made(2000), made(2000)
    assert once == again
    assert len({dossier.facts.code for dossier in once}) == 2000


def test_every_status_occurs_and_history_leads_up_to_it() -> None:
    dossiers = made(2000)
    assert {dossier.facts.status for dossier in dossiers} == set(Status)
    for dossier in dossiers:
        times = [event.at for event in dossier.earlier] + [dossier.facts.status_at]
        assert times == sorted(times)


def test_nobody_is_told_of_demo_data() -> None:
    assert not any(d.facts.notify or any(e.notify for e in d.earlier) for d in made(200))
