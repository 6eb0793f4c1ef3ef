"""Where an experiment runs: this machine's kernel, or a User-Mode Linux guest."""
