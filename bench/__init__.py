"""Benchmarks: ratios to this machine's own limit, measured in the same run."""
