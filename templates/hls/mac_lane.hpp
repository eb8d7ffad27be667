// mac_lane: the multiply-accumulator of a lane.
#pragma once

#include "sizes.hpp"

namespace hwgen {

// Operands of one beat for all lanes: x w + sum_k u_k v_k, k < 3.
struct Operands {
    ap_int<18> x[LANES];
    ap_int<17> w[LANES];
    ap_int<16> u[3][LANES];
    ap_int<16> v[3][LANES];
    bool extra; // u and v count (MACS, stencil)
};

// acc = (first ? 0 : acc) + x w + extra sum_k u_k v_k. x 18, w 17, u and v 16, acc 40 bits.
inline Acc multiply_accumulate(const Acc& acc, const Operands& o, int l, bool first) {
#pragma HLS inline
    Acc sum = o.x[l] * o.w[l];
    if (o.extra) {
        for (int k = 0; k < 3; ++k) {
#pragma HLS unroll
            sum += o.u[k][l] * o.v[k][l];
        }
    }
    return first ? sum : Acc(acc + sum);
}

// peak = first ? x : max(peak, x); the accumulator is peak w (w of the last iteration).
inline ap_int<18> maximum(const ap_int<18>& peak, const ap_int<18>& x, bool first) {
#pragma HLS inline
    return first || x > peak ? x : peak;
}

} // namespace hwgen
