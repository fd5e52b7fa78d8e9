"""Closed-loop load by wrk, which takes little of the machine."""

import asyncio
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench.machine import LOAD_CPU, need, pinned
from bench.programs import Program, WrongAnswers


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What one round of load found."""

    answers: int
    seconds: float
    cpu_seconds: float  # of the server
    p50: float  # seconds
    p99: float

    @property
    def per_second(self) -> float:
        """Answers per second of the clock."""
        return self.answers / self.seconds

    @property
    def per_cpu_second(self) -> float:
        """Answers per second of CPU that the server got."""
        return self.answers / self.cpu_seconds


class _Summary(msgspec.Struct):
    requests: int
    duration: int  # µs
    errors: int
    timeouts: int
    p50: float  # µs
    p99: float


# Requests are made before the load begins. Each run begins somewhere else in the list.
_SCRIPT = """
local requests, at = {}, 0
function init(args)
  for line in io.lines("%(requests)s") do
    local path, body = line:match("^(%%S+)\\t?(.*)$")
    if body == "" then requests[#requests + 1] = wrk.format("GET", path)
    else requests[#requests + 1] = wrk.format("POST", path, %(headers)s, body) end
  end
  at = %(start)d %% #requests
end
function request()
  at = at %% #requests + 1
  return requests[at]
end
function done(summary, latency)
  local e = summary.errors
  local form = '{"requests":%%d,"duration":%%d,"errors":%%d,"timeouts":%%d,"p50":%%.1f,"p99":%%.1f}'
  io.write("\\nSUMMARY " .. string.format(form, summary.requests, summary.duration,
    e.connect + e.read + e.write + e.status, e.timeout, latency:percentile(50), latency:percentile(99)) .. "\\n")
end
"""


async def load(
    program: Program,
    requests: Sequence[str],
    *,
    connections: int,
    seconds: float,
    headers: dict[str, str] | None = None,
    start: int = 0,
    lead_in: float = 0.0,
) -> Load:
    """Ask `program` for `requests` (a path, or a path, a tab and a body to post) in turn. Raises `WrongAnswers`.

    `lead_in` seconds of the same come before and are not counted: a server that waited for its turn has let its
    answers grow old, as one under steady load never does.
    """
    if lead_in:
        await _run(program, requests, connections, lead_in, headers or {}, start)
    found = await _run(program, requests, connections, seconds, headers or {}, start)
    if not found.answers:
        raise WrongAnswers(f"{program.name} answered nothing in {seconds:g} s")
    return found


async def _run(
    program: Program, requests: Sequence[str], connections: int, seconds: float, headers: dict[str, str], start: int
) -> Load:
    with tempfile.TemporaryDirectory() as folder:
        script = _script(Path(folder), requests, headers, start)
        command = [*pinned(LOAD_CPU), need("wrk", "wrk"), "-t1", f"-c{connections}", f"-d{seconds:g}s"]
        command += ["--timeout", "10s", "-s", str(script), program.url]
        before = program.cpu_seconds()
        child = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        printed = (await child.communicate())[0].decode()
        used = program.cpu_seconds() - before
    said = [line for line in printed.splitlines() if line.startswith("SUMMARY ")]
    if not said:
        raise WrongAnswers(f"wrk failed against {program.name}: {printed[-500:]}")
    summary = msgspec.json.decode(said[0].removeprefix("SUMMARY "), type=_Summary)
    if summary.errors or summary.timeouts:
        raise WrongAnswers(
            f"{program.name}: of {summary.requests} answers {summary.errors} were errors, {summary.timeouts} too late"
        )
    return Load(
        answers=summary.requests,
        seconds=summary.duration / 1e6,
        cpu_seconds=used,
        p50=summary.p50 / 1e6,
        p99=summary.p99 / 1e6,
    )


def _script(folder: Path, requests: Sequence[str], headers: dict[str, str], start: int) -> Path:
    list_file, script = folder / "requests", folder / "load.lua"
    list_file.write_text("\n".join(requests), encoding="utf-8")
    names = {"requests": list_file, "headers": _lua_table(headers), "start": start}
    script.write_text(_SCRIPT % names, encoding="utf-8")
    return script


def _lua_table(headers: dict[str, str]) -> str:
    return "{" + ",".join(f"[{json.dumps(name)}]={json.dumps(value)}" for name, value in headers.items()) + "}"
