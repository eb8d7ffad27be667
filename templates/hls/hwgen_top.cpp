#include "hwgen_top.hpp"

#include "compute.hpp"
#include "dma.hpp"

namespace hwgen {

// word = the instruction whose first line is `line`, lowest beat first; 0 behind its lines, of
// which the first says how many there are. The next one's first line is left in `line`: past `end`
// where the program ends within this one, of which nothing is read behind the end.
inline Instruction fetch(const Beat* program, unsigned& line, unsigned end) {
    Instruction word = 0;
    ap_uint<5> beats = LINE_BEATS;
    for (ap_uint<5> b = 0; b < beats; ++b) {
#pragma HLS loop_tripcount max=INSTR_BEATS
#pragma HLS pipeline II=1
        word.range(AXI_BITS * (b + 1) - 1, AXI_BITS * b) = program[line * LINE_BEATS + b];
        if (b == 0 && line + lines_behind(word) < end)
            beats = (lines_behind(word) + 1) * LINE_BEATS;
    }
    line += lines_behind(word) + 1;
    return word;
}

// LDW: n words of WB from wb on into the shadow weights, 16 columns each; the other columns are 1.
inline void load_shadow(const Ldw& f, Engine& e) {
    e.array.fill();
    for (ap_uint<8> k = 0; k < f.n; ++k) {
#pragma HLS loop_tripcount max=WEIGHT_WORDS
#pragma HLS pipeline II=1
        e.array.load(k, e.param.wb[f.wb + k]);
    }
}

// SET: tap table, attention thresholds or constants of the norm.
inline void set_register(const Instruction& word, Engine& e) {
    Set f;
    f.decode(word);
    if (f.kind == SET_TAPS) {
        e.taps.t.decode(word);
    } else if (f.kind == SET_ATT) {
        e.attention.set.decode(word);
    } else if (f.kind == SET_TABLE) {
        SetTable table;
        table.decode(word);
        e.chords.load(table);
    } else {
        e.norm.set.decode(word);
        if (e.norm.set.reset) e.norm.reset();
    }
}

// LOAD, LOADF, STORE; returns an error code.
inline unsigned transfer(unsigned op, const Instruction& word, const Beat* weights,
                         const Beat* image, Beat* result, Engine& e) {
    if (op == OP_LOAD) {
        Load f;
        f.decode(word);
        ap_uint<32> crc = 0;
        load_record(weights, f, e.param, crc);
        return crc == f.crc ? HWGEN_GOOD : HWGEN_CRC;
    }
    if (op == OP_STORE) {
        Store f;
        f.decode(word);
        store_features(e.features, f, result);
        return HWGEN_GOOD;
    }
    Loadf f;
    f.decode(word);
    ap_uint<32> crc = 0;
    load_features(weights, image, result, f, e.features, crc);
    return f.base_sel != 0 || crc == f.crc ? HWGEN_GOOD : HWGEN_CRC;
}

} // namespace hwgen

unsigned hwgen_top(const hwgen::Beat* program, const hwgen::Beat* weights,
                   const hwgen::Beat* image, hwgen::Beat* result, unsigned lines) {
#pragma HLS interface mode=m_axi port=program bundle=program offset=slave depth=1048576
#pragma HLS interface mode=m_axi port=weights bundle=data offset=slave depth=1048576
#pragma HLS interface mode=m_axi port=image bundle=data offset=slave depth=1048576
#pragma HLS interface mode=m_axi port=result bundle=data offset=slave depth=1048576
#pragma HLS interface mode=s_axilite port=program
#pragma HLS interface mode=s_axilite port=weights
#pragma HLS interface mode=s_axilite port=image
#pragma HLS interface mode=s_axilite port=result
#pragma HLS interface mode=s_axilite port=lines
#pragma HLS interface mode=s_axilite port=return
    using namespace hwgen;
    static Engine engine;
#pragma HLS disaggregate variable=engine
    // a word of all lanes is one word of memory
#pragma HLS array_reshape variable=engine.features.fm type=complete dim=2
#pragma HLS array_reshape variable=engine.features.tm type=complete dim=2
#pragma HLS array_reshape variable=engine.param.cm type=complete dim=2
#pragma HLS array_partition variable=engine.param.cm_bank type=complete dim=1
#pragma HLS array_reshape variable=engine.param.cm_bank type=complete dim=3
#pragma HLS array_reshape variable=engine.param.om type=complete dim=2
#pragma HLS array_partition variable=engine.param.qm type=complete dim=1
#pragma HLS array_reshape variable=engine.param.qm type=complete dim=3
#pragma HLS array_reshape variable=engine.param.wb type=complete dim=2
#pragma HLS array_reshape variable=engine.sums.memory type=complete dim=2
    // an element of a row of bits is written alone, and three rows are read in a beat
#pragma HLS array_partition variable=engine.bits.row type=complete dim=2
#pragma HLS bind_storage variable=engine.bits.row type=ram_1wnr
#pragma HLS array_reshape variable=engine.ring.word type=complete dim=3
#pragma HLS bind_storage variable=engine.ring.word type=ram_1wnr impl=lutram
    // registers
#pragma HLS array_partition variable=engine.array.current type=complete dim=0
#pragma HLS array_partition variable=engine.array.shadow type=complete dim=0
#pragma HLS array_partition variable=engine.window.tap type=complete dim=0
#pragma HLS array_partition variable=engine.window.skip type=complete
#pragma HLS array_partition variable=engine.taps.t.off type=complete
#pragma HLS array_partition variable=engine.taps.t.dx type=complete
#pragma HLS array_partition variable=engine.attention.key type=cyclic factor=PK
#pragma HLS array_partition variable=engine.attention.equal type=cyclic factor=PK
#pragma HLS array_partition variable=engine.attention.value type=complete dim=0
#pragma HLS array_partition variable=engine.acc type=complete
#pragma HLS array_partition variable=engine.peak type=complete
#pragma HLS array_partition variable=engine.context type=complete

    unsigned line = 0;
    for (unsigned k = 0; k < lines; ++k) { // an instruction has a line at least
#pragma HLS loop_tripcount max=MAX_LINES
        if (line >= lines) return HWGEN_NO_END;
        const Instruction word = fetch(program, line, lines);
        if (line > lines) return HWGEN_NO_END;
        const unsigned op = opcode(word);
        unsigned error = HWGEN_GOOD;
        if (op == OP_END) return HWGEN_GOOD;
        if (op == OP_LOAD || op == OP_LOADF || op == OP_STORE) {
            error = transfer(op, word, weights, image, result, engine);
        } else if (op == OP_LDW) {
            Ldw f;
            f.decode(word);
            load_shadow(f, engine);
        } else if (op == OP_SET) {
            set_register(word, engine);
        } else if (op >= OP_XLIN) {
            Compute c;
            c.decode(word);
            compute(op, c, engine);
        } else {
            error = HWGEN_OPCODE;
        }
        if (error != HWGEN_GOOD) return error;
    }
    return HWGEN_NO_END;
}
