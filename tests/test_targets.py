"""hwgen.targets: the devices, and what a user reads when the name or the file is wrong."""

import pytest
from pydantic import ValidationError

from hwgen import targets
from hwgen.errors import HwgenError

SIZES = {
    "zynq": (53_200, 106_400, 140, 0, 220),
    "zu3eg": (70_560, 141_120, 216, 0, 360),
    "kv260": (117_120, 234_240, 144, 64, 1_248),
    "zcu102": (274_080, 548_160, 912, 0, 2_520),
    "ecp5-85k": (83_640, 83_640, 104, 0, 156),
}


@pytest.mark.parametrize("name", SIZES)
def test_sizes_are_the_data_sheet(name):
    target = targets.get_target(name)
    assert tuple(target.budget.model_dump().values()) == SIZES[name]
    assert target.name == name


def test_zynq_is_the_part_students_have():
    zynq = targets.get_target("zynq")
    assert (zynq.part, zynq.clock_mhz, zynq.axi_bits) == ("xc7z020clg400-1", 200, 128)
    assert zynq.bram_bits == 140 * 36 * 1024


def test_every_file_is_listed_smallest_first():
    assert targets.target_names() == ("zynq", "zu3eg", "ecp5-85k", "kv260", "zcu102")


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
        ("virtex", "see `hwgen targets`"),
        ("../zynq", "did you mean zynq?"),
    ],
)
def test_unknown_target_names_the_nearest(name, hint):
    with pytest.raises(HwgenError) as error:
        targets.get_target(name)
    assert error.value.line == (
        f"--target: {name!r}; must be one of ecp5-85k, kv260, zcu102, zu3eg, zynq; {hint}"
    )


def test_a_wrong_file_names_the_field(tmp_path):
    text = (targets.FOLDER / "zynq.toml").read_text()
    path = tmp_path / "mine.toml"
    path.write_text(text.replace("axi_bits = 128", "axi_bits = 100"))
    with pytest.raises(HwgenError) as error:
        targets.load_target(path)
    assert error.value.line == (
        f"{path}: axi_bits: 100; Input should be 32, 64 or 128; see {targets.FOLDER}/zynq.toml"
    )
    path.write_text("part =")
    with pytest.raises(HwgenError, match="must be a TOML file"):
        targets.load_target(path)
