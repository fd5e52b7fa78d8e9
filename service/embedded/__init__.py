"""PostgreSQL and Valkey as our own child processes, for a machine that has neither."""

from service.embedded.child import ServerFailed
from service.embedded.directory import DataDirInUse, EmbeddedServers, embedded_urls
from service.embedded.servers import join_embedded, run_embedded

__all__ = ["DataDirInUse", "EmbeddedServers", "ServerFailed", "embedded_urls", "join_embedded", "run_embedded"]
