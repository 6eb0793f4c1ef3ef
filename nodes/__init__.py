"""The agents that run inside hosts, as processes forked from one warm interpreter."""
