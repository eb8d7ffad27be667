"""A scatter plot as SVG: one marker per point, coloured by family, labels that do not overlap."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import product
from math import ceil, floor, log10
from typing import NamedTuple

WIDTH, HEIGHT = 960, 500
LEFT, RIGHT, TOP, BOTTOM = 78, 24, 44, 56
RADIUS = 5.5
CHAR_W, LINE_H = 6.6, 15  # of a label at 12 px, rounded up
HEADROOM = 0.4  # decades above the highest point, for its label
COLOURS = ("#b3541e", "#6f4aa8", "#1f6f8b", "#2f7d4f", "#8a8a2a", "#8b1f4f")
STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#24292f}.axis{fill:#57606a}"
    ".grid{stroke:#d8dee4}.frame{stroke:#8c959f;fill:none}.leader{stroke:#8c959f}"
    ".middle{text-anchor:middle}.end{text-anchor:end}"
)


class Point(NamedTuple):
    """One network."""

    label: str
    family: str
    x: float
    y: float


class Box(NamedTuple):
    x0: float
    y0: float
    x1: float
    y1: float

    def meets(self, other: Box) -> bool:
        return (
            self.x0 < other.x1 and other.x0 < self.x1 and self.y0 < other.y1 and other.y0 < self.y1
        )


def draw(points: Sequence[Point], x_title: str, y_title: str) -> str:
    """x linear from 0, y logarithmic. Points that coincide share a label."""
    families = list(dict.fromkeys(p.family for p in points))
    colour = dict(zip(families, COLOURS, strict=False))
    low, high = floor(log10(min(p.y for p in points))), log10(max(p.y for p in points)) + HEADROOM
    x_max = ceil(max(p.x for p in points) * 2.4) / 2
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" role="img" aria-label="{escape(y_title)} against {escape(x_title)}">',
        f'<style>{STYLE}</style><rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
    ]

    def place(p: Point) -> tuple[float, float]:
        x = LEFT + p.x / x_max * (WIDTH - LEFT - RIGHT)
        share = (log10(p.y) - low) / (high - low)
        return x, HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    parts += _axes(x_max, low, high, x_title, y_title)
    x = float(LEFT)
    for family in families:
        parts.append(
            f'<circle cx="{x + 6:.1f}" cy="20" r="{RADIUS}" fill="{colour[family]}"/>'
            f'<text x="{x + 17:.1f}" y="24">{escape(family)}</text>'
        )
        x += 17 + CHAR_W * len(family) + 18
    groups: dict[tuple[int, int], list[Point]] = {}
    for p in points:
        cx, cy = place(p)
        groups.setdefault((round(cx), round(cy)), []).append(p)
    at = [place(members[0]) for members in groups.values()]
    labels = [", ".join(p.label for p in members) for members in groups.values()]
    boxes = place_labels(at, labels)
    for (cx, cy), members, label, box in zip(at, groups.values(), labels, boxes):
        end = (min(max(cx, box.x0), box.x1), min(max(cy, box.y0 + 3), box.y1 - 3))
        if abs(end[0] - cx) + abs(end[1] - cy) > 3 * RADIUS:
            parts.append(
                f'<line class="leader" x1="{cx:.1f}" y1="{cy:.1f}" x2="{end[0]:.1f}" '
                f'y2="{end[1]:.1f}"/>'
            )
        title = "; ".join(f"{p.label}: {p.y:,.0f} at {p.x:.3f}" for p in members)
        parts.append(
            f'<circle cx="{cx:.1f}" cy="{cy:.1f}" r="{RADIUS}" fill="{colour[members[0].family]}">'
            f"<title>{escape(title)}</title></circle>"
            f"{_text(label, box, cx)}"
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


def place_labels(at: Sequence[tuple[float, float]], labels: Sequence[str]) -> list[Box]:
    """A box per label inside the frame that meets no marker and no other label.

    The nearest free one of the places around the marker; the last tried if none is free.
    """
    margin = RADIUS + 2
    markers = [Box(x - margin, y - margin, x + margin, y + margin) for x, y in at]
    frame = Box(LEFT + 2, TOP + 2, WIDTH - RIGHT - 2, HEIGHT - BOTTOM - 2)
    placed: list[Box] = []
    for (x, y), label in zip(at, labels):
        w, box = CHAR_W * len(label) + 4, None
        near = RADIUS + 4
        shifts = sorted(
            product((near, -near - w, -w / 2), range(-8 * LINE_H, 8 * LINE_H + 1, LINE_H // 3)),
            key=lambda s: (abs(s[1]), s[0] != near),
        )
        for dx, dy in shifts:
            middle = y + dy
            box = Box(x + dx, middle - LINE_H / 2, x + dx + w, middle + LINE_H / 2)
            inside = box.x0 >= frame.x0 and box.x1 <= frame.x1
            inside = inside and box.y0 >= frame.y0 and box.y1 <= frame.y1
            if inside and not any(box.meets(b) for b in (*markers, *placed)):
                break
        assert box is not None
        placed.append(box)
    return placed


def _text(label: str, box: Box, marker_x: float) -> str:
    """The label in its box, at the side of the marker."""
    x, kind = box.x0 + 2, ""
    if box.x1 < marker_x:
        x, kind = box.x1 - 2, ' class="end"'
    elif box.x0 < marker_x:
        x, kind = (box.x0 + box.x1) / 2, ' class="middle"'
    return f'<text{kind} x="{x:.1f}" y="{box.y1 - 4:.1f}">{escape(label)}</text>'


def _axes(x_max: float, low: int, high: float, x_title: str, y_title: str) -> list[str]:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = []
    steps = round(x_max * 2)
    for k in range(steps + 1):
        x = LEFT + k / steps * (right - LEFT)
        parts.append(f'<line class="grid" x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{bottom}"/>')
        parts.append(f'<text class="axis middle" x="{x:.1f}" y="{bottom + 18}">{k / 2:g}</text>')
    for power in range(low, floor(high) + 1):
        y = bottom - (power - low) / (high - low) * (bottom - TOP)
        parts.append(f'<line class="grid" x1="{LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}"/>')
        digits = str(power).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
        parts.append(f'<text class="axis end" x="{LEFT - 8}" y="{y + 4:.1f}">10{digits}</text>')
    middle = (LEFT + right) / 2
    parts.append(
        f'<rect class="frame" x="{LEFT}" y="{TOP}" width="{right - LEFT}" '
        f'height="{bottom - TOP}"/>'
        f'<text class="middle" x="{middle:.1f}" y="{HEIGHT - 14}">{escape(x_title)}</text>'
        f'<text class="middle" transform="translate(20 {(TOP + bottom) / 2:.1f}) rotate(-90)">'
        f"{escape(y_title)}</text>"
    )
    return parts
