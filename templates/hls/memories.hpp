// memories: feature, bit and parameter memories of the engine.
#pragma once

#include "isa.hpp"
#include "sizes.hpp"

namespace hwgen {

// FM and TM: words of LANES features of ACT_BITS bits. One read and one write a beat and memory:
// the compiler gives the operands that one instruction reads together different memories.
struct FeatureMemories {
    Feature fm[FM_WORDS][LANES];
    Feature tm[TM_WORDS][LANES];

    // word = memory mem at address. word: (LANES,) of ACT_BITS bits.
    void read(bool mem, ap_uint<14> address, Feature word[LANES]) const {
#pragma HLS inline
        for (int l = 0; l < LANES; ++l) {
#pragma HLS unroll
            word[l] = mem ? tm[address][l] : fm[address][l];
        }
    }

    // Lanes with mask = 1 of word to memory mem.
    void write(bool mem, ap_uint<14> address, const Feature word[LANES], const Bits& mask) {
#pragma HLS inline
        for (int l = 0; l < LANES; ++l) {
#pragma HLS unroll
            if (!mask[l]) continue;
            if (mem)
                tm[address][l] = word[l];
            else
                fm[address][l] = word[l];
        }
    }
};

// BM: rows of KW bits in elements of LANES bits; element e is column e mod ROW_ELEMS of its row.
struct BitMemory {
    Bits row[BM_ROWS][ROW_ELEMS];

    // Element e = bits: one bit per lane.
    void write(ap_uint<16> e, const Bits& bits) {
#pragma HLS inline
        row[e / ROW_ELEMS][e % ROW_ELEMS] = bits;
    }

    // Two elements e and e + 1 as 2 LANES bits, element e lowest; 0 for e + 1 in the next row.
    ap_uint<2 * LANES> pair(ap_uint<16> e) const {
#pragma HLS inline
        const int column = e % ROW_ELEMS;
        ap_uint<2 * LANES> both = 0;
        if (column + 1 < ROW_ELEMS) both = row[e / ROW_ELEMS][column + 1];
        both <<= LANES;
        return both | row[e / ROW_ELEMS][column];
    }

    // 64 bits of a token from element e on; they lie in one row.
    ap_uint<64> unit(ap_uint<16> e) const {
#pragma HLS inline
        ap_uint<64> bits = 0;
        for (int k = 0; k < UNIT_ELEMS; ++k) {
#pragma HLS unroll
            const ap_uint<64> element = row[e / ROW_ELEMS][(e + k) % ROW_ELEMS];
            bits |= element << (k * LANES);
        }
        return bits;
    }

    // A token of an attention head that begins 8 offset bits behind element e.
    ap_uint<HEAD> head(ap_uint<16> e, ap_uint<3> offset) const {
#pragma HLS inline
        ap_uint<64 * HEAD_UNITS> bits = 0;
        for (int u = 0; u < HEAD_UNITS; ++u) {
#pragma HLS unroll
            if (64 * u < 8 * offset + HEAD) {
                const ap_uint<64 * HEAD_UNITS> unit_bits = unit(e + u * UNIT_ELEMS);
                bits |= unit_bits << (64 * u);
            }
        }
        return bits >> (8 * offset);
    }
};

// Constants of the post chain of one channel; c3 has 26 bits (hwgen/engine/isa.py).
struct PostConstants {
    Param b, slope, m3, t;
    ap_int<26> c3;
};

// The activation function's chords; every lane reads it in every beat.
struct ChordTable {
    Param slope[64], intercept[64];
    bool flat;

    // SET table: eight chords.
    void load(const SetTable& f) {
        for (int k = 0; k < 8; ++k) {
            slope[8 * f.part + k] = f.slope[k];
            intercept[8 * f.part + k] = f.intercept[k];
        }
        flat = f.flat;
    }
};

// CM multipliers (four banks below slot BANKED_SLOTS), OM offsets of popcounts, QM constants of
// the post chain: one value per lane and slot. WB: weights on their way to the array or to MACS.
struct Parameters {
    Param cm[CM_SLOTS][LANES];
    Param cm_bank[3][BANKED_SLOTS][LANES]; // banks 1, 2 and 3
    Param om[OM_SLOTS][LANES];
    Param qm[6][QM_SLOTS][LANES]; // b, slope, m3, c3[15:0], c3[25:16], t
    Param wb[WB_WORDS][LANES];

    // Constants of lane l in slot `slot` of QM.
    PostConstants post(ap_uint<6> slot, int l) const {
#pragma HLS inline
        PostConstants k;
        k.b = qm[0][slot][l];
        k.slope = qm[1][slot][l];
        k.m3 = qm[2][slot][l];
        k.t = qm[5][slot][l];
        const ap_uint<16> low = qm[3][slot][l];
        k.c3 = ap_int<26>(qm[4][slot][l]) << 16 | low;
        return k;
    }
};

} // namespace hwgen
