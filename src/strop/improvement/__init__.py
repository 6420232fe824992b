"""Rounds of self-improvement: sample, verify, filter, train, measure, repeat."""
