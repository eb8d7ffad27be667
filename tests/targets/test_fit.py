"""An engine that does not fit its target is refused: what, by how much, what helps."""

from __future__ import annotations

import pytest

from hwgen.engine.sizing import Sizing
from hwgen.errors import FitError
from hwgen.targets import get_target
from hwgen.targets.fit import check_fit

MICRO = Sizing(fm_words=2560, tm_words=1024, bm_rows=1024)


def test_too_large_an_engine_is_refused() -> None:
    check_fit(MICRO, get_target("zynq"), "micro")
    with pytest.raises(FitError) as error:
        check_fit(MICRO.replace(fm_words=1 << 14), get_target("zynq"), "micro")
    assert str(error.value) == (
        "micro: needs about 152 BRAM36 with 16 lanes x 128 bits, 16-bit features; zynq has 140, "
        "12 too few; use smaller images or fewer channels, or take a larger target"
    )
    check_fit(MICRO.replace(fm_words=1 << 14), get_target("zcu102"), "micro")


def test_all_resources_that_are_short_are_named() -> None:
    small = get_target("zynq").model_copy(update={"lut": 9000})
    with pytest.raises(FitError) as error:
        check_fit(MICRO.replace(fm_words=1 << 14), small, "micro")
    assert str(error.value) == (
        "micro: needs about 26,386 LUT and 152 BRAM36 with 16 lanes x 128 bits, 16-bit features; "
        "zynq has 9,000 and 140, 17,386 and 12 too few; --set array_bits= or lanes= smaller and "
        "use smaller images or fewer channels, or take a larger target"
    )
