"""One GPU read through NVML. What the driver does not give is absent, and remembered as absent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from agent.gpu import nvml, procfs, terms
from agent.gpu.nvml import Nvml, NvmlError
from agent.gpu.source import SourceError
from wire.model import GpuProcess, GpuReading

PROCESSES_MAX = 128
"""Processes reported per GPU; past it a GPU is busy beyond doubt."""

FIELD_MEMORY_TEMPERATURE = 82
FIELD_POWER_INSTANT = 186
FIELD_RECOVERY_ACTION = 230

SENSOR_GPU = 0
CLOCK_SM = 1
CLOCK_MEMORY = 2
ECC_CORRECTED, ECC_UNCORRECTED = 0, 1
ECC_LIFETIME = 1


class _CardGoneError(Exception):
    """The driver has lost this GPU."""


class Card:
    """A GPU that the driver shows."""

    def __init__(self, driver: Nvml, handle: Any, uuid: str) -> None:
        """A GPU with its UUID, which is asked for what else names it."""
        self._driver = driver
        self._absent: set[tuple[Any, ...]] = set()
        self._slow: dict[str, Any] = {}
        self._trouble = ""
        self.handle = handle
        self.uuid = uuid
        self.lost = ""
        """Why this GPU gives nothing, if so."""
        self._identity = self._identify()

    def look(self, *, slow: bool) -> GpuReading:
        """Read it; a lost GPU is tried again on slow looks only. Raises `SourceError`."""
        if self.lost and not slow:
            return self._unread()
        self._trouble = ""
        try:
            fast = self._fast_values()
            if slow:
                self._slow = self._slow_values()
        except _CardGoneError as error:
            self.lost, self._slow = str(error), {}
            return self._unread()
        self.lost = ""
        return replace(self._identity, **fast, **self._slow, error=self._trouble or None)

    def occupancy(self) -> GpuReading:
        """Memory, processes and utilisation now, of a lost GPU too. Raises `SourceError`."""
        self._trouble = ""
        try:
            seen = self._memory() | self._utilization() | {"processes": self._processes()}
        except _CardGoneError as error:
            self.lost = str(error)
            return self._unread()
        return replace(self._identity, **seen, error=self._trouble or None)

    def _identify(self) -> GpuReading:
        unnamed = GpuReading(self.uuid)
        try:
            pci = self._ask("nvmlDeviceGetPciInfo")
            return replace(
                unnamed,
                name=self._ask("nvmlDeviceGetName"),
                pci_bus_id=None if pci is None else str(pci.busId),
            )
        except _CardGoneError as error:
            self.lost = str(error)
            return unnamed

    def _unread(self) -> GpuReading:
        return replace(self._identity, error=self.lost)

    def _fast_values(self) -> dict[str, Any]:
        fields = self._fields(FIELD_MEMORY_TEMPERATURE, FIELD_POWER_INSTANT, FIELD_RECOVERY_ACTION)
        power = fields.get(FIELD_POWER_INSTANT)
        action = fields.get(FIELD_RECOVERY_ACTION)
        return {
            **self._memory(),
            **self._utilization(),
            "temperature_c": self._temperature(),
            # Memory at work is never at 0 °C; some boards without the sensor answer 0.
            "memory_temperature_c": fields.get(FIELD_MEMORY_TEMPERATURE) or None,
            "power_w": _per(self._number("nvmlDeviceGetPowerUsage") if power is None else power),
            "energy_j": _per(self._number("nvmlDeviceGetTotalEnergyConsumption")),
            "sm_clock_hz": _hertz(self._number("nvmlDeviceGetClockInfo", CLOCK_SM)),
            "memory_clock_hz": _hertz(self._number("nvmlDeviceGetClockInfo", CLOCK_MEMORY)),
            "throttle_reasons": self._throttle_reasons(),
            "recovery_action": (
                None
                if action is None
                else terms.RECOVERY_ACTIONS.get(int(action), f"action_{int(action)}")
            ),
        }

    def _slow_values(self) -> dict[str, Any]:
        rows = self._ask("nvmlDeviceGetRemappedRows") or (None, None, None, None)
        ecc = "nvmlDeviceGetTotalEccErrors"
        return {
            "fan_ratio": self._fan_ratio(),
            "power_limit_w": _per(self._number("nvmlDeviceGetEnforcedPowerLimit")),
            "pcie_generation": self._number("nvmlDeviceGetCurrPcieLinkGeneration"),
            "pcie_width": self._number("nvmlDeviceGetCurrPcieLinkWidth"),
            "pcie_replays": self._number("nvmlDeviceGetPcieReplayCounter"),
            "ecc_corrected": self._number(ecc, ECC_CORRECTED, ECC_LIFETIME),
            "ecc_uncorrected": self._number(ecc, ECC_UNCORRECTED, ECC_LIFETIME),
            "remapped_rows_correctable": nvml.number(rows[0]),
            "remapped_rows_uncorrectable": nvml.number(rows[1]),
            "remap_failed": None if rows[3] is None else bool(rows[3]),
            "processes": self._processes(),
        }

    def _utilization(self) -> dict[str, Any]:
        rates = self._ask("nvmlDeviceGetUtilizationRates")
        return {
            "utilization_ratio": None if rates is None else _per(rates.gpu, 100),
            "memory_utilization_ratio": None if rates is None else _per(rates.memory, 100),
        }

    def _memory(self) -> dict[str, Any]:
        # The first version counts what the driver keeps for itself as used.
        memory = self._first(
            ("nvmlDeviceGetMemoryInfo", nvml.MEMORY_V2), ("nvmlDeviceGetMemoryInfo",)
        )
        return {
            "memory_total_bytes": None if memory is None else nvml.number(memory.total),
            "memory_used_bytes": None if memory is None else nvml.number(memory.used),
        }

    def _temperature(self) -> float | None:
        celsius = nvml.number(
            self._first(
                ("nvmlDeviceGetTemperatureV", SENSOR_GPU), ("nvmlDeviceGetTemperature", SENSOR_GPU)
            )
        )
        return None if celsius is None else float(celsius)

    def _throttle_reasons(self) -> tuple[str, ...] | None:
        mask = nvml.number(
            self._first(
                ("nvmlDeviceGetCurrentClocksEventReasons",),
                ("nvmlDeviceGetCurrentClocksThrottleReasons",),
            )
        )
        return None if mask is None else terms.throttle_reasons(int(mask))

    def _fan_ratio(self) -> float | None:
        """The fastest fan; a passive card has none."""
        count = self._number("nvmlDeviceGetNumFans")
        if count is None:
            return _per(self._number("nvmlDeviceGetFanSpeed"), 100)
        speeds = [self._number("nvmlDeviceGetFanSpeed_v2", fan) for fan in range(int(count))]
        return _per(max((speed for speed in speeds if speed is not None), default=None), 100)

    def _processes(self) -> tuple[GpuProcess, ...] | None:
        """Whoever computes or draws here; ``None`` when the driver does not tell."""
        computing = self._listed("nvmlDeviceGetComputeRunningProcesses")
        drawing = self._listed("nvmlDeviceGetGraphicsRunningProcesses")
        if drawing is None and ("nvmlDeviceGetGraphicsRunningProcesses_v2",) in self._absent:
            drawing = []  # A card that cannot draw.
        if computing is None or drawing is None:
            return None
        memory: dict[int, int | None] = {}
        for entry in [*computing, *drawing]:
            used = nvml.number(entry.usedGpuMemory)
            memory[entry.pid] = memory.get(entry.pid) if used is None else int(used)
        return tuple(
            GpuProcess(pid, used, procfs.name(pid))
            for pid, used in sorted(memory.items())[:PROCESSES_MAX]
        )

    def _listed(self, name: str) -> list[Any] | None:
        found = self._first((f"{name}_v3",), (f"{name}_v2",))
        return None if found is None else list(found)

    def _number(self, name: str, *arguments: Any) -> float | int | None:
        return nvml.number(self._ask(name, *arguments))

    def _first(self, *calls: tuple[Any, ...]) -> Any | None:
        """The first of several spellings of one question that the driver knows."""
        for name, *arguments in calls:
            answer = self._ask(name, *arguments)
            if answer is not None:
                return answer
            if (name, *arguments) not in self._absent:
                return None
        return None

    def _ask(self, name: str, *arguments: Any) -> Any | None:
        if (name, *arguments) in self._absent:
            return None
        try:
            return self._driver.call(name, self.handle, *arguments, about=self.uuid)
        except NvmlError as error:
            if error.code == nvml.SUCCESS:
                return []  # How pynvml says that a list is empty.
            self._note(error, (name, *arguments))
            return None

    def _fields(self, *ids: int) -> dict[int, float | int]:
        """Field values that the driver gives, by id."""
        name = "nvmlDeviceGetFieldValues"
        wanted = [number for number in ids if (name, number) not in self._absent]
        if not wanted or (name,) in self._absent:
            return {}
        try:
            answers = self._driver.fields(self.handle, wanted, about=self.uuid)
        except NvmlError as error:
            self._note(error, (name,))
            return {}
        for field, (code, _) in answers.items():
            if code != nvml.SUCCESS:
                self._note(NvmlError(code, f"{name} {field}", "no value"), (name, field))
        return {field: value for field, (_, value) in answers.items() if value is not None}

    def _note(self, error: NvmlError, question: tuple[Any, ...]) -> None:
        if error.code in nvml.ABSENT:
            self._absent.add(question)
        elif error.code in nvml.GONE:
            raise _CardGoneError(f"{nvml.GONE[error.code].format(uuid=self.uuid)} [{error}]")
        elif error.code in nvml.BLIND:
            raise SourceError(error.advice)
        else:
            self._trouble = self._trouble or str(error)


def _per(value: float | int | None, whole: int = 1000) -> float | None:
    """Percent to a ratio, or thousandths to the unit itself."""
    return None if value is None else value / whole


def _hertz(megahertz: float | int | None) -> float | None:
    return None if megahertz is None else megahertz * 1e6
