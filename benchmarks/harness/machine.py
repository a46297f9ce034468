"""The machine under the measurement: what it is, its clock, memory and cores.

Imports nothing heavy: a worker asks here before any runtime has started a thread.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import re
import subprocess
import sys
import uuid
from datetime import datetime, timezone
from pathlib import Path

from mobilevit_edge import __version__
from mobilevit_edge.formats.report import (
    Affinity,
    Calm,
    Device,
    DeviceState,
    Flag,
    Protocol,
    Row,
    Run,
    System,
    Tool,
)

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
"""What libraries read when they load, to learn how many threads to start."""
_LIBRARIES = ("torch", "numpy", "onnxruntime", "executorch", "coremltools", "ai-edge-litert")


def new_run(
    *,
    affinity: Affinity,
    protocol: Protocol,
    rows: tuple[Row, ...],
    calm: Calm | None = None,
    flags: tuple[Flag, ...] = (),
) -> Run:
    """A run of ``mobilevit-bench`` that begins now, on this machine."""
    return Run(
        id=uuid.uuid4().hex,
        tool=Tool("mobilevit-bench", __version__),
        created=utc_now(),
        device=this_device(),
        system=this_system(),
        versions=library_versions(),
        affinity=affinity,
        protocol=protocol,
        calm=calm,
        flags=flags,
        rows=rows,
    )


def utc_now() -> str:
    """The time in the form that reports hold it."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def this_device() -> Device:
    """This computer."""
    return Device(
        kind="computer",
        name=f"{platform.system()} {platform.machine()}".strip() or "computer",
        processor=_processor(),
        cores=os.cpu_count() or 1,
        memory_bytes=_memory_bytes(),
    )


def this_system() -> System:
    """The operating system."""
    return System(platform.system() or "unknown", platform.release() or "unknown")


def device_state(core: int | None) -> DeviceState:
    """What may change during a measurement, as far as this system reports it."""
    return DeviceState(clock_mhz=_clock_mhz(core))


def library_versions() -> dict[str, str]:
    """Installed versions of what may take part in a measurement."""
    versions = {"python": platform.python_version()}
    for name in _LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions


def affinity() -> tuple[int, ...] | None:
    """The cores that this process may use; ``None`` where the system does not say."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    return tuple(sorted(os.sched_getaffinity(0)))


def default_core() -> int | None:
    """The last core that this process may use: the first serve interrupts on many machines."""
    cores = affinity()
    return cores[-1] if cores else None


def pin_to_core(core: int | None) -> None:
    """Keep this process on one core if the system can; :func:`affinity` tells what took effect."""
    if core is not None and hasattr(os, "sched_setaffinity"):
        # A core that does not exist or is not ours is found by comparing what took effect.
        try:
            os.sched_setaffinity(0, {core})
        except OSError:
            return


def memory_bytes() -> int | None:
    """Memory that this process holds now."""
    return _status_bytes("VmRSS")


def peak_memory_bytes() -> int | None:
    """The most memory that this process has held.

    Not from ``getrusage`` on Linux: there a process inherits the peak of the one that started it.
    """
    peak = _status_bytes("VmHWM")
    if peak is None and sys.platform == "darwin":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak


def involuntary_switches() -> int | None:
    """How often the system has taken the core from this process."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def _status_bytes(name: str) -> int | None:
    match = re.search(rf"^{name}:\s+(\d+) kB$", _text("/proc/self/status"), re.MULTILINE)
    return int(match[1]) * 1024 if match else None


def _clock_mhz(core: int | None) -> float | None:
    if core is None:
        return None
    current = _text(f"/sys/devices/system/cpu/cpu{core}/cpufreq/scaling_cur_freq").strip()
    if current.isdigit():
        return int(current) / 1000
    clocks = re.findall(r"^cpu MHz\s*:\s*([0-9.]+)$", _text("/proc/cpuinfo"), re.MULTILINE)
    return float(clocks[core]) if core < len(clocks) and float(clocks[core]) > 0 else None


def _processor() -> str:
    match = re.search(r"^model name\s*:\s*(.+)$", _text("/proc/cpuinfo"), re.MULTILINE)
    if match:
        return match[1].strip()
    if sys.platform == "darwin":
        asked = subprocess.run(
            ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"],
            capture_output=True,
            text=True,
            check=False,
        )
        if asked.stdout.strip():
            return asked.stdout.strip()
    return platform.processor() or platform.machine() or "unknown"


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
