"""A user's Vivado reports: the text of `report_timing_summary` and `report_utilization`.

hwgen runs no vendor tool. What stands in these files is shown beside hwgen's own numbers, labelled
as the user's file. The formats are those of UG906 and UG835 for 7-series and UltraScale+.
"""

from hwgen.vivado_reports.beside import (
    Row,
    beside_lines,
    read_reports,
    timing_rows,
    utilization_rows,
)
from hwgen.vivado_reports.timing import VivadoClock, VivadoPath, VivadoTiming, read_timing
from hwgen.vivado_reports.utilization import Used, VivadoUtilization, read_utilization

__all__ = [
    "Row",
    "Used",
    "VivadoClock",
    "VivadoPath",
    "VivadoTiming",
    "VivadoUtilization",
    "beside_lines",
    "read_reports",
    "read_timing",
    "read_utilization",
    "timing_rows",
    "utilization_rows",
]
