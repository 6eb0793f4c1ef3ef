"""Pure bytes, tables and state machines: no socket, clock, process or random source of their own."""
