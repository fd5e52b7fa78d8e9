"""Answers, counters and limits in Redis; holds nothing that cannot be rebuilt."""
