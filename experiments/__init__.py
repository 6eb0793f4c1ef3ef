"""Scenarios, the lab they act on, the orchestrator that runs them and the verdicts drawn from what was captured."""
