"""`mle-star bench`: many tasks, several systems, one budget and core count for all; docs/bench.md."""
