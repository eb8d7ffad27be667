// post_lane: the post chain of one channel (hwgen/ops/post.py).
#pragma once

#include "isa.hpp"
#include "memories.hpp"
#include "numerics.hpp"
#include "tables.hpp"

namespace hwgen {

using Y = ap_int<18>; // y1, y3 and y5

// y1 = sat18(rshift_round(acc, sh1) + b), sh1 = 3, 5 .. 17. acc 40 bits.
inline Y shift_unit(const Acc& acc, ap_uint<6> sh1, const Param& b) {
#pragma HLS inline
    const ap_uint<3> steps = (sh1 - 3) >> 1;
    const Acc wide = acc >> 2; // the half of the smallest shift is the lowest bit now
    const ap_int<38> halves = wide >> (2 * steps);
    const ap_int<38> quotient = (halves >> 1) + (halves & 1);
    const ap_int<39> sum = quotient + b;
    return saturate<18>(sum);
}

// t >= 0 ? t : rshift_round(t slope, sh2), sh2 = 10 or 14. t 19, slope 16 bits.
inline ap_int<36> rprelu(const ap_int<19>& t, const Param& slope, ap_uint<5> sh2) {
#pragma HLS inline
    const ap_int<36> product = t * slope;
    const ap_int<36> below = sh2 == 14 ? round_shift(product, 14) : round_shift(product, 10);
    return t >= 0 ? ap_int<36>(t) : below;
}

// An activation function of t by 64 chords over [-2**14, 2**14); outside 0 and t itself, or with
// flat the intercept of the nearer end (hwgen/engine/chords.py). t 19 bits.
inline ap_int<36> follow_chord(const ap_int<19>& t, const ChordTable& table) {
#pragma HLS inline
    const ap_int<19> limit = 1 << 14;
    const bool below = t < -limit, above = t >= limit;
    const ap_uint<6> chord = below ? 0 : above ? 63 : int((t + limit) >> 9);
    const ap_int<36> intercept = table.intercept[chord];
    if (below) return table.flat ? intercept : ap_int<36>(0);
    if (above) return table.flat ? intercept : ap_int<36>(t);
    const ap_int<36> product = t * table.slope[chord];
    return round_shift(product, 14) + intercept;
}

// y5 = sat18((y4 m3 + c3 2**9) >> sh3), sh3 = 10, 13, 16 or 19; without an affine step m3 = 2**13
// and sh3 = 13. y4 19, m3 16, c3 26 bits.
inline Y affine(const ap_int<19>& y4, const PostConstants& k, bool aff, ap_uint<5> sh3) {
#pragma HLS inline
    const ap_int<16> m3 = aff ? k.m3 : Param(1 << 13);
    const ap_int<37> sum = y4 * m3 + (ap_int<36>(k.c3) << 9);
    ap_int<37> y = sum >> 13;
    if (aff && sh3 == 10) y = sum >> 10;
    if (aff && sh3 == 16) y = sum >> 16;
    if (aff && sh3 == 19) y = sum >> 19;
    return saturate<18>(y);
}

// y2 = y1 + pre; y3 = sat18(rprelu, chord or y2); y5 = affine(y3 + mid); y6 = satA(y5 + out);
// bit = (bit_y3 ? y3 : y6) >= t. acc 40 bits, residuals and y6 ACT_BITS.
inline Feature post_lane(const Acc& acc, const Compute& c, ap_uint<6> sh1, const PostConstants& k,
                         const ChordTable& table, const Feature& pre, const Feature& mid,
                         const Feature& out, bool& bit) {
#pragma HLS inline
    const ap_int<19> y2 = shift_unit(acc, sh1, k.b) + pre;
    ap_int<36> active = y2;
    if (c.rp)
        active = rprelu(y2, k.slope, c.sh2);
    else if (c.chords)
        active = follow_chord(y2, table);
    const Y y3 = saturate<18>(active);
    const Y y5 = affine(y3 + mid, k, c.aff, c.sh3);
    const ap_int<19> sum = y5 + out;
    const Feature y6 = saturate<ACT_BITS>(sum);
    bit = (c.bit_y3 ? y3 : Y(y6)) >= k.t;
    return y6;
}

// pooled[p] = rshift_round(sum of 2**pool adjacent channels from p 2**pool on, pool) for
// p < LANES >> pool, at lanes pool_pos (LANES >> pool) ..; mask: the lanes that are written.
inline void pool_lanes(const Feature y[LANES], ap_uint<2> pool, ap_uint<3> pool_pos,
                       Feature word[LANES], Bits& mask) {
#pragma HLS inline
    const ap_uint<7> part = LANES >> pool;
    const ap_uint<10> first = pool_pos * part % LANES;
    ap_int<ACT_BITS + 3> sum[LANES];
#pragma HLS array_partition variable=sum type=complete
    for (int l = 0; l < LANES; ++l) {
#pragma HLS unroll
        sum[l] = y[l];
    }
    for (int level = 0; level < 3; ++level) { // a tree: sums of 2, 4, 8 channels
#pragma HLS unroll
        for (int l = 0; l < LANES / 2; ++l) {
#pragma HLS unroll
            if (level < pool && l < (LANES >> (level + 1))) sum[l] = sum[2 * l] + sum[2 * l + 1];
        }
    }
    for (int l = 0; l < LANES; ++l) {
#pragma HLS unroll
        const ap_int<ACT_BITS + 3> mine = sum[(l - first) & (part - 1)];
        mask[l] = l >= first && l < first + part;
        word[l] = pool == 0 ? mine : pool == 1 ? round_shift(mine, 1)
                                 : pool == 2 ? round_shift(mine, 2) : round_shift(mine, 3);
    }
}

} // namespace hwgen
