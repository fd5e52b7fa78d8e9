"""The officers' console: accounts, sessions, and the pages offices work on."""
