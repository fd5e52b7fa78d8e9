"""Notices to browsers that asked for them (RFC 8030, 8291, 8292)."""
