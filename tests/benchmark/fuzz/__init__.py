"""Mutated studies: what people, their spreadsheets and their disks make of a sound one."""
