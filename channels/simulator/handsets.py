"""The channels that are simulated, and the address that a person has in each."""

from collections.abc import Mapping, Sequence
from functools import partial

from channels.channel import Heard
from channels.conversation.turn import Manner
from channels.simulator.gateway import SimulatedGateway
from channels.zalo.oa import ZALO
from channels.zalo.templates import template_of
from channels.zalo.zns import ZNS
from domain.contact import ChannelName
from notifications.reports import Reports
from notifications.sender import Sender

_ACCOUNT = "Một Mã"
SIMULATED_NUMBER = "8088"
_TEMPLATE = template_of("100000 ma_ho_so=code trang_thai=status viec_can_lam=asked|next han_tra=due don_vi=office", "")


class Handsets:
    """One simulated provider for each of `channels` in which people write; `manners` say how one talks there.

    `beside` are those that only send templates to phones, by the channel on whose screen these appear.
    """

    def __init__(
        self,
        channels: Sequence[ChannelName],
        *,
        manners: Mapping[ChannelName, Manner],
        heard: Heard,
        reports: Reports,
        number: str,
    ) -> None:
        self.gateways = {
            channel: SimulatedGateway(
                heard=heard,
                reports=reports,
                number=number if channel == ChannelName.SMS else _ACCOUNT,
                channel=channel,
                window=manner.window,
                buttons=manner.buttons,
            )
            for channel in dict.fromkeys(channels)
            if (manner := manners.get(channel, Manner())).is_heard and channel != ChannelName.WEB  # a page of our own
        }
        self.beside: dict[ChannelName, SimulatedGateway] = {}
        if ZNS in channels and (zalo := self.gateways.get(ZALO)) is not None:
            self.beside[ZALO] = SimulatedGateway(
                heard=heard,
                reports=reports,
                number=_ACCOUNT,
                channel=ZNS,
                buttons=False,
                template=_TEMPLATE,
                changed=partial(self._seen_in, zalo),
            )
        self._phones = frozenset(name for name, manner in manners.items() if manner.address_is_phone)

    def senders(self) -> dict[ChannelName, Sender]:
        """All of them."""
        return {gateway.reaches: gateway for gateway in (*self.gateways.values(), *self.beside.values())}

    def address(self, channel: ChannelName, phone: str) -> str:
        """What the owner of `phone` (E.164) is called in `channel`: the phone itself, or an account's number."""
        return phone if self.knows_phone(channel) else phone.lstrip("+")

    def knows_phone(self, channel: ChannelName) -> bool:
        """Whether the address says the phone, so that there is nothing to share."""
        return channel in self._phones

    def phone(self, channel: ChannelName, address: str) -> str:
        """The phone (E.164) of an address."""
        return address if self.knows_phone(channel) else f"+{address}"

    async def close(self) -> None:
        """Wait for the reports on their way."""
        for gateway in (*self.gateways.values(), *self.beside.values()):
            await gateway.close()

    def _seen_in(self, gateway: SimulatedGateway, phone: str) -> None:
        gateway.tell(self.address(gateway.reaches, phone))
