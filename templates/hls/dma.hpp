// dma: LOAD, LOADF and STORE between the memory ports and the engine's memories.
#pragma once

#include "isa.hpp"
#include "memories.hpp"

namespace hwgen {

// crc = CRC-32 (IEEE 802.3, reflected, polynomial 0xEDB88320) after AXI_BITS / 8 more bytes, lowest
// byte first. Start with ~0, the result is inverted. An XOR network.
inline ap_uint<32> crc32(ap_uint<32> crc, const Beat& beat) {
#pragma HLS inline
    for (int k = 0; k < AXI_BITS / 32; ++k) {
#pragma HLS unroll
        unsigned state = crc.to_uint() ^ beat.range(32 * k + 31, 32 * k).to_uint();
        for (int bit = 0; bit < 32; ++bit) {
#pragma HLS unroll
            state = (state >> 1) ^ ((state & 1) ? 0xEDB88320U : 0U);
        }
        crc = state;
    }
    return crc;
}

// Process 1: beats first .. first + count - 1 of a port, as bursts.
inline void read_beats(const Beat* port, ap_uint<32> first, ap_uint<32> count,
                       hls::stream<Beat>& beats) {
    for (ap_uint<32> k = 0; k < count; ++k) {
#pragma HLS loop_tripcount max=MAX_BEATS
#pragma HLS pipeline II=1
        beats.write(port[first + k]);
    }
}

// word[l] = the next 16-bit value of the stream, lane 0 lowest; crc goes on over the beats.
inline void take_word(hls::stream<Beat>& beats, Param word[LANES], ap_uint<32>& crc) {
#pragma HLS inline
    for (int b = 0; b < PARAM_BEATS; ++b) {
        const Beat beat = beats.read();
        crc = crc32(crc, beat);
        for (int k = 0; k < AXI_BITS / 16; ++k) {
#pragma HLS unroll
            word[b * (AXI_BITS / 16) + k] = beat.range(16 * k + 15, 16 * k);
        }
    }
}

// Beats of a record.
inline ap_uint<32> record_beats(const Load& f) {
#pragma HLS inline
    return (ap_uint<32>(f.n_wb) + f.n_cm + f.n_om + f.qm_words) * PARAM_BEATS;
}

// Process 2 of LOAD: n_wb words to WB, n_cm to CM, n_om to OM, and for every field of qm_fields,
// the lowest first, n_qm to QM. cm_quad: CM word k goes to bank k mod 4 of slot cm + k / 4. crc:
// CRC-32 of the record.
inline void fill_parameters(hls::stream<Beat>& beats, const Load& f, Parameters& p,
                            ap_uint<32>& crc) {
    ap_uint<32> state = ~ap_uint<32>(0);
    Param word[LANES];
#pragma HLS array_partition variable=word type=complete
    const ap_uint<17> end_cm = f.n_wb + f.n_cm;
    const ap_uint<17> end_om = end_cm + f.n_om;
    const ap_uint<17> end = end_om + f.qm_words;
    ap_uint<8> slot = f.n_qm;  // of QM, counted from f.qm; n_qm: the next field begins
    ap_int<4> field = -1;
    for (ap_uint<17> k = 0; k < end; ++k) {
#pragma HLS loop_tripcount max=MAX_BEATS
#pragma HLS pipeline II=PARAM_BEATS
        take_word(beats, word, state);
        const ap_uint<16> in_cm = k - f.n_wb;
        if (k >= end_om) {
            if (slot == f.n_qm) {
                slot = 0;
                ap_int<4> next = field;
                for (int i = 5; i >= 0; --i) {
#pragma HLS unroll
                    if (i > field && f.qm_fields[i]) next = i;
                }
                field = next;
            }
            ++slot;
        }
        for (int l = 0; l < LANES; ++l) {
#pragma HLS unroll
            if (k < f.n_wb)
                p.wb[f.wb + k][l] = word[l];
            else if (k < end_cm && !f.cm_quad)
                p.cm[f.cm + in_cm][l] = word[l];
            else if (k < end_cm && in_cm % 4 == 0)
                p.cm[f.cm + in_cm / 4][l] = word[l];
            else if (k < end_cm)
                p.cm_bank[in_cm % 4 - 1][f.cm + in_cm / 4][l] = word[l];
            else if (k < end_om)
                p.om[f.om + (k - end_cm)][l] = word[l];
            else
                p.qm[field][f.qm + slot - 1][l] = word[l];
        }
    }
    crc = ~state;
}

// LOAD: a record of the weight image at byte `ddr`; crc: what its bytes give.
inline void load_record(const Beat* weights, const Load& f, Parameters& p, ap_uint<32>& crc) {
#pragma HLS dataflow
    hls::stream<Beat> beats("record");
#pragma HLS stream variable=beats depth=32
    read_beats(weights, f.ddr / (AXI_BITS / 8), record_beats(f), beats);
    fill_parameters(beats, f, p, crc);
}

// Process 2 of LOADF: words of LANES 16-bit features (cut to ACT_BITS), or with `bytes` of LANES
// bytes, signed with `sign`, to memory mem from addr on. crc: CRC-32 of the bytes.
inline void fill_features(hls::stream<Beat>& beats, const Loadf& f, FeatureMemories& m,
                          ap_uint<32>& crc) {
    ap_uint<32> state = ~ap_uint<32>(0);
    Feature word[LANES];
#pragma HLS array_partition variable=word type=complete
    for (ap_uint<16> k = 0; k < f.words; ++k) {
#pragma HLS loop_tripcount max=FM_WORDS
#pragma HLS pipeline II=PARAM_BEATS
        if (f.bytes) {
            for (int b = 0; b < BYTE_BEATS; ++b) {
                const Beat beat = beats.read();
                state = crc32(state, beat);
                for (int j = 0; j < AXI_BITS / 8; ++j) {
#pragma HLS unroll
                    const ap_uint<8> byte = beat.range(8 * j + 7, 8 * j);
                    word[b * (AXI_BITS / 8) + j] =
                        f.sign ? Feature(ap_int<8>(byte)) : Feature(byte);
                }
            }
        } else {
            Param wide[LANES];
#pragma HLS array_partition variable=wide type=complete
            take_word(beats, wide, state);
            for (int l = 0; l < LANES; ++l) {
#pragma HLS unroll
                word[l] = wide[l];
            }
        }
        m.write(f.mem, f.addr + k, word, ~Bits(0));
    }
    crc = ~state;
}

// Process 1 of LOADF: as read_beats, from the weight image, the input or the result.
inline void read_selected(const Beat* weights, const Beat* image, const Beat* result,
                          const Loadf& f, hls::stream<Beat>& beats) {
    const ap_uint<32> first = f.ddr / (AXI_BITS / 8);
    const ap_uint<32> count = f.words * (f.bytes ? BYTE_BEATS : PARAM_BEATS);
    for (ap_uint<32> k = 0; k < count; ++k) {
#pragma HLS loop_tripcount max=MAX_BEATS
#pragma HLS pipeline II=1
        if (f.base_sel == 0)
            beats.write(weights[first + k]);
        else if (f.base_sel == 1)
            beats.write(image[first + k]);
        else
            beats.write(result[first + k]);
    }
}

// LOADF from byte `ddr` of the port base_sel; crc: what its bytes give.
inline void load_features(const Beat* weights, const Beat* image, const Beat* result,
                          const Loadf& f, FeatureMemories& m, ap_uint<32>& crc) {
#pragma HLS dataflow
    hls::stream<Beat> beats("features");
#pragma HLS stream variable=beats depth=32
    read_selected(weights, image, result, f, beats);
    fill_features(beats, f, m, crc);
}

// STORE: `words` words of memory mem from addr on to byte `ddr` of the result, 16 bits a feature.
inline void store_features(const FeatureMemories& m, const Store& f, Beat* result) {
    Feature word[LANES];
#pragma HLS array_partition variable=word type=complete
    for (ap_uint<16> k = 0; k < f.words; ++k) {
#pragma HLS loop_tripcount max=FM_WORDS
#pragma HLS pipeline II=PARAM_BEATS
        m.read(f.mem, f.addr + k, word);
        for (int b = 0; b < PARAM_BEATS; ++b) {
            Beat beat = 0;
            for (int j = 0; j < AXI_BITS / 16; ++j) {
#pragma HLS unroll
                beat.range(16 * j + 15, 16 * j) = Param(word[b * (AXI_BITS / 16) + j]);
            }
            result[f.ddr / (AXI_BITS / 8) + k * PARAM_BEATS + b] = beat;
        }
    }
}

} // namespace hwgen
