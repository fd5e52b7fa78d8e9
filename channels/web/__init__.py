"""The citizens' pages, and the duties every HTTP request is served under."""
