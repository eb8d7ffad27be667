// attention: quantised attention of one window and head (QD levels 0 .. 3), a query at a time.
#pragma once

#include "isa.hpp"
#include "memories.hpp"
#include "tables.hpp"
#include "xnor_array.hpp"

namespace hwgen {

constexpr int TOKEN_WORDS = MAX_TOKENS / WORD_BITS;
constexpr int KEY_BEATS = MAX_TOKENS / PK; // of a query, in each of its two passes

// Two binary planes of the levels of one query: level_j = low_j + 2 high_j, token j in bit j.
struct LevelPlanes {
    Row low[TOKEN_WORDS], high[TOKEN_WORDS];
};

// p = number of equal bits of a query and a key, less SCORE_OFFSET and at most TOP_SCORE: the dot
// product is 2 (p + SCORE_OFFSET) - HEAD.
inline ap_uint<7> score(const ap_uint<HEAD>& query, const ap_uint<HEAD>& key) {
#pragma HLS inline
    const ap_uint<64 * HEAD_UNITS> equal = ap_uint<HEAD>(~(query ^ key));
    ap_int<10> p = -SCORE_OFFSET;
    for (int u = 0; u < HEAD_UNITS; ++u) {
#pragma HLS unroll
        p += popcount64(ap_uint<64>(equal.range(64 * u + 63, 64 * u)));
    }
    return p < 0 ? 0 : p > TOP_SCORE ? TOP_SCORE : int(p);
}

// level = #{k < 3 : e 2**20 >= bound_k}, or <= when neg. e 24, bounds 56 bits.
inline ap_uint<2> compare_levels(const ap_uint<24>& e, const ap_uint<56> bound[3], bool neg) {
#pragma HLS inline
    const ap_uint<56> left = ap_uint<56>(e) << 20;
    ap_uint<2> level = 0;
    for (int k = 0; k < 3; ++k) {
#pragma HLS unroll
        if (neg ? left <= bound[k] : left >= bound[k]) ++level;
    }
    return level;
}

// z_q = sum_j level_qj (2 v_j - 1), level_qj from the softmax of the scores: keys and 64 channels
// of the values of a window are loaded once, then each query gives its 64 context sums of 16 bits.
struct Attention {
    ap_uint<HEAD> key[MAX_TOKENS];    // token by token
    Row value[64][TOKEN_WORDS];       // channel by channel: token j in bit j
    ap_uint<7> equal[MAX_TOKENS];     // scores of the query
    ap_uint<9> tokens;
    SetAtt set;

    // Keys and values of the window: token j at elements k_bits + j t_stride, v_bits + j t_stride.
    void load(const BitMemory& bits, const Compute& c) {
        tokens = c.tokens;
        for (int ch = 0; ch < 64; ++ch) {
#pragma HLS unroll
            for (int w = 0; w < TOKEN_WORDS; ++w) {
#pragma HLS unroll
                value[ch][w] = 0;
            }
        }
        for (int j = 0; j < c.tokens; ++j) {
#pragma HLS loop_tripcount max=MAX_TOKENS
#pragma HLS pipeline II=2
            key[j] = bits.head(c.k_bits + j * c.t_stride, c.offset);
            const ap_uint<64> v = bits.unit(c.v_bits + j * c.t_stride);
            for (int ch = 0; ch < 64; ++ch) {
#pragma HLS unroll
                value[ch][j / WORD_BITS][j % WORD_BITS] = bool(v[ch]);
            }
        }
    }

    // equal[j] = score(q, key[j]); returns theta = sum_j EXP[equal[j]]. PK keys a beat.
    ap_uint<32> scores(const ap_uint<HEAD>& q) {
        ap_uint<32> theta = 0;
        for (int j = 0; j < tokens; j += PK) {
#pragma HLS loop_tripcount max=KEY_BEATS
#pragma HLS pipeline II=1
            for (int p = 0; p < PK; ++p) {
#pragma HLS unroll
                if (j + p < tokens) {
                    equal[j + p] = score(q, key[j + p]);
                    theta += EXP[equal[j + p]];
                }
            }
        }
        return theta;
    }

    // planes of level_j = compare_levels(EXP[equal[j]], theta kappa): softmax thresholds without
    // a division. theta 32, kappa 24 bits (scale 2**-20); PK keys a beat.
    void levels(const ap_uint<32>& theta, LevelPlanes& planes) const {
        const ap_uint<56> bound[3] = {theta * set.kappa1, theta * set.kappa2, theta * set.kappa3};
        for (int w = 0; w < TOKEN_WORDS; ++w) {
#pragma HLS unroll
            planes.low[w] = 0;
            planes.high[w] = 0;
        }
        for (int j = 0; j < tokens; j += PK) {
#pragma HLS loop_tripcount max=KEY_BEATS
#pragma HLS pipeline II=1
            for (int p = 0; p < PK; ++p) {
#pragma HLS unroll
                if (j + p < tokens) {
                    const ap_uint<2> level = compare_levels(EXP[equal[j + p]], bound, set.neg);
                    planes.low[(j + p) / WORD_BITS][(j + p) % WORD_BITS] = bool(level[0]);
                    planes.high[(j + p) / WORD_BITS][(j + p) % WORD_BITS] = bool(level[1]);
                }
            }
        }
    }

    // context[ch] = sum_j level_j (2 v_j,ch - 1) = 2 n_ch - n, where n = sum_j level_j counts the
    // planes and n_ch counts them where the value bit is 1. context: (64,) of 16 bits.
    void context_sums(const LevelPlanes& planes, ap_int<16> context[64]) const {
#pragma HLS inline
        ap_uint<10> n = 0;
        for (int w = 0; w < TOKEN_WORDS; ++w) {
#pragma HLS unroll
            n += popcount64(planes.low[w]) + 2 * popcount64(planes.high[w]);
        }
        for (int ch = 0; ch < 64; ++ch) {
#pragma HLS pipeline II=1
            ap_uint<10> mine = 0;
            for (int w = 0; w < TOKEN_WORDS; ++w) {
#pragma HLS unroll
                if (w * WORD_BITS < tokens)
                    mine += popcount64(planes.low[w] & value[ch][w]) +
                            2 * popcount64(planes.high[w] & value[ch][w]);
            }
            context[ch] = 2 * mine - n;
        }
    }

    // context = the 64 sums of the query with bits q.
    void query(const ap_uint<HEAD>& q, ap_int<16> context[64]) {
        LevelPlanes planes;
        const ap_uint<32> theta = scores(q);
        levels(theta, planes);
        context_sums(planes, context);
    }
};

} // namespace hwgen
