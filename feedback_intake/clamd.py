"""Looking for malware by clamd, where one is configured: its INSTREAM command (clamd(8))."""

import asyncio

from domain.errors import Unavailable

WITHIN = 5.0  # seconds for one file
_CHUNK = 65_536


class Clamd:
    """One clamd. `address` is `host:port`, or the path of its socket."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def is_clean(self, content: bytes) -> bool:
        """Whether nothing was found. Raises `Unavailable` while clamd cannot be asked: then nothing is taken."""
        try:
            async with asyncio.timeout(WITHIN):
                answer = await self._ask(content)
        except (OSError, EOFError, TimeoutError) as error:
            raise Unavailable("Files cannot be looked through at the moment.", field="files") from error
        if answer.endswith(b"OK"):
            return True
        if answer.endswith(b"FOUND"):
            return False
        raise Unavailable("Files cannot be looked through at the moment.", field="files")

    async def _ask(self, content: bytes) -> bytes:
        host, _, port = self._address.rpartition(":")
        if port.isdigit() and host:
            reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        else:
            reader, writer = await asyncio.open_unix_connection(self._address)
        try:
            writer.write(b"zINSTREAM\0")
            for start in range(0, len(content), _CHUNK):
                part = content[start : start + _CHUNK]
                writer.write(len(part).to_bytes(4, "big") + part)
                await writer.drain()
            writer.write(bytes(4))
            return (await reader.readuntil(b"\0")).rstrip(b"\0\n ")
        finally:
            writer.close()
