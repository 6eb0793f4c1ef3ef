"""Run directories in, pictures and pages out."""
