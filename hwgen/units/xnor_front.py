"""XNOR front end: bit memory, activation fetch, XNOR array and partial sums of `xnor_front.v`.

Cycles count from the cycle of `start` (0). An instruction issues in cycles 1 .. issue_cycles; in
the last of them `ready` is high again, and the next start comes in the cycle behind it. Its last
vector always fires in that last cycle; a result is there FIRE_TO_RESULT cycles after its vector,
and announced ANNOUNCED cycles before.
"""

from __future__ import annotations

from dataclasses import dataclass

FIRE_TO_RESULT = 12  # issue cycle that completes a vector -> its result
ANNOUNCED = 4  # c_next -> its result
ATT_LATENCY = 4  # att_re -> att_row
SWAP_TO_FILL = 4  # earliest w_fill after w_swap was taken
FILL_TO_WRITE = 3  # earliest w_we after w_fill
XLIN_FIRST_RESULT = 1 + FIRE_TO_RESULT


@dataclass(frozen=True)
class XnorFront:
    """Parameters of `xnor_front`: L lanes of KW binary columns, one vector per cycle.

    lanes: power of two >= 8; kw: 64, 128 or 256, >= lanes; gu, gs: powers of two, gu <= gs,
    gs <= lanes, 9 gs <= kw; bm_rows: rows of kw bits, in four banks; ps_words: results of an
    instruction kept as partial sums.
    """

    lanes: int = 16
    kw: int = 128
    gu: int = 4
    gs: int = 8
    bm_rows: int = 1024
    ps_words: int = 256

    fire_to_result = FIRE_TO_RESULT
    att_latency = ATT_LATENCY
    verilog = (
        "rtl/xnor/xnor_front.v",
        "rtl/xnor/bit_memory.v",
        "rtl/xnor/activation_fetch.v",
        "rtl/xnor/activation_window.v",
        "rtl/lib/times_xd.v",
        "rtl/lib/phase_count.v",
        "rtl/lib/delay_line.v",
        "rtl/xnor/xnor_array.v",
        "rtl/lib/popcount.v",
        "rtl/lib/popcount_xnor3.v",
        "rtl/lib/popcount_xnor8.v",
        "rtl/lib/popcount_pairs.v",
        "rtl/lib/popcount_total.v",
        "rtl/xnor/partial_sums.v",
        "rtl/lib/register_copy.v",
    )

    def parameters(self) -> dict[str, int]:
        """Verilog parameters of `xnor_front`."""
        return {
            "LANES": self.lanes,
            "KW": self.kw,
            "GU": self.gu,
            "GS": self.gs,
            "BM_ROWS": self.bm_rows,
            "PS_WORDS": self.ps_words,
        }


def phases(n2: int, xd: int) -> list[range]:
    """x positions of every phase that has any: p, p + xd, .. < n2."""
    xd = max(xd, 1)
    return [range(p, n2, xd) for p in range(min(xd, n2))]


def column_cycles(a_s3: int, xd: int, row_elements: int) -> int:
    """Cycles in which XCONV reads a column, the taps of three rows xd a_s3 elements apart.

    1 when that distance is an odd number of rows of the bit memory, so that the three lie in
    different banks (row mod 4); else 3. a_s3: elements from image row to image row;
    row_elements: KW / L.
    """
    return 1 if a_s3 * max(xd, 1) % (2 * row_elements) == row_elements else 3


def issue_cycles(
    conv: bool, n2: int, n3: int, xd: int = 1, width: int | None = None, column: int = 1
) -> int:
    """Cycles from start to the issue of the last vector; the next start comes behind that cycle.

    XLIN: n2 n3. XCONV (n2 <= width, which defaults to n2): per row `column` cycles for every result
    and for every phase whose right column lies inside the image (n2 < width only); one more at the
    end when the last right column is outside.
    """
    if not conv:
        return n2 * n3
    width = n2 if width is None else width
    xd = max(xd, 1)
    inside = [xs[-1] + xd < width for xs in phases(n2, xd)]
    return n3 * column * (n2 + sum(inside)) + (not inside[-1])


def result_cycles(
    conv: bool, n2: int, n3: int, xd: int = 1, width: int | None = None, column: int = 1
) -> list[int]:
    """Cycle of every result, in order, counted from start (with psum_last = 1)."""
    if not conv:
        return [XLIN_FIRST_RESULT + i for i in range(n2 * n3)]
    width = n2 if width is None else width
    xd = max(xd, 1)
    at, out = 0, []
    for _ in range(n3):
        for xs in phases(n2, xd):
            # a result fires with the last tap of the column after its own
            out += [at + column * (k + 1) for k in range(1, len(xs) + 1)]
            at += column * (len(xs) + (xs[-1] + xd < width))
    out[-1] = issue_cycles(conv, n2, n3, xd, width, column)
    return [cycle + FIRE_TO_RESULT for cycle in out]
