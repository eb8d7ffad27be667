"""HwgenError: one line, whatever it is given."""

import pickle

import pytest

from hwgen import errors
from hwgen.errors import HwgenError


def test_the_line_has_place_value_rule_way_out():
    error = HwgenError("blocks.3.q", "lanes=48", "must divide K=64", "use 1, 2, 4, 8, 16, 32 or 64")
    assert error.line == str(error)
    assert error.line == "blocks.3.q: lanes=48; must divide K=64; use 1, 2, 4, 8, 16, 32 or 64"


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (("a finished line",), "a finished line"),
        (("place", 48), "place: 48"),
        (("place", "", "rule"), "place: rule"),
        (("place", "two\nlines", "a \t rule"), "place: two lines; a rule"),
    ],
)
def test_it_is_always_one_line(args, line):
    assert HwgenError(*args).line == line


def test_every_user_error_exits_with_2():
    found = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, HwgenError)]
    assert {e.__name__ for e in found} >= {
        "HwgenError", "CheckpointError", "UnsupportedOpError", "FitError", "ToolError",
    }  # fmt: skip
    for error in found:
        assert error.exit_code == 2
        assert error("place", "value").line == "place: value"


def test_it_survives_a_process_boundary():
    error = errors.FitError("--target zynq", "150 BRAM36", "has 140", "lower array_bits")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is errors.FitError
    assert again.line == error.line
