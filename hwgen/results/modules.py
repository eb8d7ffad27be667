"""The modules of the RTL: who instantiates whom, and the list in docs/architecture.md.

`python -m hwgen.results.modules` rewrites the list between the markers from the headers of the
files; a test compares it.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import takewhile

from hwgen.atomic import write_text_atomic
from hwgen.emit.rtl import rtl_texts
from hwgen.engine.sizing import Sizing
from hwgen.paths import CHECKOUT, templates_dir
from hwgen.report.values import table_row
from hwgen.results.markers import fill
from hwgen.units.decode import decoders

PAGE = CHECKOUT / "docs" / "architecture.md"
BEGIN = "<!-- modules:begin -->"
END = "<!-- modules:end -->"
FOLDERS = ("host", "frame", "decode", "compute", "xnor", "attention", "lanes", "lib")


@cache
def hierarchy() -> dict[str, tuple[str, ...]]:
    """Module -> the modules that it instantiates, of the emitted engine."""
    texts = {name.removesuffix(".v"): text for name, text in rtl_texts(Sizing()).items()}
    instance = re.compile(rf"^\s*({'|'.join(texts)})\s+(?:#\s*\(|u_\w+)", re.M)
    return {name: tuple(dict.fromkeys(instance.findall(text))) for name, text in texts.items()}


def below(module: str) -> set[str]:
    """All modules under `module`, itself not included."""
    found: set[str] = set()
    todo = [module]
    while todo:
        for name in hierarchy()[todo.pop()]:
            if name not in found:
                found.add(name)
                todo.append(name)
    return found


def job(text: str) -> str:
    """The first sentence of a file's header, without the module's name."""
    lines = takewhile(lambda line: line.startswith("// "), text.splitlines())
    words = " ".join(line.removeprefix("// ").strip() for line in lines)
    sentence = re.split(r"(?<=[^.])\.(?: |$)", re.sub(r"^\w+: ", "", words))[0].replace("**", "^")
    first = sentence.split()[0]
    plain = len(first) > 1 and first[1:] == first[1:].lower()
    return first.lower() + sentence[len(first) :] if plain else sentence


def block() -> str:
    """The Markdown between the markers: every file of templates/rtl, by folder."""
    rtl = templates_dir() / "rtl"
    lines = [table_row(("file", "job")), table_row(("---", "---"))]
    texts = rtl_texts(Sizing())
    for folder in FOLDERS:
        for path in sorted((rtl / folder).iterdir()):
            name = path.name.removesuffix(".j2")
            about = job(texts[name]) if name in texts else ""
            if name not in texts:  # one template, several files
                names = ", ".join(f"`{module}.v`" for module in sorted(decoders()))
                about = f"fields of an instruction: {names}"
            lines.append(table_row((f"`{folder}/{path.name}`", about)))
    return "\n".join(lines) + "\n"


def main() -> None:
    text = PAGE.read_text()
    write_text_atomic(PAGE, fill(text, block(), "docs/architecture.md", BEGIN, END))


if __name__ == "__main__":
    main()
