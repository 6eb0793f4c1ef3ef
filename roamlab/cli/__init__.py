"""The command line: what each task takes, calls and prints."""
