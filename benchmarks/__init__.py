"""Speed as ratios between rivals in the same run; ``python -m benchmarks NAME``."""
