"""Tests of the pages of feedback."""
