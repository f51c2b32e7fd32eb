"""Scores → what people look at: tables, pictures, comparisons, the record of a run."""
