"""Feedback as the service puts it together: the intake desk, and the clock that closes cases."""

import asyncio

import pytest

from database.pool import Role
from database.supervision import beside
from domain.civil_time import civil_day, utc_now
from domain.contact import ChannelName, Contact
from feedback_intake.filing import Feedback, FeedbackKind, Filed
from feedback_intake.moves import CaseState
from feedback_intake.numbers import new_number
from service.feedback import FeedbackService, watching
from service.settings import Settings, SettingsError
from service.wiring import Core
from tests.channels.conftest import core
from tests.channels.story import PHONE

__all__ = ["core"]


async def file(core: Core, settings: Settings) -> Filed:
    feedback = Feedback(number=new_number(civil_day(utc_now())), kind=FeedbackKind.PROPOSAL, text="Nên mở cửa thứ Bảy")
    sender = Contact(channel=ChannelName.SMS, address=PHONE)
    async with core.database.transaction(Role.WORKER) as connection:
        return await FeedbackService.of(core, settings).filing.file(connection, sender, feedback)


async def test_what_names_no_office_goes_to_the_desk_of_the_settings(core: Core) -> None:
    for code, settings in (("VN", Settings()), ("H05", Settings(intake_desk="H05"))):
        office = core.registry.agency_by_code(code)
        assert office is not None
        assert (await file(core, settings)).holder_agency == office.agency_id
    with pytest.raises(SettingsError, match="MOTMA_INTAKE_DESK"):
        FeedbackService.of(core, Settings(intake_desk="no such desk"))


async def test_cases_are_closed_once_nobody_may_object_any_more(core: Core) -> None:
    filed = await file(core, Settings())
    async with core.database.connection(Role.WORKER) as connection:
        await connection.execute(
            "UPDATE feedback_case SET state = 'answered', object_until = current_date - 2 WHERE id = $1", filed.case_id
        )
        feedback = FeedbackService.of(core, Settings())
        watch = watching(core, feedback)
        async with beside("cases", watch), beside("cases of another process", watching(core, feedback)):
            async with asyncio.timeout(5):
                while await connection.fetchval("SELECT state FROM feedback_case") != CaseState.CLOSED:
                    continue
        assert await connection.fetchval("SELECT count(*) FROM feedback_step WHERE move = 'close'") == 1
