"""The channels that are simulated, and the address that a person has in each."""

from collections.abc import Mapping, Sequence

from channels.channel import Heard
from channels.conversation.turn import Manner
from channels.simulator.gateway import SimulatedGateway
from domain.contact import ChannelName
from notifications.reports import Reports

_ACCOUNT = "Một Mã"
SIMULATED_NUMBER = "8088"


class Handsets:
    """One simulated provider for each of `channels` in which people write; `manners` say how one talks there."""

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
        self._phones = frozenset(name for name, manner in manners.items() if manner.address_is_phone)

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
        for gateway in self.gateways.values():
            await gateway.close()
