// xnor_array: XNOR-popcount processing elements, one per lane, and their weights.
#pragma once

#include "sizes.hpp"

namespace hwgen {

// n = number of ones in x. x: 64 bits, n: 7 bits. Pairs, fours, eights and so on are added in
// fields of one vector: a tree of adders of 2, 3, 4 .. bits, no multiplier.
inline ap_uint<7> popcount64(const ap_uint<64>& x) {
#pragma HLS inline
    unsigned long long n = x.to_uint64();
    n -= (n >> 1) & 0x5555555555555555ULL;
    n = (n & 0x3333333333333333ULL) + ((n >> 2) & 0x3333333333333333ULL);
    n = (n + (n >> 4)) & 0x0F0F0F0F0F0F0F0FULL;
    n += n >> 8;
    n += n >> 16;
    n += n >> 32;
    return n & 127;
}

// y = sum_k (a_k == w_k), k < 64 WORDS: with bit 1 = +1, 0 = -1 the dot product is 2 y - 64 WORDS
// (XNOR-Net, arXiv:1603.05279). a, w: WORDS x 64 bits, y: 16 bits.
template <int WORDS>
inline Count xnor_popcount(const Row a[WORDS], const Row w[WORDS]) {
#pragma HLS inline
    Count total = 0;
    for (int k = 0; k < WORDS; ++k) {
#pragma HLS unroll
        total += popcount64(~(a[k] ^ w[k]));
    }
    return total;
}

// The array: y_l = sum_k (a[q(l)][k] == w[l][k]), k < KEYS columns, l < N lanes; a lane reads the
// vector of its quadrant q(l) = l / (N / 4) (groups of a convolution). Columns without a weight
// hold 1 and columns without an activation 0, so that they count nothing.
template <int N, int KEYS>
struct XnorArray {
    Row current[N][KEYS / WORD_BITS];
    Row shadow[N][KEYS / WORD_BITS];

    // shadow[l][k] = 1 for all lanes and columns.
    void fill() {
#pragma HLS inline
        for (int l = 0; l < N; ++l) {
#pragma HLS unroll
            for (int k = 0; k < KEYS / WORD_BITS; ++k) {
#pragma HLS unroll
                shadow[l][k] = ~Row(0);
            }
        }
    }

    // shadow[l][16 c + j] = word[l] bit j, j < 16: one word of the weight buffer. c: column / 16.
    void load(ap_uint<8> c, const Param word[N]) {
#pragma HLS inline
        for (int l = 0; l < N; ++l) {
#pragma HLS unroll
            const ap_uint<16> bits = word[l];
            const int lsb = 16 * (c & 3);
            shadow[l][c >> 2].range(lsb + 15, lsb) = bits;
        }
    }

    // current = shadow: the weights of the next instructions.
    void swap() {
#pragma HLS inline
        for (int l = 0; l < N; ++l) {
#pragma HLS unroll
            for (int k = 0; k < KEYS / WORD_BITS; ++k) {
#pragma HLS unroll
                current[l][k] = shadow[l][k];
            }
        }
    }

    // pop[l] = y_l for the vectors a (4, KEYS) of the quadrants; pop: (N,) of 16 bits.
    void multiply(const Row a[4][KEYS / WORD_BITS], Count pop[N]) const {
#pragma HLS inline
        for (int l = 0; l < N; ++l) {
#pragma HLS unroll
            pop[l] = xnor_popcount<KEYS / WORD_BITS>(a[l / (N / 4)], current[l]);
        }
    }
};

} // namespace hwgen
