"""A brain that answers from a list, for tests and for worked examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any, TypeVar, cast

from mlestar.errors import SettingsError
from mlestar.ports import Desk
from mlestar.roles import Request

R = TypeVar("R")


class Scripted:
    """Replies by role, in order; the last reply of a role answers all later requests.

    Raises SettingsError for a role that has no replies, or for a reply of another type than the role's.
    """

    name = "scripted"

    def __init__(self, replies: Mapping[str, Sequence[Any]]) -> None:
        self._replies = {role: list(listed) for role, listed in replies.items()}
        self._lock = Lock()

    def play(self, request: Request[R], desk: Desk | None = None) -> R:
        """The next reply for the request's role."""
        with self._lock:
            left = self._replies.get(request.role, [])
            if not left:
                raise SettingsError(f"the scripted brain has no reply for the role {request.role!r}")
            reply = left.pop(0) if len(left) > 1 else left[0]
        if not isinstance(reply, request.reply):
            raise SettingsError(
                f"role {request.role!r} answers with {request.reply.__name__}, not {type(reply).__name__}"
            )
        return cast(R, reply)
