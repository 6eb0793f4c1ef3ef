"""What runs inside a kernel before a job does: imports as little as possible, for each import costs boot time."""
