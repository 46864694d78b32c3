"""Roles shared out between brains: `roles.target_chooser=random` beside the playbook."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from mlestar.ports import Brain, Desk
from mlestar.roles import Request

R = TypeVar("R")


class Shared:
    """`others` play the roles that they stand under; `base`, whose name it bears, plays the rest."""

    def __init__(self, base: Brain, others: Mapping[str, Brain]) -> None:
        self.name, self._base, self._others = base.name, base, others

    def play(self, request: Request[R], desk: Desk) -> R:
        """The reply of whoever plays the request's role."""
        return self._others.get(request.role, self._base).play(request, desk)
