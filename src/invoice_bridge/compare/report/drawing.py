"""The drawings of a report as inline SVG: a strip of classes, and bands between two columns of statuses.

Rules of this file: shapes are named by class, never styled in place; a list beside each drawing has the same content,
so a drawing is one image to a screen reader.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Band = tuple[str, str, int]

_WIDTH, _LABEL, _BAR, _GAP = 440, 130, 8, 10
_THINNEST = 2.0  # pixels, so that one invoice among 10,000 is visible
_NODE = 18.0


def strip(parts: Iterable[tuple[str, int]]) -> str:
    """Draw counts side by side as one strip, 1,000 wide, with every part that is not empty visible."""
    some = [(name, count) for name, count in parts if count]
    total = sum(count for _, count in some)
    drawn, at = [], 0.0
    room = 1000 - 6 * len(some)
    for name, count in some:
        width = 6 + room * count / total
        drawn.append(f'<rect class="{name}" x="{at:.1f}" y="0" width="{max(width - 2, 1):.1f}" height="10"/>')
        at += width
    return (
        '<svg class="strip" viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true" focusable="false">'
        f"{''.join(drawn)}</svg>"
    )


def bands(flows: Sequence[Band], order: Sequence[str]) -> str:
    """Draw the pairs of names: a band from the left to the right, as thick as its count.

    `order` has every name once, from top to bottom; `flows` are sorted by it.
    """
    total = sum(count for _, _, count in flows)
    tallest = max(len({flow[side] for flow in flows}) for side in (0, 1))
    scale = max(90.0, 28.0 * tallest) / total
    thick = [max(_THINNEST, count * scale) for _, _, count in flows]
    tops: list[dict[str, float]] = []
    nodes, height = [], 0.0
    for side in (0, 1):
        at, top = 8.0, {}
        for name in order:
            own = [place for place, flow in enumerate(flows) if flow[side] == name]
            if not own:
                continue
            size = sum(thick[place] for place in own)
            top[name] = at + max(0.0, _NODE - size) / 2
            nodes.append(_node(side, name, sum(flows[place][2] for place in own), top[name], size))
            at += max(_NODE, size) + _GAP
        height = max(height, at)
        tops.append(top)
    shapes = []
    for flow, width in zip(flows, thick, strict=True):
        shapes.append(_band(flow, tops[0][flow[0]], tops[1][flow[1]], width))
        tops[0][flow[0]] += width
        tops[1][flow[1]] += width
    return (
        f'<svg class="bands" viewBox="0 0 {_WIDTH} {height:.0f}" role="img" '
        'aria-label="Statuses on the left, and what they are on the right; the list beside this says the same">'
        f"{''.join(shapes)}{''.join(nodes)}</svg>"
    )


def thousands(digits: str) -> list[str]:
    """Split a number into its groups of three digits."""
    begin = len(digits) % 3 or 3
    return [digits[:begin], *(digits[at : at + 3] for at in range(begin, len(digits), 3))]


def _node(side: int, name: str, count: int, top: float, size: float) -> str:
    first, *groups = thousands(str(count))
    rest = "".join(f'<tspan dx="2">{group}</tspan>' for group in groups)
    bar = _WIDTH - _LABEL - _BAR if side else _LABEL
    text, anchor = (bar + _BAR + 8, "start") if side else (bar - 8, "end")
    return (
        f'<rect class="node" x="{bar}" y="{top:.1f}" width="{_BAR}" height="{size:.1f}"/>'
        f'<text x="{text}" y="{top + size / 2 + 4:.1f}" text-anchor="{anchor}">'
        f"{name} <tspan>{first}</tspan>{rest}</text>"
    )


def _band(flow: Band, left: float, right: float, width: float) -> str:
    one, other, count = flow
    begin, end = _LABEL + _BAR, _WIDTH - _LABEL - _BAR
    middle = (begin + end) / 2
    curve = (
        f"M{begin} {left:.1f}C{middle} {left:.1f} {middle} {right:.1f} {end} {right:.1f}v{width:.1f}"
        f"C{middle} {right + width:.1f} {middle} {left + width:.1f} {begin} {left + width:.1f}z"
    )
    name = "still" if one == other else "moved"
    return f'<path class="{name}" d="{curve}"><title>{one}, {other}: {count}</title></path>'
