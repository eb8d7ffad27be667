"""The emitted Verilog: plain files copied, `.v.j2` rendered, one wrapper with the sizes."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import jinja2

from hwgen.engine.sizing import Sizing
from hwgen.errors import HwgenError
from hwgen.paths import templates_dir
from hwgen.units.attention import EXP_ROM, exp_rom
from hwgen.units.decode import TEMPLATE as DECODERS
from hwgen.units.decode import decoders

TOP = "hwgen_engine"
ENGINE = "rtl/host/hwgen_engine.v.j2"  # template of TOP


@cache
def environment() -> jinja2.Environment:
    """Jinja2 over `templates/`, undefined names are errors."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates_dir()),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def render(template: str, **values: object) -> str:
    """Render a file of `templates/`."""
    return environment().get_template(template).render(**values)


def masters(s: Sizing) -> tuple[str, ...]:
    """Names of the memory ports on TOP, as their pins begin."""
    return ("m_axi",) if s.axi_ports == 1 else tuple(f"m_axi{k}" for k in range(s.axi_ports))


def axi_pins(s: Sizing) -> dict[str, object]:
    """What the wrapper says of the memory ports: names, last bits of data and strobes, and the nets
    of every pin of hwgen_top, port 0 in its low bits."""
    names, bits = masters(s), s.axi_bits // s.axi_ports
    pins = re.findall(r"\{\{ port \}\}_(\w+)", (templates_dir() / ENGINE).read_text())
    nets = {pin: ", ".join(f"{name}_{pin}" for name in reversed(names)) for pin in pins}
    return {
        "ports": names,
        "data_msb": bits - 1,
        "strobe_msb": bits // 8 - 1,
        "pins": {pin: text if len(names) == 1 else f"{{{text}}}" for pin, text in nets.items()},
    }


def rtl_texts(s: Sizing) -> dict[str, str]:
    """File name -> Verilog of every module of the engine, wrapper last."""
    rtl = templates_dir() / "rtl"
    texts = {p.name: p.read_text() for p in rtl.rglob("*.v")}
    texts |= {f"{name}.v": text for name, text in decoders().items()}
    texts["attention_exp.v"] = exp_rom(s.head)
    own = {templates_dir() / DECODERS, templates_dir() / EXP_ROM}  # rendered above
    for template in set(rtl.rglob("*.v.j2")) - own:
        name = template.name.removesuffix(".j2")
        texts[name] = render(
            f"rtl/{template.relative_to(rtl)}", top=TOP, parameters=s.parameters(), axi=axi_pins(s)
        )
    return {name: texts[name] for name in sorted(texts, key=lambda n: (n == f"{TOP}.v", n))}


def write_rtl(folder: Path, s: Sizing) -> list[Path]:
    """Write every module of the engine into `folder`; returns the files, wrapper last.

    files.f lists them one per line, relative to `folder`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, text in rtl_texts(s).items():
        (folder / name).write_text(text)
        files.append(folder / name)
    (folder / "files.f").write_text("".join(f"{p.name}\n" for p in files))
    return files


def emitted_rtl(folder: Path) -> list[Path]:
    """The Verilog of an output folder, wrapper last. Raises: HwgenError for a file that is not
    there."""
    rtl = Path(folder) / "rtl"
    try:
        files = [rtl / name for name in (rtl / "files.f").read_text().split()]
    except OSError:
        files = []
    if not files:
        raise not_an_output(folder, "rtl/files.f is missing or empty")
    missing = next((f.name for f in files if not f.is_file()), None)
    if missing:
        raise not_an_output(folder, f"rtl/{missing} is missing")
    return files


def not_an_output(folder: Path, value: object) -> HwgenError:
    """The error of a folder that `hwgen compile` did not make, or not whole."""
    return HwgenError(
        str(folder), str(value), "must be the output of `hwgen compile`", "compile again"
    )
