"""What a run leaves behind: its directory, its result, and what it was made with."""
