"""The live lab: a page on which a person acts on a network while it runs, or steps through a run that is over."""
