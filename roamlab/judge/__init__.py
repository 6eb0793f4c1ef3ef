"""From a capture and events to a verdict, in a process that need not be the one that played."""
