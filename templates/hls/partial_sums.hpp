// partial_sums: popcounts of a layer whose inputs need several weight tiles.
#pragma once

#include "sizes.hpp"

namespace hwgen {

// total[r][l] = sum over the tiles of pop, kept between the instructions of one output word:
// pop += memory[r] unless this is the first tile; memory[r] = pop unless it is the last.
// r: result index of the instruction; pop: (N,) of 16 bits.
template <int N, int DEPTH>
struct PartialSums {
    Count memory[DEPTH][N];

    // One result.
    void step(ap_uint<16> r, bool first, bool last, Count pop[N]) {
#pragma HLS inline
        for (int l = 0; l < N; ++l) {
#pragma HLS unroll
            if (!first) pop[l] += memory[r][l];
            if (!last) memory[r][l] = pop[l];
        }
    }
};

} // namespace hwgen
