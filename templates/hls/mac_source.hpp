// mac_source: where the words of MACV, MACS, LNSTAT and LNAPPLY come from.
#pragma once

#include "isa.hpp"
#include "memories.hpp"

namespace hwgen {

// Address of tap k at image column c (-width <= c + dx[k] < 2 width):
//   base + off[k] + ((c + dx[k]) mod width) sx
// with `padded` the word `pad` for columns outside 0 .. width - 1 and for taps in the mask `out`.
// base 20 bits, address 14 bits. SET taps fills the table.
struct TapTable {
    SetTaps t;

    // The address above: k 4, c 14, base 20 bits.
    ap_uint<14> address(ap_uint<4> k, ap_int<14> c, ap_int<20> base) const {
#pragma HLS inline
        ap_int<15> column = c + t.dx[k];
        const bool left = column < 0;
        const bool right = column >= t.width;
        if (t.padded && (left || right || t.out[k])) return t.pad;
        if (left) column += t.width;
        if (right) column -= t.width;
        return base + t.off[k] + column * t.sx;
    }
};

// Words of six image rows and eight columns around the results of a stencil; column c of the
// stream (image column c - 2) is in slot c mod 8. A result at column x needs c = x .. x + 4.
struct StencilRing {
    Feature word[6][8][LANES];

    // The word of tap `tap` in column c of the stream.
    void put(ap_uint<3> tap, ap_int<14> c, const Feature value[LANES]) {
#pragma HLS inline
        for (int l = 0; l < LANES; ++l) {
#pragma HLS unroll
            word[tap][c & 7][l] = value[l];
        }
    }

    // cell = w(dy, dx) of the result in row r (0 or 1) at column x: the word dy rows and dx columns
    // away.
    void at(bool r, ap_int<14> x, int dy, int dx, Feature cell[LANES]) const {
#pragma HLS inline
        const int tap_of_row[6] = {1, 2, 0, 3, 4, 5}; // image rows -2 .. 3
        for (int l = 0; l < LANES; ++l) {
#pragma HLS unroll
            cell[l] = word[tap_of_row[2 + int(r) + dy]][(x + 2 + dx) & 7][l];
        }
    }
};

} // namespace hwgen
