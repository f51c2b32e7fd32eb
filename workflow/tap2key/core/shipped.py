"""Files that the project ships, and where they are."""

from pathlib import Path

PROJECT = Path(__file__).parents[3]
CONFIG = PROJECT / "config" / "config.yaml"
KEYBOARD = PROJECT / "config" / "keyboard.csv"
SCHEMA = PROJECT / "workflow" / "schemas" / "config.schema.yaml"
DIFFICULTY = PROJECT / "workflow" / "tap2key" / "simulation" / "difficulty.yaml"
