"""When to say what is under way, if it takes long and has no progress of its own."""

FIRST_WORD_S, WORDS_S = 5.0, 10.0
"""Seconds after which it is said first, and from then on between two lines."""
