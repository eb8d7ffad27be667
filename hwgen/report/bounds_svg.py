"""What bounds each layer, as SVG: a horizontal bar per group of layers, cut by cause."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from hwgen.report import values
from hwgen.report.cycles import StepGroup
from hwgen.report.schema import Spent, Step

# cause -> label. The first four were busy, the others are losses.
CAUSES = {
    "array": "array",
    "lanes": "lanes",
    "attention": "attention unit",
    "memory": "DDR",
    "startup": "start-up",
    "hazards": "hazards",
    "edges": "tile edges",
}

LABEL_W, BAR_W, CYCLES_W, BOUND_W = 270, 610, 96, 176
ROW_H, BAR_H, TOP = 22, 14, 26
LABEL_CHARS = 38


def total(steps: Sequence[Step]) -> Spent | None:
    """Causes of some steps together; None where one has none."""
    if not steps or any(step.spent is None for step in steps):
        return None
    return Spent(**{cause: sum(getattr(s.spent, cause) for s in steps) for cause in CAUSES})


def bound(spent: Spent) -> str:
    """The cause of most cycles."""
    return max(CAUSES, key=lambda cause: getattr(spent, cause))


def shares(spent: Spent) -> list[dict[str, str]]:
    """The causes that have cycles, in order: class, label, cycles, percent, width of a bar."""
    cycles = sum(spent.model_dump().values())
    return [
        {
            "cause": cause,
            "label": label,
            "cycles": values.count(n),
            "percent": values.percent(n / cycles),
            "width": f"{100 * n / cycles:.2f}",
        }
        for cause, label in CAUSES.items()
        if (n := getattr(spent, cause))
    ]


def draw(groups: Sequence[StepGroup]) -> str:
    """The chart; '' when the steps have no causes."""
    found = [(group, total(group.steps)) for group in groups]
    rows = [(group, spent) for group, spent in found if spent is not None]
    if not rows or len(rows) < len(found):
        return ""
    cycles = [sum(spent.model_dump().values()) for _, spent in rows]
    frame, scale = sum(cycles), BAR_W / max(*cycles, 1)
    height = TOP + ROW_H * len(rows) + 4
    width = LABEL_W + BAR_W + CYCLES_W + BOUND_W
    parts = [f'<svg class="bounds" viewBox="0 0 {width} {height}" role="img">']
    parts += _grid(max(cycles), scale, height)
    right, last = LABEL_W + BAR_W + CYCLES_W, LABEL_W + BAR_W + CYCLES_W + 14
    parts.append(f'<text class="axis end" x="{right}" y="14">cycles</text>')
    parts.append(f'<text class="axis" x="{last}" y="14">mostly, share of the row</text>')
    for k, ((group, spent), n) in enumerate(zip(rows, cycles)):
        parts += _row(group, spent, n, frame, scale, TOP + ROW_H * k)
    return "".join([*parts, "</svg>"])


def _row(
    group: StepGroup, spent: Spent, cycles: int, frame: int, scale: float, y: float
) -> list[str]:
    name, middle = group.name, y + ROW_H / 2 + 4
    short = name if len(name) <= LABEL_CHARS else "…" + name[1 - LABEL_CHARS :]
    layers = f"{len(group.steps)} layer{'s' if len(group.steps) > 1 else ''}"
    share = values.percent(cycles / frame) if frame else values.MISSING
    parts = [
        f'<text class="row-name end" x="{LABEL_W - 10}" y="{middle:g}">{escape(short)}'
        f"<title>{escape(name)}: {layers}, {share} of the frame</title></text>"
    ]
    x = float(LABEL_W)
    for piece in shares(spent) if cycles else []:
        w = getattr(spent, piece["cause"]) * scale
        parts.append(
            f'<rect class="u-{piece["cause"]}" x="{x:.2f}" y="{y + (ROW_H - BAR_H) / 2:g}" '
            f'width="{w:.2f}" height="{BAR_H}"><title>{escape(name)}: {piece["label"]} '
            f"{piece['cycles']} cycles, {piece['percent']}</title></rect>"
        )
        x += w
    right = LABEL_W + BAR_W + CYCLES_W
    parts.append(f'<text class="end" x="{right}" y="{middle:g}">{values.count(cycles)}</text>')
    if cycles:
        most = bound(spent)
        part = values.percent(getattr(spent, most) / cycles, 0)
        parts.append(
            f'<rect class="u-{most}" x="{right + 14}" y="{middle - 9:g}" width="9" height="9" '
            f'rx="2"/><text x="{right + 29}" y="{middle:g}">{CAUSES[most]} {part}</text>'
        )
    return parts


def _grid(longest: int, scale: float, height: float) -> list[str]:
    """Vertical lines at round numbers of cycles."""
    magnitude = 10 ** (len(str(longest)) - 1)
    step = max(1, next(s for s in (magnitude // 5, magnitude // 2, magnitude, 2 * magnitude)
                       if longest <= 8 * max(1, s)))  # fmt: skip
    parts = []
    for n in range(0, longest + 1, step):
        x = LABEL_W + n * scale
        parts.append(f'<line class="grid" x1="{x:.1f}" y1="20" x2="{x:.1f}" y2="{height}"/>')
        parts.append(f'<text class="axis middle" x="{x:.1f}" y="14">{values.short(n)}</text>')
    return parts
