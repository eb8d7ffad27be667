"""The tables of docs/networks.md, from the tests: `python -m tests.frontend.table` writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from torch import nn

from hwgen.errors import HwgenError
from hwgen.passes.lower import lower_model
from tests.frontend import binary_layers, test_coverage, test_dependence, test_user_signs
from tests.frontend.nets import Net, first_reason, seeded
from tests.networks import IMAGE

PAGE = Path(__file__).parents[2] / "docs" / "networks.md"
LONG = 130  # characters of an error line that are shown
Make = Callable[[], nn.Module]


def line(make: Make, image: tuple[int, int, int] = IMAGE) -> str:
    """The error of a network that does not compile, shortened where it lists what is supported."""
    try:
        lower_model(seeded(make), meta={"image": image})
    except HwgenError as error:
        text = first_reason(error)
        what, *supported = text.split("; supported: ")
        if supported and supported[0].count(",") > 4:  # all handlers
            return f"{what}; supported: ..."
        return text if len(text) <= LONG else text[: text[:LONG].rindex(" ")] + " ..."
    raise AssertionError("compiles")


def refused(cases: dict[str, tuple[Make, tuple[int, int, int]]]) -> str:
    rows = [f"| {name} | `{line(*case)}` |" for name, case in cases.items()]
    return "\n".join(["| what | error |", "| --- | --- |", *rows]).replace("\\|", "|")


def listed(names: Iterator[str] | list[str]) -> str:
    return "; ".join(names) + "."


def tables() -> dict[str, str]:
    """Marker -> the text between its comments."""
    heads = [n.removeprefix("head: ") for n in test_coverage.OK if n.startswith("head")]
    bodies = [n for n in test_coverage.OK if not n.startswith("head")]
    unsupported = {name: (make, IMAGE) for name, (make, _) in test_coverage.NO.items()}
    parts = test_dependence.REFUSED | test_user_signs.REFUSED
    hidden = {name: (lambda p=part: Net(p), IMAGE) for name, (part, _) in parts.items()}
    return {
        "bodies": listed(bodies),
        "heads": listed(heads),
        "signs": listed(list(binary_layers.SIGNS)),
        "layers": listed(list(test_user_signs.LAYERS)),
        "refused": refused(unsupported),
        "hidden": refused({n: hidden[n] for n in test_dependence.REFUSED}),
        "signs refused": refused({n: hidden[n] for n in test_user_signs.REFUSED}),
    }


def written(page: str) -> str:
    """The page with its tables as the tests are now."""
    for name, text in tables().items():
        begin, end = f"<!-- {name}:begin -->\n", f"\n<!-- {name}:end -->"
        before, rest = page.split(begin)
        page = before + begin + text + end + rest.split(end, 1)[1]
    return page


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
