"""What one takes away from a run: pinned requirements, a package, a kernel. Text in, text out; nothing is run."""
