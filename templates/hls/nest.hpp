// nest: the loop nest (n3 (n2 (n1 (n0)))) of a compute instruction as counters, one step a beat.
#pragma once

#include "isa.hpp"

namespace hwgen {

// What the last step advanced: a level, the next phase of level 2, or level 3.
enum class Moved { level0, level1, level2, phase, level3 };

// Levels 0 and 1 accumulate; levels 2 and 3 enumerate results. i2 runs 0, xd, 2 xd .. < n2, then
// 1, 1 + xd .. up to phase xd - 1. Two ops begin early, with steps that give no result:
//   XCONV    i2 from phase - xd: the window's middle column is read one step before the first
//            result of a phase (n2 + min(xd, n2) steps a row)
//   stencil  i3 from -4: four columns fill the ring; n0 = 3 products a bank, always two rows
// Counters: i0 12, i1 8, i2 and i3 14 bits signed.
struct Nest {
    ap_uint<12> n0, i0;
    ap_uint<8> n1, i1;
    ap_uint<12> n2, n3;
    ap_int<14> i2, i3;
    ap_uint<3> xd, phase;
    ap_uint<12> rows; // results of level 2 that exist
    bool conv;
    ap_uint<32> row_beats, beats; // of one i3, of the instruction

    // Counters at the first beat. single: levels 0 and 1 are 1 (XNOR, ATT).
    void start(const Compute& c, bool is_conv, bool stencil, bool single) {
#pragma HLS inline
        conv = is_conv;
        n0 = single ? ap_uint<12>(1) : c.n0;
        n1 = single || stencil ? ap_uint<8>(1) : c.n1;
        rows = c.n2;
        n2 = stencil ? ap_uint<12>(2) : c.n2;
        n3 = c.n3;
        xd = c.xd;
        i0 = 0;
        i1 = 0;
        phase = 0;
        i2 = conv ? ap_int<14>(-ap_int<14>(xd)) : ap_int<14>(0);
        i3 = stencil ? -4 : 0;
        ap_uint<13> steps = n2;
        if (conv) steps += n2 < xd ? n2 : ap_uint<12>(xd);
        row_beats = ap_uint<20>(n0 * n1) * steps;
        beats = row_beats * ap_uint<13>(n3 + (stencil ? 4 : 0));
    }

    // False in the steps before the first result of a phase or of the instruction.
    bool inside() const { return i2 >= 0 && i3 >= 0; }
    // The beat belongs to a result (a stencil of one row has two).
    bool gives_result() const { return inside() && i2 < rows; }
    // Last iteration of level 0, of level 1.
    bool last0() const { return i0 + 1 == n0; }
    bool last1() const { return i1 + 1 == n1; }

    // Next beat.
    Moved step() {
#pragma HLS inline
        if (!last0()) {
            ++i0;
            return Moved::level0;
        }
        i0 = 0;
        if (!last1()) {
            ++i1;
            return Moved::level1;
        }
        i1 = 0;
        if (i2 + xd < n2) {
            i2 += xd;
            return Moved::level2;
        }
        Moved moved = Moved::phase;
        if (phase + 1 < xd && phase + 1 < n2) {
            ++phase;
        } else {
            phase = 0;
            ++i3;
            moved = Moved::level3;
        }
        i2 = phase;
        if (conv) i2 -= xd;
        return moved;
    }
};

// address = base + i0 s0 + i1 s1 + i2 s2 + i3 s3 by adders only: a start per level. W bits, and
// what runs over is cut. Steps before the first result (`Nest::inside` false) do not move a
// result's walk; the column walk of XCONV moves with every step.
template <int W>
struct Walk {
    ap_int<W> s0, s1, s2, s3, jump;
    ap_int<W> at, at1, at2, at_phase, at3;

    // Address of the first beat; d0 .. d3: strides of the levels.
    void start(ap_int<W> base, ap_int<W> d0, ap_int<W> d1, ap_int<W> d2, ap_int<W> d3,
               ap_uint<3> xd) {
#pragma HLS inline
        s0 = d0;
        s1 = d1;
        s2 = d2;
        s3 = d3;
        jump = d2 * xd;
        at = at1 = at2 = at_phase = at3 = base;
    }

    // Address of the next beat.
    void step(Moved moved) {
#pragma HLS inline
        switch (moved) {
        case Moved::level0:
            at += s0;
            return;
        case Moved::level1:
            at1 += s1;
            break;
        case Moved::level2:
            at2 += jump;
            at1 = at2;
            break;
        case Moved::phase:
            at_phase += s2;
            at1 = at2 = at_phase;
            break;
        case Moved::level3:
            at3 += s3;
            at1 = at2 = at_phase = at3;
            break;
        }
        at = at1;
    }
};

} // namespace hwgen
