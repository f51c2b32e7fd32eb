"""What a run will make: the plan, its jobs' arguments and resources, its cost."""
