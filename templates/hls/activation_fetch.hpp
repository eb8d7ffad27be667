// activation_fetch: vectors of the XNOR array out of the bit memory.
#pragma once

#include "isa.hpp"
#include "memories.hpp"

namespace hwgen {

// XLIN: a[k] = bit k of the elements base .. base + elems - 1 (inside one row), 0 behind them, for
// all four quadrants. a: (4, KW) bits.
inline void fetch_linear(const BitMemory& bits, ap_uint<16> base, ap_uint<5> elems,
                         Row a[4][ROW_WORDS]) {
#pragma HLS inline
    Row vector[ROW_WORDS];
#pragma HLS array_partition variable=vector type=complete
    for (int w = 0; w < ROW_WORDS; ++w) {
#pragma HLS unroll
        vector[w] = 0;
    }
    const int column = base % ROW_ELEMS;
    for (int k = 0; k < ROW_ELEMS; ++k) { // one row of the memory, rotated
#pragma HLS unroll
        Row element = 0;
        if (k < elems) element = bits.row[base / ROW_ELEMS][(column + k) % ROW_ELEMS];
        vector[k * LANES / WORD_BITS] |= element << (k * LANES % WORD_BITS);
    }
    for (int q = 0; q < 4; ++q) {
#pragma HLS unroll
        for (int w = 0; w < ROW_WORDS; ++w) {
#pragma HLS unroll
            a[q][w] = vector[w];
        }
    }
}

// XCONV: the window of a 3x3 convolution with dilation xd around result (x, y), columns from left
// to right. Tap (dy, dx) holds, for quadrant q, g_len GU bits of the token from bit
// (g_base + (q >> g_qsh) g_step) GU on; a tap outside the image holds 0. A step shifts the window
// by one column of taps and reads the next one: three tokens of the bit memory.
struct ConvWindow {
    ap_uint<GS> tap[3][3][4]; // column dx + 1, row dy + 1, quadrant
    ap_uint<16> first;        // element of the first slice, counted from the token
    ap_uint<8> skip[4];       // bits from there to the slice of each quadrant
    ap_uint<GS> mask;
    ap_int<16> row_step;      // elements between the rows of the window

    // Fields that hold for the instruction.
    void start(const Compute& c) {
#pragma HLS inline
        const ap_uint<16> base = c.g_base * GU;
        first = base / LANES;
        for (int q = 0; q < 4; ++q) {
#pragma HLS unroll
            skip[q] = base % LANES + (ap_uint<2>(q) >> c.g_qsh) * c.g_step * GU;
        }
        mask = 0;
        for (int k = 0; k < GS; ++k) {
#pragma HLS unroll
            mask[k] = k < c.g_len * GU;
        }
        row_step = c.a_s3 * c.xd;
    }

    // Shift, then read the column of image column x whose middle token is at element `at`.
    // x, y: 14 bits; rows y - xd, y, y + xd and columns outside height x width count as outside.
    void step(const BitMemory& bits, const Compute& c, ap_uint<16> at, ap_int<14> x,
              ap_int<14> y) {
#pragma HLS inline
        for (int row = 0; row < 3; ++row) {
#pragma HLS unroll
            const ap_int<15> line = y + (row - 1) * ap_int<4>(c.xd);
            const bool inside = x >= 0 && x < c.width && line >= 0 && line < c.height;
            ap_uint<2 * LANES> token = 0;
            if (inside) token = bits.pair(at + (row - 1) * row_step + first);
            for (int q = 0; q < 4; ++q) {
#pragma HLS unroll
                tap[0][row][q] = tap[1][row][q];
                tap[1][row][q] = tap[2][row][q];
                tap[2][row][q] = ap_uint<GS>(token >> skip[q]) & mask;
            }
        }
    }

    // A row or phase begins: what lies left of its first column is outside.
    void clear() {
#pragma HLS inline
        for (int column = 0; column < 3; ++column) {
#pragma HLS unroll
            for (int row = 0; row < 3; ++row) {
#pragma HLS unroll
                for (int q = 0; q < 4; ++q) {
#pragma HLS unroll
                    tap[column][row][q] = 0;
                }
            }
        }
    }

    // a[q][(3 (dx + 1) + dy + 1) GS ..] = tap (dy, dx) of quadrant q. a: (4, KW) bits.
    void vectors(Row a[4][ROW_WORDS]) const {
#pragma HLS inline
        for (int q = 0; q < 4; ++q) {
#pragma HLS unroll
            for (int w = 0; w < ROW_WORDS; ++w) {
#pragma HLS unroll
                a[q][w] = 0;
            }
            for (int k = 0; k < 9; ++k) {
#pragma HLS unroll
                a[q][k * GS / WORD_BITS] |= Row(tap[k / 3][k % 3][q]) << (k * GS % WORD_BITS);
            }
        }
    }
};

// Border pattern {below, above, right, left outside} of the taps of result (x, y), left lowest.
inline ap_uint<4> border_pattern(const Compute& c, ap_int<14> x, ap_int<14> y) {
#pragma HLS inline
    ap_uint<4> pattern = 0;
    pattern[0] = x < c.xd;
    pattern[1] = x + c.xd >= c.width;
    pattern[2] = y < c.xd;
    pattern[3] = y + c.xd >= c.height;
    return pattern;
}

} // namespace hwgen
