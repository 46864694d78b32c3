"""Live pages over runs, on this machine alone: they read the journal while another process writes it."""

from mlestar.dashboard.serving import Server

__all__ = ["Server"]
