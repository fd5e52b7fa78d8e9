"""Logs: one JSON object per line on standard error; no personal data, no secrets, nothing a line break could forge."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import msgspec
import structlog

_encode = msgspec.json.Encoder(enc_hook=str).encode
LONGEST_VALUE = 2000


def _clipped(_logger: object, _name: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
    """No single value may swamp the log."""
    return {
        k: v[:LONGEST_VALUE] + "…" if isinstance(v, str) and len(v) > LONGEST_VALUE else v for k, v in event.items()
    }


def _rendered(_logger: object, _name: str, event: MutableMapping[str, Any]) -> str:
    return _encode(event).decode("utf-8", "replace")


def configure_logs() -> None:
    """Send structlog and the standard library's loggers through one renderer."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _clipped,
    ]
    structlog.configure(
        processors=[*shared, _rendered],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _rendered],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
