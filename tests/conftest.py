import hypothesis

# The same examples in every run, so that a test fails only for a change that was made to the code.
hypothesis.settings.register_profile("stable", derandomize=True, deadline=None)
hypothesis.settings.load_profile("stable")
