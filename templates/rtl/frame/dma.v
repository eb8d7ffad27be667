// DMA unit: LOAD (DDR record -> WB, CM, OM, QM), LOADF (DDR -> FM or TM), STORE (FM or TM -> DDR).
//
// Front: takes an instruction, waits for its wait_* counts, requests its reads, and passes it on;
// so the reads of the next instructions are under way while the current one's data arrive.
// Back, in order: packs beats into words (lane 0 lowest), writes word k of a record to WB wb + k,
// then CM cm + k (cm_quad: slot cm + k / 4, bank k % 4), OM om + k, then QM: slot qm + k / 8, field
// k % 8 (field 7 is not written); or to FM/TM addr + k (`bytes`: one byte per lane, zero-extended);
// or reads words for the write master.
// The CRC-32 of what comes from the weight image (LOAD, and LOADF with base_sel 0) is taken over
// its beats: another value than the instruction's raises `error_crc` (a strobe); the record never
// retires and the unit stops until reset.
// With a weight store (STORE_WORDS > 0) the words of a LOAD with `keep` are also written to the
// store from word `store` on; in a `warm` frame they come from there, a word a cycle, without a
// read of DDR and without the CRC: it was checked when the store was filled.
//
// Timing (hwgen/units/dma.py): an instruction takes FRONT cycles from queue to read request; a
// record of B beats occupies the back for B + READ_BEHIND cycles while its data are there, N words
// of the store for N + KEPT.
// A LOADF word waits for f_ready; the beats behind it wait in a 16-beat FIFO and on r_ready.
// Reset: control only. Cost with CRC (Yosys, AXI_BITS 128): L = 16 1515 LUT,
// 884 FF, 50 RAM32M; L = 64 3037 LUT, 1654 FF, 50 RAM32M.
`default_nettype none
module dma #(
    parameter LANES       = 16,
    parameter AXI_BITS    = 128,  // divides 8 LANES
    parameter ADDR_BITS   = 32,
    parameter BEAT_BITS   = 21,
    parameter STORE_WORDS = 0,    // 0: `keep` is not decoded
    parameter I_BITS      = 256   // bits of an instruction that the queue keeps: isa.queue_bits
) (
    input wire clk,
    input wire rst,
    input wire halt,  // an error elsewhere: retire nothing more

    // Queue: the low bits of an instruction.
    input  wire              i_valid,
    output wire              i_ready,
    input  wire [I_BITS-1:0] i_word,

    input  wire [ 15:0] retired_ldw,
    input  wire [ 15:0] retired_cmp,
    output reg  [ 15:0] retired_dma,

    input wire [ADDR_BITS-1:0] base_weight,
    input wire [ADDR_BITS-1:0] base_input,
    input wire [ADDR_BITS-1:0] base_output,

    // Read master.
    output wire                 rd_valid,
    input  wire                 rd_ready,
    output wire [ADDR_BITS-1:0] rd_addr,
    output wire [BEAT_BITS-1:0] rd_beats,
    input  wire                 rdd_valid,
    output wire                 rdd_ready,
    input  wire [ AXI_BITS-1:0] rdd_data,

    // Write master.
    output wire                 wr_valid,
    input  wire                 wr_ready,
    output wire [ADDR_BITS-1:0] wr_addr,
    output wire [BEAT_BITS-1:0] wr_beats,
    input  wire                 wr_done,
    output wire                 wrd_valid,
    input  wire                 wrd_ready,
    output wire [ AXI_BITS-1:0] wrd_data,

    // Destinations of LOAD.
    output wire                wb_we,
    output wire [        15:0] wb_addr,
    output wire                p_we,
    output wire [         1:0] p_sel,    // 0 CM, 1 OM, 2 QM
    output wire [         7:0] p_slot,
    output wire [         2:0] p_field,
    output wire [16*LANES-1:0] word,     // of WB, parameters and store

    // Weight store; st_word comes two cycles after st_re.
    input  wire                warm,     // of the frame
    output wire                st_we,
    output wire                st_re,
    output wire [        15:0] st_addr,
    input  wire [16*LANES-1:0] st_word,

    // FM and TM.
    output wire                f_we,
    output wire                f_mem,
    output wire [        13:0] f_addr,
    output wire [16*LANES-1:0] f_word,
    input  wire                f_ready,
    output wire                fr_re,
    output wire                fr_mem,
    output wire [        13:0] fr_addr,
    input  wire                fr_ready,
    input  wire [16*LANES-1:0] fr_word,

    output reg         error_crc,
    output wire        busy,       // an instruction is held
    output wire        start,      // strobe: conditions met, reads requested
    output wire        retire,     // strobe
    output wire [51:0] head        // {wait_cmp, wait_ldw, wait_dma, op} of the one in front
);
    localparam WORD = 16 * LANES;
    localparam PER_WORD = WORD / AXI_BITS;  // beats of a word
    localparam PER_LOG2 = $clog2(PER_WORD);
    localparam TOTAL_BITS = 17;  // words of a record

    generate
        if ((8 * LANES) % AXI_BITS != 0 || (1 << PER_LOG2) != PER_WORD) begin : gen_guard
            ERROR_dma_AXI_BITS_must_divide_8_LANES_and_LANES_be_a_power_of_two u_stop ();
        end
        if (I_BITS > 511) begin : gen_guard_word
            ERROR_dma_I_BITS_must_be_less_than_512 u_stop ();
        end
        if (BEAT_BITS < TOTAL_BITS + PER_LOG2) begin : gen_guard_beats
            ERROR_dma_BEAT_BITS_must_hold_the_beats_of_a_record u_stop ();
        end
    endgenerate

    // ---------------------------------------------------------------- front
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

    wire [BEAT_BITS-1:0] full_beats = {{(BEAT_BITS - TOTAL_BITS) {1'b0}}, words_q} << PER_LOG2;
    wire kept;  // comes from the store
    wire [BEAT_BITS-1:0] beats =
        kept ? {{(BEAT_BITS - TOTAL_BITS) {1'b0}}, words_q}
        : is_bytes ? full_beats >> 1 : full_beats;
    wire none = words_q == {TOTAL_BITS{1'b0}};
    wire reads = !is_store && !none && !kept;

    // Passed on: what the back needs. The fields of the store are read by an engine with one only.
    localparam DESC = ADDR_BITS + BEAT_BITS + 5 + 32 + 16 + 16 + 5*8 + 1 + 17;
    wire desc_ready;
    wire desc_valid;
    wire desc_take;
    wire [DESC-1:0] desc;
    wire go = front == F_WAIT && met && desc_ready;
    wire pass = go && (rd_ready || !reads);

    assign i_ready = front == F_GET;
    assign rd_valid = go && reads;
    assign rd_addr = addr_q;
    assign rd_beats = beats;
    assign start = pass;
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
        .m_valid(desc_valid),
        .m_ready(desc_take),
        .m_data(desc)
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

    // ---------------------------------------------------------------- back
    localparam [2:0] B_GET = 3'd0;
    localparam [2:0] B_READ = 3'd1;   // beats arrive, or words of the store
    localparam [2:0] B_CHECK = 3'd2;  // last word is written, CRC compared
    localparam [2:0] B_STORE = 3'd3;  // request to the write master
    localparam [2:0] B_FETCH = 3'd4;  // STORE: read a word
    localparam [2:0] B_SEND = 3'd5;   // STORE: send its beats
    localparam [2:0] B_DONE = 3'd6;   // STORE: wait for the responses
    localparam [2:0] B_STOP = 3'd7;   // after an error

    reg [2:0] back;
    reg load_q;
    reg checked_q;  // the record has a CRC
    reg bytes_q;
    reg mem_q;
    reg [BEAT_BITS-1:0] left_q;  // beats not yet taken (STORE: sent)
    reg [31:0] want_q;
    reg [31:0] crc_q;
    reg [15:0] n_wb_q;
    reg [7:0] n_cm_q;
    reg [7:0] n_om_q;
    reg [15:0] wb_q;
    reg [9:0] cm_q;  // slot, bank
    reg cm_quad_q;
    reg [7:0] om_q;
    reg [10:0] qm_q;  // slot, field
    reg [13:0] f_addr_q;
    reg keep_q;  // to be written to the store
    reg kept_q;  // to be read from it
    reg [15:0] store_q;
    reg [1:0] fetched_q;  // a word of the store is on its way

    wire [ADDR_BITS-1:0] d_addr;
    wire [BEAT_BITS-1:0] d_beats;
    wire d_load;
    wire d_store;
    wire d_checked;
    wire d_bytes;
    wire d_mem;
    wire [31:0] d_crc;
    wire [15:0] d_n_wb;
    wire [15:0] d_place;
    wire [7:0] d_n_cm;
    wire [7:0] d_cm;
    wire [7:0] d_n_om;
    wire [7:0] d_om;
    wire [7:0] d_qm;
    wire d_cm_quad;
    wire d_load_keep;
    wire [15:0] d_load_store;
    assign {d_addr, d_beats, d_load, d_store, d_checked, d_bytes, d_mem, d_crc, d_n_wb, d_place,
        d_n_cm, d_cm, d_n_om, d_om, d_qm, d_cm_quad, d_load_keep, d_load_store} = desc;

    wire d_keep;
    wire [15:0] d_store_word;
    generate
        if (STORE_WORDS != 0) begin : gen_store
            assign kept = is_load && warm && load_keep;
            assign d_keep = d_load && d_load_keep;
            assign d_store_word = d_load_store;
        end else begin : gen_no_store
            assign kept = 1'b0;
            assign d_keep = 1'b0;
            assign d_store_word = 16'd0;
            wire unused_store = &{1'b0, warm, st_word, d_load_keep, d_load_store};
        end
    endgenerate
    wire d_none = d_beats == {BEAT_BITS{1'b0}};

    assign desc_take = back == B_GET && desc_valid;

    // Beats: FIFO, one register, word.
    wire q_valid;
    wire q_ready;
    wire [AXI_BITS-1:0] q_data;
    reg beat_v;
    reg [AXI_BITS-1:0] beat_q;
    reg [WORD-1:0] word_q;
    reg word_v;
    reg [PER_LOG2-1:0] part_q;
    wire [31:0] crc_next;

    wire hold = word_v && !load_q && !f_ready;  // FM is not ready for the word
    wire more = left_q != {BEAT_BITS{1'b0}};
    wire take = back == B_READ && !kept_q && q_valid && more && (!beat_v || !hold);
    wire fetch = back == B_READ && kept_q && more;
    wire use_beat = beat_v && !hold;
    // Byte words have half the beats: the top bit of the counter does not count.
    localparam [PER_LOG2-1:0] HALF = PER_WORD[PER_LOG2:1];
    wire part_last = bytes_q ? &{part_q | HALF} : &part_q;

    assign q_ready = take;

    fifo_lut #(
        .WIDTH(AXI_BITS),
        .DEPTH(16)
    ) u_beats (
        .clk(clk),
        .rst(rst),
        .s_valid(rdd_valid),
        .s_ready(rdd_ready),
        .s_data(rdd_data),
        .m_valid(q_valid),
        .m_ready(q_ready),
        .m_data(q_data)
    );

    crc32 #(
        .BITS(AXI_BITS)
    ) u_crc (
        .crc (crc_q),
        .data(beat_q),
        .next(crc_next)
    );

    // Section of the word: the first with words left.
    wire in_wb = n_wb_q != 16'd0;
    wire in_cm = !in_wb && n_cm_q != 8'd0;
    wire in_om = !in_wb && !in_cm && n_om_q != 8'd0;
    wire in_qm = !in_wb && !in_cm && !in_om;

    assign word = word_q;
    assign wb_we = word_v && load_q && in_wb;
    assign wb_addr = wb_q;
    assign p_we = word_v && load_q && !in_wb && !(in_qm && qm_q[2:0] == 3'd7);
    assign p_sel = in_cm ? 2'd0 : in_om ? 2'd1 : 2'd2;
    assign p_slot = in_cm ? cm_q[9:2] : in_om ? om_q : qm_q[10:3];
    assign p_field = in_qm ? qm_q[2:0] : in_cm ? {1'b0, cm_q[1:0]} : 3'd0;

    assign st_we = word_v && load_q && keep_q;
    assign st_re = fetch;
    assign st_addr = store_q;

    assign f_we = word_v && !load_q;
    assign f_mem = mem_q;
    assign f_addr = f_addr_q;
    genvar lane;
    generate
        for (lane = 0; lane < LANES; lane = lane + 1) begin : gen_lane
            // Bytes arrive in the upper half of the word register.
            assign f_word[16*lane+:16] =
                bytes_q ? {8'd0, word_q[8*LANES+8*lane+:8]} : word_q[16*lane+:16];
        end
    endgenerate

    // STORE: one word at a time.
    reg [1:0] wait_q;  // fr_word comes two cycles after the read
    reg got_q;  // the read was accepted
    assign fr_re = back == B_FETCH && !got_q;
    assign fr_mem = mem_q;
    assign fr_addr = f_addr_q;
    assign wr_valid = back == B_STORE;
    reg [ADDR_BITS-1:0] wr_addr_q;
    assign wr_addr = wr_addr_q;
    assign wr_beats = left_q;
    assign wrd_valid = back == B_SEND;
    assign wrd_data = word_q[AXI_BITS-1:0];
    wire send = wrd_valid && wrd_ready;

    wire crc_ok = kept_q || crc_q == ~want_q;
    wire read_end = back == B_CHECK && !beat_v && !hold && fetched_q == 2'd0;
    assign retire = !halt && ((read_end && (!checked_q || crc_ok)) || (back == B_DONE && wr_done)
        || (desc_take && d_store && d_none));
    assign busy = front != F_GET || back != B_GET || desc_valid;

    wire [AXI_BITS-1:0] shift_in = back == B_SEND ? {AXI_BITS{1'b0}} : beat_q;

    always @(posedge clk) begin
        // Beat register, word register.
        if (take) beat_q <= q_data;
        beat_v <= take || (beat_v && hold);
        if (use_beat || send) word_q <= {shift_in, word_q[WORD-1:AXI_BITS]};
        if (got_q && wait_q == 2'd1) word_q <= fr_word;
        if (fetched_q[1]) word_q <= st_word;
        fetched_q <= {fetched_q[0], fetch};
        word_v <= (use_beat && part_last) || hold || fetched_q[1];
        if (use_beat || send) part_q <= part_last ? {PER_LOG2{1'b0}} : part_q + 1'b1;
        if (use_beat) crc_q <= crc_next;
        if (take || send || fetch) left_q <= left_q - 1'b1;
        if (st_we || st_re) store_q <= store_q + 16'd1;

        // Where words go.
        if (word_v && load_q) begin
            if (in_wb) begin
                n_wb_q <= n_wb_q - 16'd1;
                wb_q   <= wb_q + 16'd1;
            end
            if (in_cm) begin
                n_cm_q <= n_cm_q - 8'd1;
                cm_q   <= cm_q + (cm_quad_q ? 10'd1 : 10'd4);
            end
            if (in_om) begin
                n_om_q <= n_om_q - 8'd1;
                om_q   <= om_q + 8'd1;
            end
            if (in_qm) qm_q <= qm_q + 11'd1;
        end
        if ((f_we && f_ready) || (fr_re && fr_ready)) f_addr_q <= f_addr_q + 14'd1;

        case (back)
            B_GET:
                if (desc_valid) begin
                    load_q <= d_load;
                    checked_q <= d_checked;
                    bytes_q <= d_bytes;
                    mem_q <= d_mem;
                    f_addr_q <= d_place[13:0];
                    left_q <= d_beats;
                    want_q <= d_crc;
                    crc_q <= 32'hFFFFFFFF;
                    n_wb_q <= d_n_wb;
                    n_cm_q <= d_n_cm;
                    n_om_q <= d_n_om;
                    wb_q <= d_place;
                    cm_q <= {d_cm, 2'd0};
                    cm_quad_q <= d_cm_quad;
                    om_q <= d_om;
                    qm_q <= {d_qm, 3'd0};
                    keep_q <= d_keep && !warm;
                    kept_q <= d_keep && warm;
                    store_q <= d_store_word;
                    wr_addr_q <= d_addr;
                    if (d_store) back <= d_none ? B_GET : B_STORE;
                    else back <= d_none ? B_CHECK : B_READ;
                end
            B_READ:
                if ((take || fetch) && left_q == {{(BEAT_BITS - 1) {1'b0}}, 1'b1}) back <= B_CHECK;
            B_CHECK:
                if (read_end) back <= checked_q && !crc_ok ? B_STOP : B_GET;
            B_STORE:
                if (wr_ready) back <= B_FETCH;
            B_FETCH: begin
                if (fr_re && fr_ready) begin
                    got_q  <= 1'b1;
                    wait_q <= 2'd2;
                end
                if (got_q) begin
                    wait_q <= wait_q - 2'd1;
                    if (wait_q == 2'd1) begin
                        got_q <= 1'b0;
                        back  <= B_SEND;
                    end
                end
            end
            B_SEND:
                if (send && part_last)
                    back <= left_q == {{(BEAT_BITS - 1) {1'b0}}, 1'b1} ? B_DONE : B_FETCH;
            B_DONE:
                if (wr_done) back <= B_GET;
            default: back <= B_STOP;
        endcase

        if (retire) retired_dma <= retired_dma + 16'd1;
        error_crc <= !halt && read_end && checked_q && !crc_ok;
        if (halt) back <= B_STOP;

        if (rst) begin
            back <= B_GET;
            beat_v <= 1'b0;
            word_v <= 1'b0;
            part_q <= {PER_LOG2{1'b0}};
            wait_q <= 2'd0;
            got_q <= 1'b0;
            fetched_q <= 2'd0;
            error_crc <= 1'b0;
            retired_dma <= 16'd0;
        end
    end
endmodule
`default_nettype wire
