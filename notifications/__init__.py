"""Who is told what, when, on which channel, and proof of it."""
