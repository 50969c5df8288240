"""Carries out one request on its boards: every GPU is tried, and every trouble told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from agent.core.workload import NEUTRAL
from agent.gpu.tuning import pipe, tune
from agent.gpu.tuning.board import Board, BoardError, Setting
from agent.gpu.tuning.tune import Pause, Shown
from agent.settings import profiles
from agent.settings.profiles import Profile, Profiles
from wire.configfile import ConfigError

Open = Callable[[str], Board]
"""Gives the board of a UUID, or raises `BoardError`."""


def carry_out(request: pipe.Request, open_board: Open, file: Path, pause: Pause) -> pipe.Answer:
    """The answer to one request; reads the profiles anew. Never raises for what the world does."""
    try:
        known = _profiles(request, file)
        name = NEUTRAL if isinstance(request, pipe.Neutral) else request.profile
        profile = known.named(name)
    except ConfigError as error:
        return pipe.Refused(str(error))
    if profile is None:
        names = ", ".join(sorted({NEUTRAL, *known.profiles}))
        return pipe.Refused(f"profile {name!r} is unknown; {file} has {names}")
    shown, troubles = dict[str, dict[str, str]](), list[str]()
    # One sick card must not leave the others overclocked.
    for uuid in dict.fromkeys(request.gpus):
        try:
            board = open_board(uuid)
            if name == NEUTRAL:
                _forbid_raise(board, profile)
            shown[uuid] = _in_words(_one(request, board, profile, pause))
        except BoardError as error:
            troubles.append(str(error))
    return pipe.Refused("; ".join(troubles)) if troubles else pipe.Done(shown)


def _profiles(request: pipe.Request, file: Path) -> Profiles:
    """A rig without the file has the neutral profile. Raises `ConfigError`."""
    asked = NEUTRAL if isinstance(request, pipe.Neutral) else request.profile
    return Profiles() if asked == NEUTRAL and not file.exists() else profiles.load(file)


def _one(request: pipe.Request, board: Board, profile: Profile, pause: Pause) -> Shown:
    if isinstance(request, pipe.Derate):
        return tune.derate(board, profile, request.step, pause)
    return tune.apply(board, profile, pause)


def _forbid_raise(board: Board, neutral: Profile) -> None:
    default_w = board.power_limit_default_w()
    asked_w = neutral.power_limit_w
    if asked_w is not None and default_w is not None and asked_w > default_w:
        raise BoardError(
            f"{board.uuid}: {Setting.POWER_LIMIT}: {asked_w:g} of `{NEUTRAL}` is above the card's "
            f"default, {default_w:g}; give it another name"
        )


def _in_words(shown: Shown) -> dict[str, str]:
    return {str(setting): tune.told(value) for setting, value in shown.items()}
