"""Puts the tables between their markers in benches/README.md, and the charts beside it."""

from . import paths, report

BEGIN, END = "<!-- results: begin, written by `peers/run` -->", "<!-- results: end -->"


def write(results):
    text = paths.README.read_text()
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    paths.CHARTS.mkdir(exist_ok=True)
    pictures = []
    for name, svg in report.charts(results):
        (paths.CHARTS / name).write_text(svg)
        pictures.append(f"![{name.removesuffix('.svg')}]({paths.CHARTS.name}/{name})")
    parts = [BEGIN, *pictures, report.markdown(results), END]
    paths.README.write_text(before + "\n\n".join(parts) + after)
