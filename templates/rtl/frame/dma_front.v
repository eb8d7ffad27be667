// dma_front: takes DMA instructions from the queue, waits for their counts, requests their reads.
//
//   queue -> register -> fields, address, beats -> read request, descriptor d_*
//
// A descriptor is what the rest of the DMA needs of an instruction; up to four wait in a FIFO, so
// the reads of the next instructions are under way while the current one's data arrive.
// wait_*: (retired - wait) mod 2**16 < 2**15. A LOAD that is `kept` comes from the weight store and
// requests no read; its d_beats are words.
// Names: i_* the queue; load_*, loadf_*, store_* the fields of cur, as each opcode has them; rd_*
// the request; d_* the oldest descriptor. ahead_*: retired - wait.
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
    output wire                 d_mem,      // LOADF, STORE
    output wire [         31:0] d_crc,
    output wire [         15:0] d_place,    // first word in WB, FM or TM
    output wire [         15:0] d_n_wb,     // LOAD: words of each section, where they go
    output wire [          7:0] d_n_cm,
    output wire [          7:0] d_cm,
    output wire                 d_cm_quad,
    output wire [          7:0] d_n_om,
    output wire [          7:0] d_om,
    output wire [          7:0] d_qm,
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

    localparam [1:0] F_GET = 2'd0;
    localparam [1:0] F_ADD = 2'd1;
    localparam [1:0] F_WAIT = 2'd2;

    reg [1:0] front;
    reg [I_BITS-1:0] cur_q;
    reg [TOTAL_BITS-1:0] words_q;
    reg [ADDR_BITS-1:0] addr_q;

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
        .word(cur),
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
        .crc(loadf_crc)
    );

    decode_store u_store (
        .word(cur),
        .ddr(store_ddr),
        .words(store_words),
        .mem(store_mem),
        .addr(store_addr)
    );

    wire is_bytes = is_loadf && loadf_bytes;
    wire is_checked = !is_loadf || loadf_base_sel == 2'd0;
    wire mem = is_loadf ? loadf_mem : store_mem;
    // First word of WB, FM or TM; WB has the longest addresses.
    wire [15:0] place = is_load ? load_wb : {2'd0, is_loadf ? loadf_addr : store_addr};
    wire [31:0] crc = is_loadf ? loadf_crc : load_crc;

    wire [15:0] ahead_dma = retired_dma - wait_dma;
    wire [15:0] ahead_ldw = retired_ldw - wait_ldw;
    wire [15:0] ahead_cmp = retired_cmp - wait_cmp;
    wire unused = &{1'b0, ahead_dma[14:0], ahead_ldw[14:0], ahead_cmp[14:0]};
    wire met = !ahead_dma[15] && !ahead_ldw[15] && !ahead_cmp[15];

    wire [31:0] offset = is_load ? load_ddr : is_loadf ? loadf_ddr : store_ddr;
    wire [ADDR_BITS-1:0] offset_wide;
    generate
        if (ADDR_BITS > 32) begin : gen_wide
            assign offset_wide = {{(ADDR_BITS - 32) {1'b0}}, offset};
        end else begin : gen_narrow
            assign offset_wide = offset[ADDR_BITS-1:0];
        end
    endgenerate
    wire [1:0] base_sel = is_load ? 2'd0 : is_loadf ? loadf_base_sel : 2'd2;
    wire [ADDR_BITS-1:0] base =
        base_sel == 2'd0 ? base_weight : base_sel == 2'd1 ? base_input : base_output;
    wire [TOTAL_BITS-1:0] load_words = {1'b0, load_n_wb} + {9'd0, load_n_cm}
        + {9'd0, load_n_om} + {6'd0, load_n_qm, 3'd0};
    wire [TOTAL_BITS-1:0] total =
        is_load ? load_words : {1'b0, is_loadf ? loadf_words : store_words};

    wire d_load_keep;
    wire [15:0] d_load_store;
    wire kept;  // comes from the store
    generate
        if (STORE_WORDS != 0) begin : gen_store
            assign kept = is_load && warm && load_keep;
            assign d_keep = d_load && d_load_keep;
            assign d_store_word = d_load_store;
        end else begin : gen_no_store
            assign kept = 1'b0;
            assign d_keep = 1'b0;
            assign d_store_word = 16'd0;
            wire unused_store = &{1'b0, warm, d_load_keep, d_load_store};
        end
    endgenerate

    wire [BEAT_BITS-1:0] full_beats = {{(BEAT_BITS - TOTAL_BITS) {1'b0}}, words_q} << PER_LOG2;
    wire [BEAT_BITS-1:0] beats =
        kept ? {{(BEAT_BITS - TOTAL_BITS) {1'b0}}, words_q}
        : is_bytes ? full_beats >> 1 : full_beats;
    wire none = words_q == {TOTAL_BITS{1'b0}};
    wire reads = !is_store && !none && !kept;

    // The fields of the store are read by an engine with one only.
    localparam DESC = ADDR_BITS + BEAT_BITS + 5 + 32 + 16 + 16 + 5*8 + 1 + 17;
    wire desc_ready;
    wire go = front == F_WAIT && met && desc_ready;
    wire pass = go && (rd_ready || !reads);

    assign i_ready = front == F_GET;
    assign rd_valid = go && reads;
    assign rd_addr = addr_q;
    assign rd_beats = beats;
    assign start = pass;
    assign busy = front != F_GET;
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
            addr_q, beats, is_load, is_store, is_checked, is_bytes, mem, crc, load_n_wb, place,
            load_n_cm, load_cm, load_n_om, load_om, load_qm, load_cm_quad, load_keep, load_store
        }),
        .m_valid(d_valid),
        .m_ready(d_take),
        .m_data({
            d_addr, d_beats, d_load, d_store, d_checked, d_bytes, d_mem, d_crc, d_n_wb, d_place,
            d_n_cm, d_cm, d_n_om, d_om, d_qm, d_cm_quad, d_load_keep, d_load_store
        })
    );

    always @(posedge clk) begin
        case (front)
            F_GET:
                if (i_valid) begin
                    cur_q <= i_word;
                    front <= F_ADD;
                end
            F_ADD: begin
                words_q <= total;
                addr_q  <= base + offset_wide;
                front   <= F_WAIT;
            end
            default:
                if (pass) front <= F_GET;
        endcase
        if (rst) front <= F_GET;
    end
endmodule
`default_nettype wire
