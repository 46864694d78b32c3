"""What we say about a run."""

from mlestar.report.markdown import markdown

__all__ = ["markdown"]
