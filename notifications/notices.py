"""From a claimed row to the message that leaves: opened, and for a notice worded from the dossier as it stands now."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from database.pool import Connection
from domain.civil_time import civil_day
from domain.contact import ChannelName, Contact
from domain.dossier import Dossier, PublicDossier
from domain.errors import NotFound
from domain.language import Language
from domain.message import Outgoing
from domain.status import Status
from lookup.changes import Standing
from lookup.disclosure import Answer, Freshness, Level, disclose
from lookup.registry import Registry
from lookup.sealing import Seal
from notifications.claims import Claimed
from notifications.kinds import EventKind, kind_now
from notifications.outbox import opened_choices
from notifications.texts import News, choices, digest, facts, notice
from notifications.wordings import Wordings


class NoLongerTrue(Exception):
    """What was to be told is not so any more, and nothing new took its place."""


class Notices:
    """Makes what is sent. `senders` are the names under which agencies (by code) and all below them send texts."""

    def __init__(self, seal: Seal, registry: Registry, *, senders: Mapping[str, str] = MappingProxyType({})) -> None:
        self._seal = seal
        self._registry = registry
        self._senders = senders
        self._wordings = Wordings()

    async def refresh(self, connection: Connection) -> None:
        """Read what agencies say in words of their own. Runs as `motma_worker`."""
        await self._wordings.refresh(connection)

    def outgoing(self, row: Claimed) -> Outgoing:
        """The message of a leased row. Any error concerns this row alone.

        Raises `NoLongerTrue` where the dossier has moved on so that there is nothing to tell.
        """
        to = Contact(channel=ChannelName(row.channel), address=self._seal.open(row.address_sealed))
        language = Language(row.language)
        if row.text_sealed is not None:
            return Outgoing(
                message_id=row.message_id,
                to=to,
                text=self._seal.open(row.text_sealed),
                sender=row.our_sender,
                language=language,
                choices=opened_choices(self._seal, row.choices_sealed),
                last_heard=row.last_heard,
            )
        news, answer = _news(row), self._answer(row)
        text = notice(answer, news, channel=to.channel, language=language)
        named = facts(answer, news.event, language)
        line = self._line(row.agency_id)
        if answer.proven is not None:
            own = self._wordings.text(line, news.event, named, channel=to.channel, language=language)
            text = own or text
        if len(codes := tuple(dict.fromkeys(row.held or ()))) > 1:
            text = digest(codes, channel=to.channel, language=language)
        return Outgoing(
            message_id=row.message_id,
            to=to,
            text=text,
            sender=row.our_sender or self._sender(row, to.channel),
            language=language,
            choices=choices(answer, language),
            facts=named if len(codes) <= 1 else {},  # no template names several dossiers
            last_heard=row.last_heard,
        )

    def _line(self, agency_id: int) -> Iterator[int]:
        yield agency_id
        yield from (agency.agency_id for agency in self._registry.ancestors(agency_id))

    def _sender(self, row: Claimed, channel: ChannelName) -> str | None:
        """The name of the row's agency or of the nearest above it; None where the gateway's own is to be used."""
        agency = self._registry.agency(row.agency_id)
        if channel != ChannelName.SMS or agency is None or not self._senders:
            return None
        line = (agency, *self._registry.ancestors(agency.agency_id))
        return next((self._senders[office.code] for office in line if office.code in self._senders), None)

    def _answer(self, row: Claimed) -> Answer:
        agency = self._registry.agency(row.agency_id)
        if row.code is None or agency is None:
            raise NotFound("The dossier or its office is not known here.")
        dossier = Dossier(
            public=PublicDossier(
                code=row.code,
                version=row.version,
                status=Status(row.status),
                status_at=row.status_at,
                received_at=row.received_at,
                due_at=row.due_at,
                finished_at=row.finished_at,
                agency_id=row.agency_id,
                recorded_at=row.recorded_at,
                read_at=row.at,
            ),
            applicant_name=None,
            procedure_name=None,
            asked_of_applicant=row.asked,
            delivered_at=None,
            history=(),
        )
        return disclose(
            dossier,
            Level.PROVEN if row.proven else Level.CODE,
            agency=agency,
            freshness=Freshness(as_of=row.recorded_at, fresh=True),  # a notice says what was just said to us
            calendar=self._registry.calendar,
            now=row.at,
        )


def _news(row: Claimed) -> News:
    """What a row is about now. Raises `NoLongerTrue`."""
    before = None if row.status_before is None else Status(row.status_before)
    queued = EventKind(row.event or EventKind.MOVED_ON)  # rows queued by an older version have none
    now = Standing(Status(row.status), row.due_at, row.asked)
    event = kind_now(queued, before, now, due_before=row.due_before, at=row.at)
    if event is None:
        raise NoLongerTrue(queued)
    due_before = row.due_before and civil_day(row.due_before)
    return News(event=event, before=before, due_before=due_before)
