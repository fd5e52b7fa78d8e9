"""Slips with a QR that prove themselves: drawn once, painted as PDF, picture or page."""
