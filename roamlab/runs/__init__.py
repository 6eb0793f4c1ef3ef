"""One run seen from the outside."""
