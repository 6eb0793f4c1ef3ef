"""What every agent is made of: its loop, its channels, and what it does to its host."""
