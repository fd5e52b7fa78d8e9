"""Owns embedded servers until it is interrupted; the tests start it as another process, and kill it.

python -m tests.service.embedded_owner DIR    prints the servers' addresses as one line of JSON once they answer
"""

import asyncio
import signal
import sys
from pathlib import Path

import msgspec
import uvloop

from service.embedded import run_embedded


async def own(data_dir: Path) -> None:
    """Run until cancelled."""
    async with run_embedded(data_dir) as servers:
        sys.stdout.buffer.write(msgspec.json.encode(servers) + b"\n")
        sys.stdout.buffer.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job inherits it ignored
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(own(Path(sys.argv[1])))
