"""The configuration: its schema, defaults, validation and documentation."""
