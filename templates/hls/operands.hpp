// operands: x, w, u and v of the lanes in one beat, per kind of instruction (table in
// docs/architecture.md). All LANES values of an instruction's operands are made at once.
#pragma once

#include "layernorm.hpp"
#include "mac_lane.hpp"
#include "mac_source.hpp"
#include "memories.hpp"

namespace hwgen {

// XLIN, XCONV: x = 2 popcount + om[slot], w = cm. pop 16, x 18 bits.
inline void xnor_operands(const Count pop[LANES], const Parameters& p, ap_uint<8> om_slot,
                          ap_uint<8> cm_slot, Operands& o) {
#pragma HLS inline
    for (int l = 0; l < LANES; ++l) {
#pragma HLS unroll
        o.x[l] = 2 * pop[l] + p.om[om_slot][l];
        o.w[l] = p.cm[cm_slot][l];
    }
}

// ATT: x = context channel of the lane in word i2 of the unit, w = cm.
inline void context_operands(const ap_int<16> context[64], ap_int<14> i2, const Parameters& p,
                             ap_uint<8> cm_slot, Operands& o) {
#pragma HLS inline
    for (int l = 0; l < LANES; ++l) {
#pragma HLS unroll
        o.x[l] = context[(i2 * LANES + l) % 64];
        o.w[l] = p.cm[cm_slot][l];
    }
}

// MACV: x = the word, w = cm.
inline void vector_operands(const Feature word[LANES], const Parameters& p, ap_uint<8> cm_slot,
                            Operands& o) {
#pragma HLS inline
    for (int l = 0; l < LANES; ++l) {
#pragma HLS unroll
        o.x[l] = word[l];
        o.w[l] = p.cm[cm_slot][l];
    }
}

// MACV stencil: nine products in three beats, four a beat, one of each CM bank. Beat b of result
// (row r, column x) multiplies
//   0: w(0, 2) w(0, 1) w(0, 0) w(0, -1)   1: - w(0, -2) w(-2, 0) w(-1, 0)
//   2: - w(1, 0) w(2, 0) w(2, 0) again
// with w(dy, dx) the word dy rows and dx columns away; "-" is the word that is read, of no tap
// (its weight is 0), and w(0, 2) is the word that is read.
inline void stencil_operands(const Feature word[LANES], const StencilRing& ring, bool r,
                             ap_int<14> x, ap_uint<2> b, const Parameters& p, ap_uint<8> cm_slot,
                             Operands& o) {
#pragma HLS inline
    const int dy[3][3] = {{0, 0, 0}, {0, -2, -1}, {1, 2, 2}};
    const int dx[3][3] = {{1, 0, -1}, {-2, 0, 0}, {0, 0, 0}};
    o.extra = true;
    for (int k = 0; k < 3; ++k) {
#pragma HLS unroll
        Feature cell[LANES];
#pragma HLS array_partition variable=cell type=complete
        ring.at(r, x, dy[b][k], dx[b][k], cell);
        for (int l = 0; l < LANES; ++l) {
#pragma HLS unroll
            o.u[k][l] = cell[l];
            o.v[k][l] = p.cm_bank[k][cm_slot % BANKED_SLOTS][l];
        }
    }
    vector_operands(word, p, cm_slot, o);
}

// MACS: the elements e and e | 1 of the word, broadcast, times the two signed bytes of a WB word
// (low, high); quad: e .. e + 3 times the CM slot of banks 0 .. 3. e: element, 20 bits, the lane
// lowest.
inline void scalar_operands(const Feature word[LANES], ap_uint<20> e, bool quad,
                            const Parameters& p, ap_uint<16> wb_word, ap_uint<8> cm_slot,
                            Operands& o) {
#pragma HLS inline
    const ap_uint<6> lane = e % LANES;
    o.extra = true;
    for (int l = 0; l < LANES; ++l) {
#pragma HLS unroll
        o.x[l] = word[lane];
        if (quad) {
            o.w[l] = p.cm[cm_slot][l];
            for (int k = 0; k < 3; ++k) {
#pragma HLS unroll
                o.u[k][l] = word[(lane + k + 1) % LANES];
                o.v[k][l] = p.cm_bank[k][cm_slot % BANKED_SLOTS][l];
            }
        } else {
            const ap_uint<16> pair = p.wb[wb_word][l];
            o.w[l] = ap_int<8>(pair.range(7, 0));
            o.u[0][l] = word[lane | 1];
            o.v[0][l] = ap_int<8>(pair.range(15, 8));
            for (int k = 1; k < 3; ++k) {
#pragma HLS unroll
                o.u[k][l] = 0;
                o.v[k][l] = 0;
            }
        }
    }
}

// LNSTAT: x = the word, w = 1 or, for the squares, the word itself.
inline void statistics_operands(const Feature word[LANES], bool squares, Operands& o) {
#pragma HLS inline
    for (int l = 0; l < LANES; ++l) {
#pragma HLS unroll
        o.x[l] = word[l];
        o.w[l] = squares ? ap_int<17>(word[l]) : ap_int<17>(1);
    }
}

// LNAPPLY: x = 2 word - mean2, w = R of the token's table entry.
inline void normalise_operands(const Feature word[LANES], const NormEntry& e, Operands& o) {
#pragma HLS inline
    for (int l = 0; l < LANES; ++l) {
#pragma HLS unroll
        o.x[l] = 2 * word[l] - e.mean2;
        o.w[l] = e.r;
    }
}

} // namespace hwgen
