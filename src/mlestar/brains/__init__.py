"""Who plays the roles: a name, and what makes a brain of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from importlib import import_module

from mlestar.errors import SettingsError
from mlestar.ports import Brain
from mlestar.records import Recipe

BRAINS = {"playbook": "mlestar.brains.playbook:Playbook", "random": "mlestar.brains.random:Random"}


def make(name: str, recipes: Sequence[Recipe], installed: Collection[str]) -> Brain:
    """The brain called `name`; raises SettingsError that lists the names there are."""
    if name not in BRAINS:
        raise SettingsError(f"setting 'brain': there is no brain {name!r}; there are {', '.join(BRAINS)}")
    module, _, attribute = BRAINS[name].partition(":")
    brain: Brain = getattr(import_module(module), attribute)(recipes, installed)
    return brain
