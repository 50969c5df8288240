"""The tuner that a rig's settings choose."""

from __future__ import annotations

from agent.gpu.tuning.helper_link import HelperLink
from agent.gpu.tuning.pipe import Options
from agent.gpu.tuning.tuner import ProfileTuner, simulated
from agent.gpu.tuning.workers import Workers, spawn_of
from agent.gpu.untuned import Untuned
from agent.ports import Tuner
from agent.settings import GpuSettings, Tuning


def tuner_of(gpu: GpuSettings) -> Tuner:
    """See `agent.settings.Tuning`."""
    match gpu.tuner:
        case Tuning.NONE:
            return Untuned()
        case Tuning.HELPER:
            return ProfileTuner(HelperLink(gpu.helper_socket).perform)
        case Tuning.DIRECT if gpu.source == "simulated":
            assert gpu.simulated_dir is not None, "settings demand it"
            return ProfileTuner(simulated(gpu.simulated_dir, gpu.profiles_file))
        case Tuning.DIRECT:
            return ProfileTuner(Workers(spawn_of(Options(str(gpu.profiles_file)))).perform)
