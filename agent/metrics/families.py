"""Every metric of the agent, in the order in which it is exposed. Names are a public contract.

Base units throughout; no host label (the scraper adds it); `docs/metrics.md` repeats this table.
"""

from __future__ import annotations

from agent.metrics.family import Family
from agent.metrics.gpu_families import GPUS
from agent.metrics.group_families import GROUPS, WORKLOADS
from agent.metrics.learned_families import LEARNED
from agent.metrics.rig_families import RIG

FAMILIES: tuple[Family, ...] = (*RIG, *GROUPS, *GPUS, *WORKLOADS, *LEARNED)
