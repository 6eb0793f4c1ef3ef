"""A course of labs: what a student hands in, how it is heard, played and marked.

Two guests keep the marks out of a student's reach. The first hears the student's code and yields a plan, which is data. The
second plays that plan and holds no code of the student's; the marks come from its capture and events, outside of both.
"""
