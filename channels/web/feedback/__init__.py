"""The citizens' pages of feedback: the form, and what became of what was sent."""
