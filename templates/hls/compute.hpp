// compute: one compute instruction: operands of every beat, the lanes, the writes.
#pragma once

#include "activation_fetch.hpp"
#include "attention.hpp"
#include "isa.hpp"
#include "layernorm.hpp"
#include "mac_source.hpp"
#include "memories.hpp"
#include "nest.hpp"
#include "operands.hpp"
#include "partial_sums.hpp"
#include "post_lane.hpp"
#include "trace.hpp"
#include "xnor_array.hpp"

namespace hwgen {

// State of the engine between instructions.
struct Engine {
    FeatureMemories features;
    BitMemory bits;
    Parameters param;
    XnorArray<LANES, KW> array;
    PartialSums<LANES, PS_WORDS> sums;
    ConvWindow window;
    TapTable taps;
    StencilRing ring;
    Attention attention;
    NormTable norm;
    ChordTable chords;
    // of the instruction that runs
    Acc acc[LANES];
    ap_int<18> peak[LANES];
    ap_int<16> context[64];
};

// Addresses of an instruction's operands and results, moved along with the nest.
struct Streams {
    Walk<20> src;
    Walk<16> act, bit;
    Walk<14> pre, mid, out, dst;

    // Bases and strides of c's fields; words, for MACS and the bits elements.
    void start(const Compute& c) {
#pragma HLS inline
        src.start(c.src_base, c.src_s0, c.src_s1, c.src_s2, c.src_s3, c.xd);
        act.start(c.a_base, 0, 0, c.a_s2, c.a_s3, c.xd);
        bit.start(c.bit_base, 0, 0, c.bit_s2, c.bit_s3, c.xd);
        pre.start(c.pre_base, 0, 0, c.pre_s2, c.pre_s3, c.xd);
        mid.start(c.mid_base, 0, 0, c.mid_s2, c.mid_s3, c.xd);
        out.start(c.out_base, 0, 0, c.out_s2, c.out_s3, c.xd);
        dst.start(c.dst_base, 0, 0, c.dst_s2, c.dst_s3, c.xd);
    }

    // After a step of the nest; inside: the beat before was no step before the first result.
    void step(Moved moved, bool inside) {
#pragma HLS inline
        act.step(moved);
        if (!inside) return;
        src.step(moved);
        bit.step(moved);
        pre.step(moved);
        mid.step(moved);
        out.step(moved);
        dst.step(moved);
    }
};

// Words (LANES,) of ACT_BITS that a beat reads from FM and TM: the source's, and the residuals of a
// result, 0 where it has none.
struct Words {
    Feature src[LANES], pre[LANES], mid[LANES], out[LANES];
};

// w = words at `src` and at the residual streams' addresses (of 14 bits). A memory is read once:
// the operands of one instruction never share one (hwgen/schedule/builder.py).
inline void read_words(const FeatureMemories& m, const Compute& c, bool has_src,
                       ap_uint<14> src, const Streams& s, bool result, Words& w) {
#pragma HLS inline
    const bool use[4] = {has_src, c.pre_en && result, c.mid_en && result, c.out_en && result};
    const bool mem[4] = {bool(c.src_mem), bool(c.pre_mem), bool(c.mid_mem), bool(c.out_mem)};
    const ap_uint<14> at[4] = {src, ap_uint<14>(s.pre.at), ap_uint<14>(s.mid.at),
                               ap_uint<14>(s.out.at)};
    ap_uint<14> address[2] = {0, 0};
    bool taken[2] = {false, false};
    for (int k = 0; k < 4; ++k) {
#pragma HLS unroll
        if (!use[k]) continue;
        HWGEN_TRACE(require(!taken[mem[k]], "two operands of one instruction in one memory"));
        HWGEN_TRACE(require(at[k] < (mem[k] ? TM_WORDS : FM_WORDS), "address past the memory"));
        taken[mem[k]] = true;
        address[mem[k]] = at[k];
    }
    for (int l = 0; l < LANES; ++l) {
#pragma HLS unroll
        const Feature word[2] = {m.fm[address[0]][l], m.tm[address[1]][l]};
        w.src[l] = word[mem[0]];
        w.pre[l] = use[1] ? word[mem[1]] : Feature(0);
        w.mid[l] = use[2] ? word[mem[2]] : Feature(0);
        w.out[l] = use[3] ? word[mem[3]] : Feature(0);
    }
}

// A result: post chain of every lane, then the writes to FM or TM and to BM.
inline void finish_result(const Compute& c, ap_uint<6> sh1, const Words& w, const Nest& n,
                          const Streams& s, Engine& e) {
#pragma HLS inline
    const ap_uint<6> slot = c.q_base + (n.i2 & c.q_mask);
    Feature y[LANES], word[LANES];
#pragma HLS array_partition variable=y type=complete
#pragma HLS array_partition variable=word type=complete
    Bits bits = 0, mask = 0;
    for (int l = 0; l < LANES; ++l) {
#pragma HLS unroll
        bool bit = false;
        const PostConstants k = e.param.post(slot, l);
        y[l] = post_lane(e.acc[l], c, sh1, k, e.chords, w.pre[l], w.mid[l], w.out[l], bit);
        bits[l] = bit;
    }
    if (c.dst_en) {
        pool_lanes(y, c.pool, c.pool_pos, word, mask);
        const ap_uint<14> address = s.dst.at;
        HWGEN_TRACE(require(address < (c.dst_mem ? TM_WORDS : FM_WORDS), "write past the memory"));
        e.features.write(c.dst_mem, address, word, mask);
        HWGEN_TRACE(feature_write(c.dst_mem, address, mask, word));
    }
    if (c.bit_en) {
        const ap_uint<16> address = s.bit.at;
        HWGEN_TRACE(require(address < BM_ROWS * ROW_ELEMS, "bits past the memory"));
        e.bits.write(address, bits);
        HWGEN_TRACE(bit_write(address, bits));
    }
}

// Executes one instruction of the compute queue: XLIN, XCONV, MACV, MACS, ATT, LNSTAT, LNAPPLY.
// A beat is one vector of the array, or one product (four with quad and stencil) of every lane.
// Waits, drain and the overlap of instructions are the RTL's; here all runs in order.
inline void compute(unsigned op, const Compute& c, Engine& e) {
    const bool conv = op == OP_XCONV, xnor = conv || op == OP_XLIN, att = op == OP_ATT;
    const bool stencil = op == OP_MACV && c.stencil, scalar = op == OP_MACS;
    const bool stat = op == OP_LNSTAT, apply = op == OP_LNAPPLY;
    if (c.swap) e.array.swap();
    if (conv) e.window.start(c);
    if (att) e.attention.load(e.bits, c);
    Nest nest;
    Streams at;
    nest.start(c, conv, stencil, xnor || att);
    at.start(c);
    ap_uint<16> result = 0, wb_word = 0;
    // attention works query by query: the words of one are the beats of a part
    const ap_uint<14> own_word = c.v_unit == 0 ? unsigned(c.offset) * 8 / LANES : 0; // of the head
    const ap_uint<12> parts = att ? c.n3 : ap_uint<12>(1);
    const ap_uint<32> beats = att ? nest.row_beats : nest.beats;

    for (ap_uint<12> part = 0; part < parts; ++part) {
#pragma HLS loop_tripcount max=4095
        if (att) e.attention.query(e.bits.head(c.q_bits + part * c.t_stride, c.offset), e.context);
        for (ap_uint<32> beat = 0; beat < beats; ++beat) {
#pragma HLS loop_tripcount max=MAX_BEATS
#pragma HLS pipeline II=1
#pragma HLS dependence variable=e.features.fm inter false
#pragma HLS dependence variable=e.features.tm inter false
#pragma HLS dependence variable=e.bits.row inter false
#pragma HLS dependence variable=e.sums.memory inter false
            // no result reads what an earlier one of the same instruction wrote: the compiler sees
            // to it (hwgen/schedule/builder.py), for the RTL too
            const bool first = nest.i0 == 0 && (nest.i1 == 0 || stat);
            const bool last = nest.last0() && (nest.last1() || stat);
            const bool gives = last && nest.gives_result() && !stat && (!xnor || c.psum_last);
            const ap_uint<8> cm_slot = c.cm_base + nest.i0 * c.cm_s0 + nest.i1 * c.cm_s1 +
                                       (nest.i2 & c.cm_mask) * c.cm_s2 +
                                       (stencil && nest.i2 == 1 ? c.cm_s1 : ap_uint<6>(0));
            if (first) wb_word = c.wb_w;

            ap_uint<14> source = at.src.at;
            const ap_int<14> column = nest.i3 + 4;
            const ap_uint<3> tap = 3 * nest.i2 + nest.i0;
            if (stencil)
                source = e.taps.address(tap, column, c.src_base);
            else if (op == OP_MACV && c.src_taps)
                source = e.taps.address(nest.i0, nest.i2, at.src.at3);
            else if (scalar)
                source = ap_uint<20>(at.src.at) / LANES;
            Words words;
            read_words(e.features, c, !xnor && !att, source, at, gives, words);

            Operands o;
#pragma HLS array_partition variable=o.x type=complete
#pragma HLS array_partition variable=o.w type=complete
#pragma HLS array_partition variable=o.u type=complete dim=0
#pragma HLS array_partition variable=o.v type=complete dim=0
            o.extra = false;
            bool active = true; // the beat has a product
            if (xnor) {
                Row vector[4][ROW_WORDS];
#pragma HLS array_partition variable=vector type=complete dim=0
                Count pop[LANES];
#pragma HLS array_partition variable=pop type=complete
                ap_uint<8> om_slot = c.om_base;
                if (conv) {
                    if (nest.i2 < 0) e.window.clear();
                    e.window.step(e.bits, c, at.act.at, nest.i2 + nest.xd, c.y0 + nest.i3);
                    e.window.vectors(vector);
                    om_slot += border_pattern(c, nest.i2, c.y0 + nest.i3);
                } else {
                    fetch_linear(e.bits, at.act.at, c.a_elems, vector);
                }
                active = nest.gives_result();
                if (active) {
                    e.array.multiply(vector, pop);
                    e.sums.step(result, c.psum_first, c.psum_last, pop);
                    xnor_operands(pop, e.param, om_slot, cm_slot, o);
                    ++result;
                }
            } else if (att) {
                context_operands(e.context, own_word + nest.i2, e.param, cm_slot, o);
            } else if (stencil) {
                e.ring.put(tap, column, words.src);
                active = nest.inside();
                if (active)
                    stencil_operands(words.src, e.ring, nest.i2 == 1, nest.i3, nest.i0, e.param,
                                     cm_slot, o);
            } else if (scalar) {
                scalar_operands(words.src, at.src.at, c.quad, e.param, wb_word, cm_slot, o);
                ++wb_word;
            } else if (stat) {
                statistics_operands(words.src, nest.i1 == 1, o);
            } else if (apply) {
                normalise_operands(words.src, e.norm.current(), o);
            } else {
                vector_operands(words.src, e.param, cm_slot, o);
            }

            ap_int<43> total = 0;
            for (int l = 0; l < LANES; ++l) {
#pragma HLS unroll
                if (!active) continue;
                if (c.max) {
                    e.peak[l] = maximum(e.peak[l], o.x[l], first);
                    e.acc[l] = e.peak[l] * o.w[l];
                } else {
                    e.acc[l] = multiply_accumulate(e.acc[l], o, l, first);
                }
                total += e.acc[l];
            }
            if (stat && last) e.norm.append(nest.i1 == 1, total);
            if (gives) {
                const ap_uint<6> sh1 = apply ? e.norm.current().shift : c.sh1;
                finish_result(c, sh1, words, nest, at, e);
                if (apply) e.norm.next(c.q_mask);
            }
            const bool inside = nest.inside();
            at.step(nest.step(), inside);
        }
    }
}

} // namespace hwgen
