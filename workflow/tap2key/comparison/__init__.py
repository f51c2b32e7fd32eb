"""Scores → what differences are worth: intervals, tests, equivalence, power."""
