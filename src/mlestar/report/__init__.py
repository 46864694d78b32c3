"""What we say about a run."""
