"""Numbers as text, the same way in terminal, HTML and README."""

from __future__ import annotations

from collections.abc import Iterable

MISSING = "–"


def count(value: float | None) -> str:
    """12,345; halves keep one digit."""
    if value is None:
        return MISSING
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def short(value: float | None) -> str:
    """12.3k, 4.56M, 2.54G."""
    if value is None:
        return MISSING
    for limit, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= limit:
            return f"{value / limit:.3g}{suffix}"
    return f"{value:.3g}"


def percent(value: float | None, digits: int = 1) -> str:
    """0.9567 -> 95.7 %."""
    return MISSING if value is None else f"{100 * value:.{digits}f} %"


def megabytes(value: float | None, whole: float | None = None) -> str:
    """0.77 MB; with the whole, 0.77 of 0.90 MB."""
    if value is None:
        return MISSING
    of = "" if whole is None else f" of {whole / 1e6:.2f}"
    return f"{value / 1e6:.2f}{of} MB"


def gigabytes(value: float | None) -> str:
    """Bytes a second: 1.47 GB/s."""
    return MISSING if value is None else f"{value / 1e9:.2f} GB/s"


def rate(value: float | None) -> str:
    """Frames per second: whole above 100."""
    if value is None:
        return MISSING
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def deviation(predicted: float | None, simulated: float | None) -> str:
    """How far the prediction is from the simulation: +0.12 %."""
    if not predicted or not simulated:
        return MISSING
    text = f"{100 * (predicted - simulated) / simulated:+.2f} %"
    return text.lstrip("+-") if predicted == simulated else text


def ratio(used: float | None, available: float | None) -> float | None:
    """Used over available; None when unknown or when there is none of it."""
    return used / available if used is not None and available else None


def table_row(cells: Iterable[str]) -> str:
    """One row of a Markdown table."""
    return "| " + " | ".join(cells) + " |"
