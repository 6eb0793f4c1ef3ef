"""The inside of a run: the handles and verbs of a scenario, and what carries them out in a kernel."""
