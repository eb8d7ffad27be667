// layernorm: statistics of tokens and the table that LNAPPLY reads (hwgen/engine/numerics.py).
#pragma once

#include "isa.hpp"
#include "numerics.hpp"
#include "tables.hpp"

namespace hwgen {

// 1 / sqrt(value) = r 2**-14 2**-h, r in [2**14, 2**15): a table of 192 guesses y0 for the top
// 16 bits v of value 2**-2h, one Newton step y0 (3 - v y0 y0) / 2. value 1 .. 2**52 - 1.
inline void rsqrt(const ap_uint<52>& value, ap_uint<16>& r, ap_uint<5>& h) {
#pragma HLS inline
    h = 0;
    for (int k = 0; k < 26; ++k) { // the highest pair of bits that is not 0
#pragma HLS unroll
        if (value.range(2 * k + 1, 2 * k) != 0) h = k + 1;
    }
    const ap_uint<16> v = ap_uint<52>(value << (52 - 2 * h)) >> 36;
    const ap_int<17> y0 = RSQRT[(v >> 8) - 64];
    const ap_int<34> q = round_shift(ap_int<34>(y0 * y0), 14);
    const ap_int<36> p = round_shift(ap_int<36>(v * q), 14);
    const ap_int<54> newton = y0 * ((3 << 16) - p);
    const ap_int<54> y1 = round_shift(newton, 17);
    r = y1 > 32767 ? ap_int<54>(32767) : y1;
}

// Table entry of a token: twice the mean, and the gain r 2**-shift.
struct NormEntry {
    ap_int<18> mean2;
    ap_int<17> r;
    ap_uint<6> shift;
};

// s1 = sum x, s2 = sum x x over the channels of a token, times scale 2**-16: of 2**log2c channels;
//   mean2 = rshift_round(s1, log2c - 1), V = s2 2**log2c - s1 s1 + eps in 1 .. 2**52 - 1,
//   (r, h) = rsqrt(V), full = max(3, h + 3 - log2c), shift = the largest of 3, 5 .. 17 up to full,
//   R = rshift_round(r, full - shift). The sums have 42 bits.
inline NormEntry norm_entry(const ap_int<43>& sum1, const ap_int<43>& sum2, const SetNorm& set) {
    NormEntry e;
    const ap_int<27> s1 = round_shift(ap_int<62>(sum1 * ap_int<18>(set.scale)), 16);
    const ap_int<43> s2 = round_shift(ap_int<62>(sum2 * ap_int<18>(set.scale)), 16);
    ap_int<64> v = (ap_int<64>(s2) << set.log2c) - ap_int<64>(s1 * s1) + set.eps;
    const ap_int<64> top = (ap_int<64>(1) << 52) - 1;
    if (v < 1) v = 1;
    if (v > top) v = top;
    ap_uint<16> r;
    ap_uint<5> h;
    rsqrt(v, r, h);
    ap_int<7> full = h + 3 - set.log2c;
    if (full < 3) full = 3;
    const ap_int<7> odd = full - (full & 1 ? 0 : 1);
    e.shift = odd > 17 ? ap_int<7>(17) : odd;
    const int less = full - e.shift;
    e.r = less > 0 ? round_shift(ap_int<17>(r), less) : ap_int<17>(r);
    e.mean2 = set.log2c > 1 ? round_shift(s1, set.log2c - 1) : s1;
    return e;
}

// LNSTAT appends an entry per token; LNAPPLY takes one for q_mask + 1 results; SET norm with reset
// restarts both.
struct NormTable {
    NormEntry entry[NT_WORDS];
    ap_uint<16> made, used;
    ap_uint<6> shared;
    ap_int<43> s1;
    SetNorm set;

    // Both counters to 0.
    void reset() {
        made = 0;
        used = 0;
        shared = 0;
    }

    // total: sum of the accumulators of all lanes; squares = false: of x, true: of x x.
    void append(bool squares, const ap_int<43>& total) {
#pragma HLS inline
        if (!squares) {
            s1 = total;
            return;
        }
        entry[made % NT_WORDS] = norm_entry(s1, total, set);
        ++made;
    }

    // The entry of the next result of LNAPPLY.
    const NormEntry& current() const { return entry[used % NT_WORDS]; }

    // After a result.
    void next(ap_uint<6> q_mask) {
#pragma HLS inline
        if (shared == q_mask) {
            shared = 0;
            ++used;
        } else {
            ++shared;
        }
    }
};

} // namespace hwgen
