"""More than one run: sweeps, proofs that runs repeat to the bit, comparisons, benchmarks."""
