"""What stands beside every frames/s in README: its clock, the memory bandwidth, the share of LUTs.

The clock is that of the report (hwgen.report.clock): the smaller of the planned and the estimated
one, or planned and not checked where no estimate was made.
"""

from __future__ import annotations

from hwgen.report import clock, values
from hwgen.report.schema import Report

RATE, MEMORY = "frames/s (clock)", "memory bandwidth"  # titles of columns


def frames_per_second(report: Report) -> float | None:
    """Of simulated cycles, of predicted ones before there are any."""
    return clock.of(report).rate(report.cycles.simulated or report.cycles.predicted)


def rate(report: Report) -> str:
    """151 (190.8 MHz estimated)."""
    speed = frames_per_second(report)
    if speed is None:
        return values.MISSING
    of = "" if report.cycles.simulated else "; predicted cycles"
    return f"{values.rate(speed)} ({clock.of(report).label}{of})"


def memory(report: Report, clock_mhz: float | None = None) -> str:
    """What the cycles rely on: ports 3.20 GB/s, DRAM 1.47 GB/s. The ports' is at a clock, that of
    `rate` where None; without DRAM it was taken to be as fast as the ports."""
    ports = clock.port_bytes_per_second(report)
    if clock_mhz is not None:
        ports *= clock_mhz / clock.of(report).mhz
    text = f"ports {values.gigabytes(ports)}"
    dram = report.memory.dram_bytes_per_second
    return text if dram is None else f"{text}, DRAM {values.gigabytes(dram)}"


def share(report: Report, key: str) -> str:
    """A resource as Yosys counts it, and its share of the part: 51,201 (96 %)."""
    used, there = getattr(report.resources, key), getattr(report.target.budget, key)
    return f"{values.count(used)} ({values.percent(values.ratio(used, there), 0)})"
