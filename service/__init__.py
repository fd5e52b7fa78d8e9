"""Settings, wiring, roles, command line, embedded servers: the only place that knows everyone."""
