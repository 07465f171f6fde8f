"""A figure as SVG: the same bytes for the same values, ids of its own, no style that a strict CSP would refuse."""

import io
import re
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Iterator

from rerank_eval.report.canvas import COLOURS, INK, PAPER, Plot, report_style

_SVG = "{http://www.w3.org/2000/svg}"
_LINK = "{http://www.w3.org/1999/xlink}href"
_DECIMALS = re.compile(r"(\d+\.\d\d)\d+")
_TRANSLATE = re.compile(r"translate\([^)]*\)")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_SERIES = re.compile(r"s(\d+)\.")
_FONT = re.compile(r"(?:(?P<weight>\d+|bold) )?(?P<size>[\d.]+)px (?P<family>.+)")


def to_svg(plot: Plot, text_as_paths: bool) -> str:
    """Return a whole SVG file; marks carry their details as `<title>`, and groups of a system the class `s<index>`."""
    root = _tidy(plot, text_as_paths, plot.name)
    root.set("xmlns", _SVG.strip("{}"))
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def to_inline_svg(plot: Plot, prefix: str) -> str:
    """Return an `<svg>` element for a page, its ids beginning with `prefix`, its colours left to the page's style sheet.

    What is drawn in a system's colour has the class `c<number>` and `currentColor`; ink is `currentColor` alone; what is drawn
    in the colour of the paper has the class `paper-fill` or `paper-stroke`.
    """
    root = _tidy(plot, False, prefix)
    for name in ("width", "height"):
        root.attrib.pop(name, None)
    root.set("class", "plot")
    for element in root.iter():
        if element.tag == "text":
            element.attrib.pop("font-family", None)
        for name in ("fill", "stroke"):
            colour = element.get(name)
            if colour == INK:
                element.set(name, "currentColor")
            elif colour in COLOURS:
                element.set(name, "currentColor")
                _add_class(element, f"c{COLOURS.index(colour)}")
            elif colour == PAPER:
                _add_class(element, f"paper-{name}")
    return ET.tostring(root, encoding="unicode")


def to_png(plot: Plot, dots_per_inch: int = 200) -> bytes:
    """Return the figure as a PNG on white."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    buffer = io.BytesIO()
    with report_style(), _quiet_about_glyphs():
        FigureCanvasAgg(plot.figure)
        plot.figure.savefig(buffer, format="png", dpi=dots_per_inch, facecolor="white", metadata={"Software": None})
    return buffer.getvalue()


def _quiet_about_glyphs() -> "warnings.catch_warnings[None]":
    """Return a context in which a name in a script that the font lacks is no warning; the reader sees boxes there."""
    return warnings.catch_warnings(action="ignore", category=UserWarning)


def _tidy(plot: Plot, text_as_paths: bool, prefix: str) -> ET.Element:
    buffer = io.BytesIO()
    with report_style(plot.name, text_as_paths), _quiet_about_glyphs():
        plot.figure.savefig(
            buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
        )
    root = ET.fromstring(buffer.getvalue())
    _drop(root)
    elements = list(root.iter())
    links = {element: element.attrib.pop(_LINK) for element in elements if _LINK in element.attrib}
    for element in elements:
        element.tag = element.tag.removeprefix(_SVG)
        if element.text is not None and not element.text.strip():
            element.text = None
        element.tail = None
        for name, value in _presentation(element):
            element.set(name, value)
        for name in ("d", "x", "y", "viewBox", "points"):
            if name in element.attrib:
                element.set(name, _cut_decimals(element.attrib[name]))
        if "transform" in element.attrib:  # of a scale, of which glyphs have 1/64, every decimal counts
            element.set("transform", _TRANSLATE.sub(lambda found: _cut_decimals(found[0]), element.attrib["transform"]))
    for element, link in links.items():
        element.set("href", link)
    _add_details(root, plot)
    _rename_ids(root, prefix)
    root.attrib.pop("version", None)
    root.set("stroke-linejoin", "round")  # what matplotlib's style element says of every element
    return root


def _cut_decimals(numbers: str) -> str:
    """Return coordinates to a hundredth of a point: smaller files, and nothing that an eye could see."""
    return _DECIMALS.sub(r"\1", numbers).replace("\n", "")


def _drop(root: ET.Element) -> None:
    """Drop the metadata and the style element, which would hold for the whole page."""
    for parent in list(root.iter()):
        for child in list(parent):
            is_style = child.tag == f"{_SVG}defs" and len(child) == 1 and child[0].tag == f"{_SVG}style"
            if child.tag == f"{_SVG}metadata" or is_style:
                parent.remove(child)


def _presentation(element: ET.Element) -> Iterator[tuple[str, str]]:
    """Yield the style of an element as attributes of their own: a hash in style-src forbids style attributes."""
    for declaration in element.attrib.pop("style", "").split(";"):
        name, _, value = (part.strip() for part in declaration.partition(":"))
        if name == "font" and (font := _FONT.fullmatch(value)):
            yield "font-size", font["size"]
            yield "font-family", font["family"]
            if font["weight"]:
                yield "font-weight", font["weight"]
        elif name == "stroke-width":
            yield name, f"{float(value):g}"
        elif name and name != "font":
            yield name, value


def _add_details(root: ET.Element, plot: Plot) -> None:
    """Put each mark of a known group into a group with its details as title, and the system's class on its groups."""
    for group in [element for element in root.iter("g") if "id" in element.attrib]:
        series = _SERIES.match(group.get("id", ""))
        if series:
            _add_class(group, f"s{series[1]}")
        details = plot.marks.get(group.get("id", ""), ())
        parents = {child: parent for parent in group.iter() for child in parent}
        marks = [element for element in group.iter("use") if "id" not in element.attrib]
        if len(marks) != len(details):
            marks = [group] if len(details) == 1 else []
        for mark, detail in zip(marks, details, strict=False):
            title = ET.Element("title")
            title.text = _printable(detail)
            if mark is group:
                group.insert(0, title)
                continue
            parent = parents[mark]
            wrapper = ET.Element("g")
            parent[list(parent).index(mark)] = wrapper
            wrapper.extend((title, mark))


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def _rename_ids(root: ET.Element, prefix: str) -> None:
    """Begin every id that something refers to with `prefix`, and drop the others."""
    used: set[str] = set()
    for element in root.iter():
        for name, value in element.attrib.items():
            if name == "href":
                used.add(value.removeprefix("#"))
                element.set(name, f"#{prefix}-{value.removeprefix('#')}")
            elif found := _REFERENCE.search(value):
                used.add(found[1])
                element.set(name, f"url(#{prefix}-{found[1]})")
    for element in root.iter():
        identifier = element.attrib.pop("id", None)
        if identifier in used:
            element.set("id", f"{prefix}-{identifier}")


def _add_class(element: ET.Element, name: str) -> None:
    element.set("class", f"{element.get('class', '')} {name}".strip())
