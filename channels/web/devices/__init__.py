"""My dossiers: what a phone proven by a one-time code is told on this device."""
