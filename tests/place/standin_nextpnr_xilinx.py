"""Stands for nextpnr-xilinx: takes its options (common/command.cc, xilinx/main.cc), checks the
files that they name, answers with files and a log in its form (common/timing.cc).

STANDIN_IS_FULL=1: the design does not fit.
"""

import json
import os
import sys
from pathlib import Path

OPTIONS = ("--chipdb", "--xdc", "--fasm", "--json", "--write", "--freq", "--seed", "--sdf", "--log")
FLAGS = ("--timing-allow-fail", "--version")
SDF = """\
(CELL
(CELLTYPE "SLICE_FFX")
(INSTANCE {ff})
(INTERCONNECT b/O {ff}/CK (0:0:0) (0:0:0))
(INTERCONNECT {ff}/Q {ff}/D (900:900:900) (900:900:900))
(IOPATH CK Q (300:300:300) (300:300:300))
(SETUPHOLD (posedge D) (posedge CK) (50:50:50) (0:0:0))
"""


def options(args: list[str]) -> dict[str, str]:
    given = {}
    while args:
        name = args.pop(0)
        if name in FLAGS:
            given[name] = ""
        elif name in OPTIONS and args:
            given[name] = args.pop(0)
        else:
            sys.exit(f"unrecognised option '{name}'")
    return given


def check_constraints(text: str, ports: set[str]) -> None:
    """A clock, and for every port a pin of its own and its standard; nothing else."""
    lines = [line.split() for line in text.splitlines()]
    (clock,) = (w for w in lines if w[0] == "create_clock")
    assert clock[1:4] == ["-name", "clk", "-period"], clock
    assert clock[5:] == ["[get_ports", "clk]"], clock
    set_ = [w for w in lines if w[0] == "set_property"]
    assert len(set_) == len(lines) - 1, lines
    found = {
        key: {w[4].rstrip("]"): w[2] for w in set_ if w[1] == key} for key in ("LOC", "IOSTANDARD")
    }
    assert found["LOC"].keys() == found["IOSTANDARD"].keys() == ports, found
    assert len(set(found["LOC"].values())) == len(ports), found


def main() -> None:
    given = options(sys.argv[1:])
    if "--version" in given:
        print(
            '"nextpnr-xilinx" -- Next Generation Place and Route (Version 0.8.2-51-g9f2c7a1e)',
            file=sys.stderr,
        )
        return
    if "--chipdb" not in given:
        sys.exit("ERROR: chip database binary must be provided")
    assert Path(given["--chipdb"]).read_bytes() == b"chip"
    design = json.loads(Path(given["--json"]).read_text())["modules"]
    (top,) = (m for m in design.values() if int(m["attributes"].get("top", "0"), 2))
    check_constraints(Path(given["--xdc"]).read_text(), set(top["ports"]))
    kinds = {name: cell["type"] for name, cell in top["cells"].items()}
    assert not any(k.startswith("$") or k.islower() for k in kinds.values()), "device cells only"
    if os.environ.get("STANDIN_IS_FULL"):
        print(
            "ERROR: Unable to find legal placement for all cells, design is probably at "
            "utilisation limit."
        )
        sys.exit(255)
    registers = [name for name, kind in kinds.items() if kind == "FDRE"]
    ff = next(name for name in registers if name.startswith("u_design.count_q_"))
    Path(given["--fasm"]).write_text("CLBLL_L_X2Y100.SLICEL_X0.AFF.ZINI\n")
    Path(given["--sdf"]).write_text(SDF.format(ff=ff))
    goal = float(given["--freq"])
    print("Info: Device utilisation:")
    print("Info: \t          SLICE_LUTX:    31/106400     0%")
    print(f"Info: \t           SLICE_FFX:  {len(registers):4}/106400     0%")
    print("Info: \t            RAMB36E1:     0/  140     0%")
    print(f"Info: Max frequency for clock 'clk': 900.00 MHz (PASS at {goal:.2f} MHz)")
    print("Info: Routing complete.")
    print("Info: Critical path report for clock 'clk' (posedge -> posedge):")
    print(f"Warning: Max frequency for clock 'clk': 123.46 MHz (FAIL at {goal:.2f} MHz)")


if __name__ == "__main__":
    main()
