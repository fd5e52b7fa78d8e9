"""A site that stops takes in who stood in its line."""

import asyncio
import socket
from typing import TYPE_CHECKING, cast

from service.listening import give_up

if TYPE_CHECKING:
    from channels.web.front_door import FrontDoor


class Taken(asyncio.Protocol):
    """Answers whatever it hears."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.transport.write(b"heard " + data)


async def test_a_caller_who_was_not_taken_yet_when_the_port_is_given_up_is_answered() -> None:
    server = await asyncio.get_running_loop().create_server(Taken, "127.0.0.1", 0)
    where = server.sockets[0].getsockname()
    with socket.create_connection(where) as caller:  # blocks the loop: nobody can have taken it
        caller.sendall(b"me")
        await give_up(server, cast("FrontDoor", Taken))
        caller.settimeout(0)
        assert await asyncio.wait_for(asyncio.get_running_loop().sock_recv(caller, 99), 5) == b"heard me"
    with socket.socket() as late:
        assert late.connect_ex(where) != 0
