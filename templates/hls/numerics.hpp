// numerics: the one rounding rule and saturation (hwgen/engine/numerics.py).
#pragma once

#include "sizes.hpp"

namespace hwgen {

// y = (x + 2**(s-1)) >> s, halves up. x: W bits, 1 <= s <= W; y: W bits (never overflows).
template <int W>
inline ap_int<W> round_shift(const ap_int<W>& x, int s) {
#pragma HLS inline
    const ap_int<W> half_steps = x >> (s - 1); // twice the quotient; its lowest bit is the half
    const ap_int<W> carry = half_steps & 1;
    const ap_int<W> quotient = half_steps >> 1;
    return quotient + carry;
}

// y = min(max(x, -2**(B-1)), 2**(B-1) - 1). x: W bits, y: B bits, B < W.
template <int B, int W>
inline ap_int<B> saturate(const ap_int<W>& x) {
#pragma HLS inline
    const ap_int<W> high = (ap_int<W>(1) << (B - 1)) - 1;
    const ap_int<W> low = -high - 1;
    if (x > high) return high;
    if (x < low) return low;
    return x;
}

} // namespace hwgen
