"""hwgen.targets: the devices, boards and files of users; what one reads when the file is wrong."""

from fractions import Fraction
from pathlib import Path

import pytest
from pydantic import ValidationError

from hwgen import cli, targets
from hwgen.errors import HwgenError
from hwgen.targets.memory import PORTS_ONLY, Rate

SIZES = {
    "zynq": (53_200, 106_400, 140, 0, 220),
    "zu3eg": (70_560, 141_120, 216, 0, 360),
    "kv260": (117_120, 234_240, 144, 64, 1_248),
    "zcu102": (274_080, 548_160, 912, 0, 2_520),
    "ecp5-85k": (83_640, 83_640, 104, 0, 156),
}
BOARDS = {  # part, bits of the DRAM's bus, 10^6 transfers a second
    "pynq-z1": ("xc7z020clg400-1", 16, 1050),
    "pynq-z2": ("xc7z020clg400-1", 16, 1050),
    "zedboard": ("xc7z020clg484-1", 32, 1050),
    "zybo-z7-20": ("xc7z020clg400-1", 32, 1066),
    "ultra96-v2": ("xczu3eg-sbva484-1-i", 32, 1066),
    "aup-zu3": ("xczu3eg-sfvc784-2-e", 32, 2400),
    "kv260": ("xck26-sfvc784-2LV-c", 64, 2400),
    "zcu102": ("xczu9eg-ffvb1156-2-e", 64, 2133),
}
MINE = """\
extends = "zynq"
clock_mhz = 150

[dram]
kind = "DDR3"
bus_bits = 16
mega_transfers = 800
efficiency = 0.5
"""


def mine(folder: Path, text: str = MINE) -> Path:
    path = folder / "mine.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", SIZES)
def test_sizes_are_the_data_sheet(name):
    target = targets.get_target(name)
    assert tuple(target.budget.model_dump().values()) == SIZES[name]
    assert target.name == name


def test_zynq_is_the_part_students_have():
    zynq = targets.get_target("zynq")
    assert (zynq.part, zynq.clock_mhz) == ("xc7z020clg400-1", 200)
    assert (zynq.axi_ports, zynq.axi_bits, zynq.beat_bits) == (2, 64, 128)
    assert zynq.bram_bits == 140 * 36 * 1024


def test_every_file_is_listed_smallest_first():
    assert targets.target_names() == (
        "zynq", "pynq-z1", "pynq-z2", "zedboard", "zybo-z7-20", "zu3eg", "aup-zu3", "ultra96-v2",
        "ecp5-85k", "kv260", "zcu102",
    )  # fmt: skip


@pytest.mark.parametrize("name", BOARDS)
def test_boards_have_their_dram_and_their_parts_budget(name):
    board, (part, bits, transfers) = targets.get_target(name), BOARDS[name]
    assert (board.part, board.dram.bus_bits, board.dram.mega_transfers) == (part, bits, transfers)
    assert board.dram.bytes_per_second == Fraction(bits * transfers * 10**6, 8) * Fraction(7, 10)
    base = {"xc7z": "zynq", "xczu3": "zu3eg"}
    for prefix, of in base.items():
        if part.startswith(prefix):
            assert board.budget == targets.get_target(of).budget
            assert board.engine == targets.get_target(of).engine


def test_the_docs_have_the_dram_of_every_board():
    text = (Path(__file__).parents[2] / "docs" / "memory.md").read_text()
    for name, (_, bits, transfers) in BOARDS.items():
        (row,) = (
            line for line in text.splitlines() if line.startswith("|") and f"`{name}`" in line
        )
        dram = targets.get_target(name).dram
        speed = f"{float(dram.bytes_per_second) / 1e9:.2f} GB/s"
        assert f"{bits} bits of {dram.kind}, {transfers} MT/s: {speed}" in row


def test_only_boards_bound_memory():
    with_dram = {name for name in targets.target_names() if targets.get_target(name).dram}
    assert with_dram == set(BOARDS)
    assert targets.get_target("zynq").rate(128) == PORTS_ONLY


def test_the_rate_is_that_of_the_clock():
    pynq = targets.get_target("pynq-z2")  # 1.47 GB/s
    assert pynq.rate(128) == Rate(147, 320)  # of 3.2 GB/s
    assert pynq.rate(128, clock_mhz=100) == Rate(147, 160)
    assert pynq.rate(64) == Rate(147, 160)
    assert targets.get_target("kv260").rate(128) == PORTS_ONLY  # 13.4 of 4 GB/s


def test_a_target_is_frozen():
    with pytest.raises(ValidationError):
        targets.get_target("zynq").lut = 1


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("zync", "did you mean zynq?"),
        ("Zynq", "did you mean zynq?"),
        ("kv26", "did you mean kv260?"),
        ("ecp5", "did you mean ecp5-85k?"),
        ("pynq", "did you mean pynq-z1 or pynq-z2?"),
        ("virtex", "see `hwgen targets`"),
        ("../zynq", "did you mean zynq?"),
    ],
)
def test_unknown_target_names_the_nearest(name, hint):
    with pytest.raises(HwgenError) as error:
        targets.get_target(name)
    assert error.value.line == (
        f"--target: {name!r}; must be one of aup-zu3, ecp5-85k, kv260, pynq-z1, pynq-z2, "
        "ultra96-v2, zcu102, zedboard, zu3eg, zybo-z7-20, zynq, or a file that ends in .toml; "
        f"{hint}"
    )


def test_a_file_of_the_user_is_a_target(tmp_path):
    target = targets.get_target(str(mine(tmp_path)))
    assert (target.name, target.clock_mhz, target.lut) == ("mine", 150, 53_200)
    assert target.engine == targets.get_target("zynq").engine
    assert target.rate(128) == Rate(1, 3)  # 0.8 of 2.4 GB/s
    assert targets.target_label(str(mine(tmp_path))) == "mine"
    other = targets.get_target(str(mine(tmp_path, 'extends = "pynq-z1"\naxi_ports = 1\n')))
    assert (other.beat_bits, other.dram.bus_bits) == (64, 16)
    assert (other.engine["axi_ports"], other.engine["axi_bits"]) == (1, 64)


EXAMPLE = f"see {targets.FOLDER}/zynq.toml"
WRONG = {
    "unknown field": (
        MINE.replace("clock_mhz", "clock"),
        ": clock: is no field; a target has none of it; " + EXAMPLE,
    ),
    "unknown field of the DRAM": (
        MINE + "latency = 3\n",
        ": dram.latency: is no field; a target has none of it; " + EXAMPLE,
    ),
    "missing field": (
        'part = "x"\nfamily = "xc7"\n',
        ": clock_mhz: is missing; every target needs it; " + EXAMPLE,
    ),
    "missing field of the DRAM": (
        MINE.replace("bus_bits = 16\n", ""),
        ": dram.bus_bits: is missing; every target needs it; " + EXAMPLE,
    ),
    "ports too wide": (
        "axi_bits = 128\n" + MINE,
        ": axi_bits: 2 x 128 bits; axi_ports x axi_bits must be at most 128; " + EXAMPLE,
    ),
    "ports of no width": (
        "axi_bits = 100\n" + MINE,
        ": axi_bits: 100; Input should be 32, 64 or 128; " + EXAMPLE,
    ),
    "three ports": (
        "axi_ports = 3\n" + MINE,
        ": axi_ports: 3; Input should be 1 or 2; " + EXAMPLE,
    ),
    "no clock": (
        MINE.replace("150", "0"),
        ": clock_mhz: 0; Input should be greater than or equal to 1; " + EXAMPLE,
    ),
    "clock in Hz": (
        MINE.replace("150", "150_000_000"),
        ": clock_mhz: 150000000; Input should be less than or equal to 1000; " + EXAMPLE,
    ),
    "clock as text": (
        MINE.replace("150", '"150"'),
        ": clock_mhz: '150'; Input should be a valid integer; " + EXAMPLE,
    ),
    "bandwidth 0": (
        MINE.replace("800", "0"),
        ": dram.mega_transfers: 0; Input should be greater than or equal to 1; " + EXAMPLE,
    ),
    "efficiency 0": (
        MINE.replace("0.5", "0.0"),
        ": dram.efficiency: 0.0; Input should be greater than 0; " + EXAMPLE,
    ),
    "efficiency in percent": (
        MINE.replace("0.5", "70"),
        ": dram.efficiency: 70; Input should be less than or equal to 1; " + EXAMPLE,
    ),
    "no number": (
        MINE.replace("0.5", "nan"),
        ": dram.efficiency: nan; Input should be less than or equal to 1; " + EXAMPLE,
    ),
    "engine without such a size": (
        MINE + "[engine]\nlines = 32\n",
        ": engine: lines; is not a size of the engine; " + EXAMPLE,
    ),
    "engine with its own ports": (
        MINE + "[engine]\naxi_bits = 64\n",
        ": engine: axi_bits; is the target's own; " + EXAMPLE,
    ),
    "engine that cannot be": (
        MINE + "[engine]\nlanes = 24\n",
        ": engine: lanes=24; must be 8, 16, 32 or 64; " + EXAMPLE,
    ),
    "extends nothing known": (
        MINE.replace("zynq", "zyng"),
        ": extends: 'zyng'; must be one of aup-zu3, ecp5-85k, kv260, pynq-z1, pynq-z2, "
        "ultra96-v2, zcu102, zedboard, zu3eg, zybo-z7-20, zynq; did you mean zynq?",
    ),
    "no TOML": (
        "part =",
        ": Invalid value (at end of document); must be a TOML file; "
        "see `Add a target` in CONTRIBUTING.md",
    ),
    "nested too deep": (
        "a = " + "[" * 100_000,
        ": nested too deep; must be a TOML file; see `Add a target` in CONTRIBUTING.md",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_one_line(case, tmp_path, capsys):
    text, line = WRONG[case]
    path = mine(tmp_path, text)
    args = ["compile", "m.pt", "--target", str(path), "--out", str(tmp_path / "out")]
    assert cli.main(args) == 2
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"hwgen: error: {path}{line}\n")
    assert list(tmp_path.iterdir()) == [path]  # nothing was begun


def test_a_file_that_cannot_be_read_is_one_line(tmp_path):
    for path, reason in ((tmp_path / "no.toml", "No such file or directory"),
                         (tmp_path / "folder.toml", "Is a directory")):  # fmt: skip
        if "folder" in path.name:
            path.mkdir()
        with pytest.raises(HwgenError) as error:
            targets.get_target(str(path))
        rule = "must be a TOML file; see `Add a target` in CONTRIBUTING.md"
        assert error.value.line == f"{path}: {reason}; {rule}"
    path = tmp_path / "bytes.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(HwgenError, match="must be a TOML file"):
        targets.get_target(str(path))


def test_a_file_with_a_shipped_name_is_refused(tmp_path):
    path = tmp_path / "zynq.toml"
    path.write_text(MINE)
    with pytest.raises(HwgenError) as error:
        targets.get_target(str(path))
    assert error.value.line == (
        f"{path}: 'zynq'; is the name of a target that hwgen ships; "
        "rename the file: reports name it"
    )


def test_a_folder_keeps_its_target(tmp_path):
    path = mine(tmp_path)
    target = targets.get_target(str(path))
    targets.keep_target(tmp_path, target)
    path.unlink()
    assert targets.kept_target(tmp_path) == target
    for damage in ("{}", "[]", "no JSON"):
        (tmp_path / targets.FILE).write_text(damage)
        with pytest.raises(HwgenError) as error:
            targets.kept_target(tmp_path)
        assert error.value.line == (
            f"{tmp_path / targets.FILE}: is missing or damaged; says what was compiled for; "
            "compile again"
        )
