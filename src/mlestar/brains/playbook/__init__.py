"""The embedded brain."""

from mlestar.brains.playbook.brain import Playbook

__all__ = ["Playbook"]
