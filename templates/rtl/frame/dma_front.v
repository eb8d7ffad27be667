// dma_front: takes DMA instructions from the queue, waits for their counts, requests their reads.
//
//   queue -> register -> operands -> address, beats -> read request, descriptor d_*
//
// A descriptor is what the rest of the DMA needs of an instruction; up to four wait in a FIFO, so
// the reads of the next instructions are under way while the current one's data arrive.
// wait_*: (retired - wait) mod 2**16 < 2**15, seen two cycles before the request. A LOAD that is
// `kept` comes from the weight store and requests no read; its d_beats are words.
// Names: i_* the queue; *_q operands and flags of cur; has_*, one_* sections with words, with one;
// load_*, loadf_*, store_* the fields of cur, as each opcode has them; rd_* the request; d_* the
// oldest descriptor. ahead_*: retired - wait.
// Timing: FRONT cycles (hwgen/units/dma.py) from queue to read request. Reset: control only. Cost:
// an adder of ADDR_BITS, 3 subtracters of 16 bits, the FIFO in LUT RAM.
`default_nettype none
module dma_front #(
    parameter ADDR_BITS   = 32,
    parameter BEAT_BITS   = 21,
    parameter PER_LOG2    = 1,    // log2 of the beats of a word
    parameter STORE_WORDS = 0,    // 0: `keep` is not decoded
    parameter I_BITS      = 256
) (
    input wire clk,
    input wire rst,

    input  wire              i_valid,
    output wire              i_ready,
    input  wire [I_BITS-1:0] i_word,

    input wire [15:0] retired_dma,
    input wire [15:0] retired_ldw,
    input wire [15:0] retired_cmp,

    input wire                 warm,
    input wire [ADDR_BITS-1:0] base_weight,
    input wire [ADDR_BITS-1:0] base_input,
    input wire [ADDR_BITS-1:0] base_output,

    // Read master.
    output wire                 rd_valid,
    input  wire                 rd_ready,
    output wire [ADDR_BITS-1:0] rd_addr,
    output wire [BEAT_BITS-1:0] rd_beats,

    // The oldest descriptor.
    output wire                 d_valid,
    input  wire                 d_take,
    output wire [ADDR_BITS-1:0] d_addr,     // of its data in DDR
    output wire [BEAT_BITS-1:0] d_beats,    // kept: words
    output wire                 d_load,
    output wire                 d_store,
    output wire                 d_checked,  // has a CRC
    output wire                 d_bytes,    // LOADF: a byte per lane
    output wire                 d_sign,     // .. which is signed
    output wire                 d_mem,      // LOADF, STORE
    output wire [         31:0] d_crc,
    output wire [         15:0] d_place,    // first word in WB, FM or TM
    output wire [         15:0] d_n_wb,     // LOAD: words of each section, where they go
    output wire [          2:0] d_has,      // LOAD: words for {OM, CM, WB}; QM is the rest
    output wire [          3:0] d_one,      // exactly one word for {QM, OM, CM, WB}
    output wire                 d_none,     // no beat
    output wire                 d_single,   // one beat
    output wire [          7:0] d_n_cm,
    output wire [          7:0] d_cm,
    output wire                 d_cm_quad,
    output wire [          7:0] d_n_om,
    output wire [          7:0] d_om,
    output wire [          7:0] d_n_qm,     // .. of each field
    output wire [          7:0] d_qm,
    output wire [          5:0] d_qm_fields,
    output wire                 d_keep,     // its words belong in the weight store
    output wire [         15:0] d_store_word,

    output wire        busy,   // an instruction before the FIFO
    output wire        start,  // strobe: conditions met, reads requested
    output wire [51:0] head    // {wait_cmp, wait_ldw, wait_dma, op}
);
    localparam TOTAL_BITS = 17;  // words of a record

    generate
        if (I_BITS > 511) begin : gen_guard_word
            ERROR_dma_front_I_BITS_must_be_less_than_512 u_stop ();
        end
        if (BEAT_BITS < TOTAL_BITS + PER_LOG2) begin : gen_guard_beats
            ERROR_dma_front_BEAT_BITS_must_hold_the_beats_of_a_record u_stop ();
        end
    endgenerate

    // States, one-hot.
    localparam F_GET = 0;
    localparam F_ADD = 1;   // operands
    localparam F_SUM = 2;   // address, beats; the first cycle of waiting
    localparam F_WAIT = 3;
    localparam F_ASK = 4;   // read request

    reg [4:0] front;
    reg [I_BITS-1:0] cur_q;
    reg [ADDR_BITS-1:0] addr_q;
    reg [BEAT_BITS-1:0] beats_q;
    // operands, a cycle before
    reg [ADDR_BITS-1:0] base_q;
    reg [31:0] offset_q;
    reg [TOTAL_BITS-1:0] words1_q;
    reg [TOTAL_BITS-1:0] words2_q;
    reg is_load_q;
    reg is_loadf_q;
    reg is_store_q;
    reg kept_q;
    reg bytes_q;
    reg [3:0] has_q;  // words; LOAD: of QM, OM, CM, WB
    reg [3:0] one_q;
    reg none_q;
    reg rd_valid_q;

    // ---- fields
    wire [511:0] cur = {{(512 - I_BITS) {1'b0}}, cur_q};
    wire [3:0] op;
    wire [15:0] wait_dma;
    wire [15:0] wait_ldw;
    wire [15:0] wait_cmp;
    wire is_load;
    wire is_loadf;
    wire is_store;
    wire [31:0] load_ddr;
    wire [15:0] load_n_wb;
    wire [15:0] load_wb;
    wire [7:0] load_n_cm;
    wire [7:0] load_cm;
    wire [7:0] load_n_om;
    wire [7:0] load_om;
    wire [7:0] load_n_qm;
    wire [7:0] load_qm;
    wire [5:0] load_qm_fields;
    wire [9:0] load_qm_words;
    wire [31:0] load_crc;
    wire load_cm_quad;
    wire load_keep;
    wire [15:0] load_store;
    wire [1:0] loadf_base_sel;
    wire [31:0] loadf_ddr;
    wire [15:0] loadf_words;
    wire loadf_mem;
    wire [13:0] loadf_addr;
    wire loadf_bytes;
    wire loadf_sign;
    wire [31:0] loadf_crc;
    wire [31:0] store_ddr;
    wire [15:0] store_words;
    wire store_mem;
    wire [13:0] store_addr;

    decode_header u_header (
        .word(cur),
        .op(op),
        .wait_dma(wait_dma),
        .wait_ldw(wait_ldw),
        .wait_cmp(wait_cmp)
    );

    decode_dma_op u_op (
        .word({{(512 - I_BITS) {1'b0}}, i_word}),
        .is_load(is_load),
        .is_loadf(is_loadf),
        .is_store(is_store)
    );

    decode_load u_load (
        .word(cur),
        .ddr(load_ddr),
        .n_wb(load_n_wb),
        .wb(load_wb),
        .n_cm(load_n_cm),
        .cm(load_cm),
        .n_om(load_n_om),
        .om(load_om),
        .n_qm(load_n_qm),
        .qm(load_qm),
        .qm_fields(load_qm_fields),
        .qm_words(load_qm_words),
        .crc(load_crc),
        .cm_quad(load_cm_quad),
        .keep(load_keep),
        .store(load_store)
    );

    decode_loadf u_loadf (
        .word(cur),
        .base_sel(loadf_base_sel),
        .ddr(loadf_ddr),
        .words(loadf_words),
        .mem(loadf_mem),
        .addr(loadf_addr),
        .bytes(loadf_bytes),
        .sign(loadf_sign),
        .crc(loadf_crc)
    );

    decode_store u_store (
        .word(cur),
        .ddr(store_ddr),
        .words(store_words),
        .mem(store_mem),
        .addr(store_addr)
    );

    wire is_checked = !is_loadf_q || loadf_base_sel == 2'd0;
    wire mem = is_loadf_q ? loadf_mem : store_mem;
    // First word of WB, FM or TM; WB has the longest addresses.
    wire [15:0] place = is_load_q ? load_wb : {2'd0, is_loadf_q ? loadf_addr : store_addr};
    wire [31:0] crc = is_loadf_q ? loadf_crc : load_crc;

    wire [15:0] ahead_dma = retired_dma - wait_dma;
    wire [15:0] ahead_ldw = retired_ldw - wait_ldw;
    wire [15:0] ahead_cmp = retired_cmp - wait_cmp;
    wire unused = &{1'b0, ahead_dma[14:0], ahead_ldw[14:0], ahead_cmp[14:0]};
    reg met_q;

    wire [31:0] offset = is_load_q ? load_ddr : is_loadf_q ? loadf_ddr : store_ddr;
    wire [1:0] base_sel = is_load_q ? 2'd0 : is_loadf_q ? loadf_base_sel : 2'd2;
    wire [15:0] words = is_loadf_q ? loadf_words : store_words;
    wire [ADDR_BITS-1:0] offset_wide;
    generate
        if (ADDR_BITS > 32) begin : gen_wide
            assign offset_wide = {{(ADDR_BITS - 32) {1'b0}}, offset_q};
        end else begin : gen_narrow
            assign offset_wide = offset_q[ADDR_BITS-1:0];
        end
    endgenerate

    wire d_load_keep;
    wire [15:0] d_load_store;
    wire kept;  // comes from the store
    generate
        if (STORE_WORDS != 0) begin : gen_store
            assign kept = is_load_q && warm && load_keep;
            assign d_keep = d_load && d_load_keep;
            assign d_store_word = d_load_store;
        end else begin : gen_no_store
            assign kept = 1'b0;
            assign d_keep = 1'b0;
            assign d_store_word = 16'd0;
            wire unused_store = &{1'b0, warm, d_load_keep, d_load_store};
        end
    endgenerate

    wire [TOTAL_BITS-1:0] total = words1_q + words2_q;
    wire [BEAT_BITS-1:0] wide_total = {{(BEAT_BITS - TOTAL_BITS) {1'b0}}, total};
    wire none = is_load_q ? has_q == 4'd0 : !has_q[0];
    wire single = beats_q == {{(BEAT_BITS - 1) {1'b0}}, 1'b1};
    wire reads = !is_store_q && !none && !kept_q;

    // The fields of the store are read by an engine with one only.
    localparam DESC = ADDR_BITS + BEAT_BITS + 6 + 9 + 32 + 16 + 16 + 6*8 + 6 + 1 + 17;
    wire desc_ready;
    wire go = (front[F_WAIT] || front[F_SUM]) && met_q && desc_ready;
    wire pass = front[F_ASK] && (rd_ready || !rd_valid_q);

    assign i_ready = front[F_GET];
    assign rd_valid = rd_valid_q;
    assign rd_addr = addr_q;
    assign rd_beats = beats_q;
    assign start = pass;
    assign busy = !front[F_GET];
    assign head = {wait_cmp, wait_ldw, wait_dma, op};

    fifo_lut #(
        .WIDTH(DESC),
        .DEPTH(4)
    ) u_desc (
        .clk(clk),
        .rst(rst),
        .s_valid(pass),
        .s_ready(desc_ready),
        .s_data({
            addr_q, beats_q, is_load_q, is_store_q, is_checked, bytes_q,
            is_loadf_q && loadf_sign, mem, has_q[2:0], one_q,
            none_q, single, crc, load_n_wb, place, load_n_cm, load_cm, load_n_om, load_om,
            load_n_qm, load_qm, load_qm_fields, load_cm_quad, load_keep, load_store
        }),
        .m_valid(d_valid),
        .m_ready(d_take),
        .m_data({
            d_addr, d_beats, d_load, d_store, d_checked, d_bytes, d_sign, d_mem, d_has, d_one,
            d_none, d_single, d_crc, d_n_wb, d_place, d_n_cm, d_cm, d_n_om, d_om,
            d_n_qm, d_qm, d_qm_fields, d_cm_quad, d_load_keep, d_load_store
        })
    );

    always @(posedge clk) begin
        if (front[F_GET]) begin
            cur_q <= i_word;
            is_load_q <= is_load;
            is_loadf_q <= is_loadf;
            is_store_q <= is_store;
        end

        // cur stays until its descriptor is written: these follow it, a cycle later
        kept_q <= kept;
        bytes_q <= is_loadf_q && loadf_bytes;
        offset_q <= offset;
        base_q <= base_sel == 2'd0 ? base_weight : base_sel == 2'd1 ? base_input : base_output;
        words1_q <= is_load_q ? {1'b0, load_n_wb} + {9'd0, load_n_cm} : {1'b0, words};
        words2_q <= is_load_q ? {9'd0, load_n_om} + {7'd0, load_qm_words} : {TOTAL_BITS{1'b0}};
        has_q <= is_load_q ? {load_qm_words != 10'd0, load_n_om != 8'd0, load_n_cm != 8'd0,
            load_n_wb != 16'd0} : {3'd0, words != 16'd0};
        one_q <= {load_n_qm == 8'd1, load_n_om == 8'd1, load_n_cm == 8'd1, load_n_wb == 16'd1};
        met_q <= !ahead_dma[15] && !ahead_ldw[15] && !ahead_cmp[15];

        // .. and these two
        addr_q <= base_q + offset_wide;
        beats_q <= kept_q ? wide_total
            : bytes_q ? (wide_total << PER_LOG2) >> 1 : wide_total << PER_LOG2;
        none_q <= none;

        front[F_GET] <= (front[F_GET] && !i_valid) || pass;
        front[F_ADD] <= front[F_GET] && i_valid;
        front[F_SUM] <= front[F_ADD];
        front[F_WAIT] <= (front[F_SUM] || front[F_WAIT]) && !go;
        front[F_ASK] <= go || (front[F_ASK] && !pass);
        rd_valid_q <= (go && reads) || (rd_valid_q && !rd_ready);
        if (rst) begin
            front <= 5'd1;
            rd_valid_q <= 1'b0;
        end
    end
endmodule
`default_nettype wire
