"""Reports as Vivado lays them out (UG906, UG835), written by hand; no number was measured."""

RULE = "-" * 96


def header(command: str, device: str, state: str | None = "Routed", tool: str = "v.2023.2") -> str:
    """The head of a report; timing reports of older versions have no state."""
    rows = {
        "Tool Version": f"Vivado {tool} (lin64) Build 4029153 Fri Oct 13 20:13:54 MDT 2023",
        "Date": "Mon Mar  3 09:15:00 2025",
        "Host": "bench running 64-bit Ubuntu 22.04.5 LTS",
        "Command": command,
        "Design": "system_wrapper",
        "Device": device,
        "Speed File": "-1  PRODUCTION 1.12 2019-11-22",
        **({"Design State": state} if state else {}),
    }
    lines = [f"| {key:<17} : {value}" for key, value in rows.items()]
    return "\n".join(
        ["Copyright 1986-2023 Xilinx, Inc. All Rights Reserved.", RULE, *lines, RULE, ""]
    )


def section(title: str) -> str:
    return f"\n{RULE}\n| {title}\n| {'-' * len(title)}\n{RULE}\n\n"


COLUMNS = ("WNS(ns)", "TNS(ns)", "TNS Failing Endpoints", "TNS Total Endpoints",
           "WHS(ns)", "THS(ns)", "THS Failing Endpoints", "THS Total Endpoints",
           "WPWS(ns)", "TPWS(ns)", "TPWS Failing Endpoints", "TPWS Total Endpoints")  # fmt: skip


def table(names: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Names, dashes, rows; columns two blanks apart."""
    width = [max(map(len, column)) for column in zip(names, *rows, strict=True)]
    dashes = tuple("-" * len(n) for n in names)
    lines = [
        "  ".join(c.ljust(w) for c, w in zip(r, width, strict=True)) for r in (names, dashes, *rows)
    ]
    return "\n".join(f"{line.rstrip()}  " for line in lines) + "\n\n"


def path(slack: str, source: str, destination: str, clock: str, period: str, delay: str) -> str:
    """A setup path as far as its "Location" table."""
    verdict = "VIOLATED" if slack.startswith("-") else "MET"
    edges = f"{{rise@0.000ns fall@2.500ns period={period}ns}}"
    return f"""\
Slack ({verdict}) :        {slack}ns  (required time - arrival time)
  Source:                 {source}
                            (rising edge-triggered cell FDRE clocked by {clock}  {edges})
  Destination:            {destination}
                            (rising edge-triggered cell FDRE clocked by {clock}  {edges})
  Path Group:             {clock}
  Path Type:              Setup (Max at Slow Process Corner)
  Requirement:            {period}ns  ({clock} rise@{period}ns - {clock} rise@0.000ns)
  Data Path Delay:        {delay}ns  (logic 1.500ns (30.000%)  route 3.500ns (70.000%))
  Logic Levels:           7  (CARRY4=2 LUT3=1 LUT6=4)
  Clock Path Skew:        -0.045ns (DCD - SCD + CPR)
    Destination Clock Delay (DCD):    2.700ns = ( 7.700 - 5.000 )
  Clock Uncertainty:      0.083ns  ((TSJ^2 + TIJ^2)^1/2 + DJ) / 2 + PE

    Location             Delay type                Incr(ns)  Path(ns)    Netlist Resource(s)
  -------------------------------------------------------------------    -------------------
    SLICE_X36Y44         FDRE (Prop_fdre_C_Q)         0.456     3.201 r  {source[:-1]}Q

"""


HOLD = """\
Slack (MET) :             0.031ns  (arrival time - required time)
  Source:                 engine/inst/u_top/u_core/a_reg/C
                            (rising edge-triggered cell FDRE clocked by clk_fpga_0  {..})
  Destination:            engine/inst/u_top/u_core/b_reg/D
  Data Path Delay:        0.250ns  (logic 0.141ns (56.000%)  route 0.109ns (44.000%))
  Logic Levels:           0
"""

FETCH = "engine/inst/u_top/u_core/u_fetch/conv_q_reg[0]/C"
COMPUTE = "engine/inst/u_top/u_core/u_compute/b_addr_reg[12]/CE"
LEFT = "engine/inst/u_top/u_core/u_dma/left_reg[3]/D"
SUMMARY = ("-0.412", "-95.310", "731", "148211", "0.031", "0.000", "0", "148211",
           "1.250", "0.000", "0", "47001")  # fmt: skip
SUMMARY_TABLE = table(COLUMNS, [SUMMARY])
CLOCKS = [("clk_fpga_0", "{0.000 2.500}", "5.000", "200.000"),
          ("  slow", "{0.000 10.000}", "20.000", "50.000")]  # fmt: skip
NO_SETUP = ("  slow", *[""] * 8, "9.500", "0.000", "0", "12")  # a clock with pulse widths only
RUN = "-" * 40
TIMING = "\n".join(
    [
        header("report_timing_summary -file timing.rpt", "7z020-clg400"),
        "Timing Summary Report",
        section("Timer Settings"),
        "  Enable Multi Corner Analysis               :  Yes",
        section("Design Timing Summary"),
        SUMMARY_TABLE,
        "Timing constraints are not met.",
        section("Clock Summary"),
        table(("Clock", "Waveform(ns)", "Period(ns)", "Frequency(MHz)"), CLOCKS),
        section("Intra Clock Table"),
        table(("Clock", *COLUMNS), [("clk_fpga_0", *SUMMARY), NO_SETUP]),
        section("Inter Clock Table"),
        table(("From Clock", "To Clock", *COLUMNS[:8]), []),
        section("Timing Details"),
        f"Max Delay Paths\n{RUN}",
        path("-0.100", FETCH, LEFT, "clk_fpga_0", "5.000", "4.950"),
        path("-0.412", FETCH, COMPUTE, "clk_fpga_0", "5.000", "5.210"),
        f"Min Delay Paths\n{RUN}",
        HOLD,
    ]
)


def grid(names: list[str], rows: list[list[str]]) -> str:
    """A table between rules, as `report_utilization` draws it."""
    rule = "+--------+"
    lines = [f"| {' | '.join(cells)} |" for cells in (names, *rows)]
    return "\n".join([rule, lines[0], rule, *lines[1:], rule, ""])


def sites(title: str, *rows: tuple[str, str, str], prohibited: bool) -> str:
    """A table (site type, used, available); newer versions have the column Prohibited."""
    fixed = 2 if prohibited else 1
    names = ["Site Type", "Used", *["Fixed", "Prohibited"][:fixed], "Available", "Util%"]
    cells = []
    for name, used, available in rows:
        share = f"{100 * float(used) / int(available):.2f}" if available else ""
        cells.append([name, used, *["0" if available else ""] * fixed, available, share])
    return f"\n{title}\n{'-' * len(title)}\n\n{grid(names, cells)}"


UTILIZATION_7 = "\n".join(
    [
        header("report_utilization -file use.rpt", "7z020clg400-1", "Fully Placed", "v.2020.2"),
        "Utilization Design Information",
        sites(
            "1. Slice Logic",
            ("Slice LUTs", "46012", "53200"),
            ("  LUT as Logic", "38000", "53200"),
            ("    LUT as Shift Register", "512", ""),
            ("Slice Registers", "52001", "106400"),
            ("  Register as Flip Flop", "52000", "106400"),
            prohibited=False,
        ),
        sites(
            "2. Memory",
            ("Block RAM Tile", "131.5", "140"),
            ("  RAMB36/FIFO*", "120", "140"),
            ("    RAMB36E1 only", "120", ""),
            ("  RAMB18", "23", "280"),
            prohibited=False,
        ),
        sites("3. DSP", ("DSPs", "198", "220"), ("  DSP48E1 only", "198", ""), prohibited=False),
    ]
)
UTILIZATION_US = "\n".join(
    [
        header("report_utilization -file use_synth.rpt", "xck26-sfvc784-2LV-c", "Synthesized"),
        sites(
            "1. CLB Logic",
            ("CLB LUTs*", "88001", "117120"),
            ("  LUT as Logic", "80000", "117120"),
            ("CLB Registers", "120500", "234240"),
            prohibited=True,
        ),
        sites(
            "2. BLOCKRAM", ("Block RAM Tile", "100", "144"), ("URAM", "48", "64"), prohibited=True
        ),
        sites("3. ARITHMETIC", ("DSPs", "700", "1248"), prohibited=True),
    ]
)
HIERARCHY = "\n".join(
    [
        header("report_utilization -hierarchical -file use.rpt", "7z020clg400-1"),
        "1. Utilization by Hierarchy",
        grid(
            ["Instance", "Module", "Total LUTs", "Logic LUTs", "LUTRAMs", "SRLs", "FFs", "RAMB36",
             "RAMB18", "DSP48 Blocks"],
            [
                f"{instance}, {module}, {counts}".split(", ")
                for instance, module, counts in (
                    ("system_wrapper", "(top)", "48100, 40000, 7000, 1100, 54321, 120, 23, 198"),
                    ("  system_i", "system", "48100, 40000, 7000, 1100, 54321, 120, 23, 198"),
                    ("    engine", "engine_0", "46012, 38500, 7000, 512, 52001, 120, 21, 198"),
                    ("      inst", "hwgen_engine", "46000, 38488, 7000, 512, 52000, 120, 21, 198"),
                    ("        (inst)", "hwgen_engine", "1, 1, 0, 0, 0, 0, 0, 0"),
                )
            ],
        ),
    ]
)  # fmt: skip
