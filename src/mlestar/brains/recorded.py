"""Another run's answers, by address: a run replayed without its brain, and without paying for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from mlestar.errors import SettingsError
from mlestar.ports import Brain, Desk
from mlestar.roles import Request

R = TypeVar("R")


class Recorded:
    """Answers each request as the recorded run did at the same address; where it recorded none, `base` answers.

    So it is for what people hand in (`added/…`): another run's letter 1 is another script.
    """

    def __init__(self, name: str, answers: Mapping[str, str], base: Brain) -> None:
        """`answers` are replies as JSON, by the address of their step."""
        self.name, self._answers, self._base = name, answers, base

    def play(self, request: Request[R], desk: Desk) -> R:
        """The recorded reply; raises SettingsError when it is not one of the request's kind."""
        text = None if desk.address.startswith("added/") else self._answers.get(desk.address)
        if text is None:
            return self._base.play(request, desk)
        try:
            found: R = TypeAdapter(request.reply).validate_json(text)
        except ValidationError:
            raise SettingsError(
                f"setting 'brain': {self.name} has an answer for {desk.address} that is no {request.reply.__name__}; "
                "it was probably recorded by another version"
            ) from None
        return found


def answers(place: Path, of_run: Callable[[Path], Mapping[str, str]]) -> Mapping[str, str]:
    """The answers of a run folder (by `of_run`) or of a file that `mle-star export --answers` wrote."""
    if place.is_dir():
        return of_run(place)
    try:
        lines = [json.loads(line) for line in place.read_text(encoding="utf-8").splitlines() if line.strip()]
        return {line["address"]: json.dumps(line["reply"]) for line in lines}
    except FileNotFoundError:
        raise SettingsError(f"setting 'brain': recorded:{place}: there is no such run or file") from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise SettingsError(f"setting 'brain': recorded:{place} cannot be read ({error})") from None
