"""The harness of the benchmark: python3 and its standard library alone."""
