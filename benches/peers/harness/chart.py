"""Bar charts as SVG, readable on a light and on a dark page."""

from html import escape

WIDTH, LABEL, VALUE = 760, 190, 64
BAR, GAP, HEAD, PANEL_HEAD = 16, 6, 34, 26
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #24292f }
.title { font-size: 15px; font-weight: 600 } .panel { font-weight: 600 } .value { font-variant-numeric: tabular-nums }
.bar { fill: #b6bec8 } .own { fill: #1f6feb } .line { stroke: #6e7781; stroke-dasharray: 3 3 }
@media (prefers-color-scheme: dark) {
  text { fill: #d6dde4 } .bar { fill: #57606a } .own { fill: #4493f8 } .line { stroke: #8b949e }
}
"""


def text(x, y, words, kind="", anchor="start"):
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def bars(title, panels, digits=2, reference=None):
    """Panels of bars: (heading, [(label, value, highlighted)]), all on one scale, with a dashed line at `reference`."""
    panels = [(heading, rows) for heading, rows in panels if rows]
    values = [value for _, rows in panels for _, value, _ in rows]
    scale = (WIDTH - LABEL - VALUE) / max([*values, 1e-9])
    parts, y = [text(0, 16, title, "title")], HEAD
    for heading, rows in panels:
        parts.append(text(0, y + 12, heading, "panel"))
        y += PANEL_HEAD
        top = y
        for label, value, highlighted in rows:
            parts.append(text(LABEL - 8, y + 12, label, anchor="end"))
            kind = "own" if highlighted else "bar"
            parts.append(f'<rect class="{kind}" x="{LABEL}" y="{y}" width="{value * scale:.1f}" height="{BAR}" rx="2"/>')
            parts.append(text(LABEL + value * scale + 6, y + 12, f"{value:,.{digits}f}", "value"))
            y += BAR + GAP
        if reference is not None:
            x = LABEL + reference * scale
            parts.append(f'<line class="line" x1="{x:.1f}" x2="{x:.1f}" y1="{top - 3}" y2="{y - GAP + 3}"/>')
        y += GAP
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}" role="img">'
    return "\n".join([head, f"<title>{escape(title)}</title>", f"<style>{STYLE}</style>", *parts, "</svg>"]) + "\n"
