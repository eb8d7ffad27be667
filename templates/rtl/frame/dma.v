// DMA unit: LOAD (DDR record -> WB, CM, OM, QM), LOADF (DDR -> FM or TM), STORE (FM or TM -> DDR).
//
//   queue --> dma_front --request--> read master --beats--> dma_pack --words--> destinations
//                 |                                          ^    |              (dma_place)
//                 +--descriptor d_*--> states (here)         |    +--beats--> write master
//                                          words of FM, TM or the weight store
//
// dma_front waits for an instruction's counts and requests its reads ahead; the states here run
// the descriptors in order, count what retired and stop at an error.
// LOADF `bytes`: one byte per lane, extended by zeros, or with `sign` by its highest bit.
// The CRC-32 of what comes from the weight image (LOAD, and LOADF with base_sel 0) is taken over
// its beats: another value than the instruction's raises `error_crc` (a strobe); the record never
// retires and the unit stops until reset.
// With a weight store (STORE_WORDS > 0) the words of a LOAD with `keep` are also written to the
// store from word `store` on; in a `warm` frame they come from there, a word a cycle, without a
// read of DDR and without the CRC: it was checked when the store was filled.
//
// Names: i_* the queue; rd_*, wr_* requests to the AXI masters, rdd_*, wrd_* their data; p_*
// parameters, f_* writes and fr_* reads of FM and TM, st_* the weight store; d_* the oldest
// descriptor.
//
// Timing (hwgen/units/dma.py): an instruction takes FRONT cycles from queue to read request; a
// record of B beats occupies the states for B + READ_BEHIND cycles while its data are there, N
// words of the store for N + KEPT. It retires RETIRE cycles after it left the states: by then its
// CRC is compared.
// p_*, wb_*, f_* and fr_* are registers. f_ready in cycle t: a word with f_we in t + 1 is written;
// until then it waits, the beats behind it in a 16-beat FIFO and on rdd_ready. fr_ready in t: the
// request of t is taken; fr_word comes FR_AT cycles later.
// Reset: control only. Cost: see hwgen/units/dma.py.
`default_nettype none
module dma #(
    parameter LANES       = 16,
    parameter AXI_BITS    = 128,  // divides 8 LANES
    parameter ADDR_BITS   = 32,
    parameter BEAT_BITS   = 21,
    parameter STORE_WORDS = 0,    // 0: `keep` is not decoded
    parameter FR_AT       = 4,    // cycles from a read of FM or TM to its word
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
    output wire [16*LANES-1:0] word,     // of WB, parameters, store, FM and TM

    // Weight store; st_word comes two cycles after st_re.
    input  wire                warm,     // of the frame
    output wire                st_we,
    output wire                st_re,
    output wire [        15:0] st_addr,
    input  wire [16*LANES-1:0] st_word,

    // FM and TM.
    output reg                 f_we,
    output wire                f_mem,
    output wire [        13:0] f_addr,
    input  wire                f_ready,
    output reg                 fr_re,
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
    localparam PER_WORD = 16 * LANES / AXI_BITS;  // beats of a word
    localparam PER_LOG2 = $clog2(PER_WORD);

    generate
        if ((8 * LANES) % AXI_BITS != 0 || (1 << PER_LOG2) != PER_WORD) begin : gen_guard
            ERROR_dma_AXI_BITS_must_divide_8_LANES_and_LANES_be_a_power_of_two u_stop ();
        end
        if (FR_AT < 2) begin : gen_guard_fr_at
            ERROR_dma_FR_AT_must_be_at_least_2 u_stop ();
        end
    endgenerate

    // ---------------------------------------------------------------- descriptors
    wire d_valid;
    wire [ADDR_BITS-1:0] d_addr;
    wire [BEAT_BITS-1:0] d_beats;
    wire d_load;
    wire d_store;
    wire d_checked;
    wire d_bytes;
    wire d_sign;
    wire d_mem;
    wire [31:0] d_crc;
    wire [15:0] d_place;
    wire [2:0] d_has;
    wire [3:0] d_one;
    wire d_none;
    wire d_single;
    wire [15:0] d_n_wb;
    wire [7:0] d_n_cm;
    wire [7:0] d_cm;
    wire d_cm_quad;
    wire [7:0] d_n_om;
    wire [7:0] d_om;
    wire [7:0] d_n_qm;
    wire [7:0] d_qm;
    wire [5:0] d_qm_fields;
    wire d_keep;
    wire [15:0] d_store_word;
    wire d_kept = d_keep && warm;  // its words come from the store
    wire take;
    wire front_busy;

    dma_front #(
        .ADDR_BITS(ADDR_BITS),
        .BEAT_BITS(BEAT_BITS),
        .PER_LOG2(PER_LOG2),
        .STORE_WORDS(STORE_WORDS),
        .I_BITS(I_BITS)
    ) u_front (
        .clk(clk),
        .rst(rst),
        .i_valid(i_valid),
        .i_ready(i_ready),
        .i_word(i_word),
        .retired_dma(retired_dma),
        .retired_ldw(retired_ldw),
        .retired_cmp(retired_cmp),
        .warm(warm),
        .base_weight(base_weight),
        .base_input(base_input),
        .base_output(base_output),
        .rd_valid(rd_valid),
        .rd_ready(rd_ready),
        .rd_addr(rd_addr),
        .rd_beats(rd_beats),
        .d_valid(d_valid),
        .d_take(take),
        .d_addr(d_addr),
        .d_beats(d_beats),
        .d_load(d_load),
        .d_store(d_store),
        .d_checked(d_checked),
        .d_bytes(d_bytes),
        .d_sign(d_sign),
        .d_mem(d_mem),
        .d_crc(d_crc),
        .d_place(d_place),
        .d_n_wb(d_n_wb),
        .d_has(d_has),
        .d_one(d_one),
        .d_none(d_none),
        .d_single(d_single),
        .d_n_cm(d_n_cm),
        .d_cm(d_cm),
        .d_cm_quad(d_cm_quad),
        .d_n_om(d_n_om),
        .d_om(d_om),
        .d_n_qm(d_n_qm),
        .d_qm(d_qm),
        .d_qm_fields(d_qm_fields),
        .d_keep(d_keep),
        .d_store_word(d_store_word),
        .busy(front_busy),
        .start(start),
        .head(head)
    );

    // ---------------------------------------------------------------- words
    // States, one-hot; none of them: after an error.
    localparam B_GET = 0;
    localparam B_READ = 1;   // beats arrive
    localparam B_CHECK = 2;  // last word is written
    localparam B_STORE = 3;  // request to the write master
    localparam B_FETCH = 4;  // STORE: read a word
    localparam B_SEND = 5;   // STORE: send its beats
    localparam B_DONE = 6;   // STORE: wait for the responses
    localparam B_KEPT = 7;   // words of the weight store arrive

    reg [7:0] back;
    reg load_q;
    reg checked_q;  // the record has a CRC
    reg mem_q;
    reg [ADDR_BITS-1:0] wr_addr_q;
    reg [FR_AT:1] fr_line_q;  // a read was accepted so many cycles ago
    reg hold_q;  // FM is not ready for the word

    wire step;
    wire last;
    wire put;
    wire complete;
    wire drained;
    wire crc_ok;
    wire part_last;
    wire waiting = !load_q && (complete || hold_q);  // for FM or TM, in the next cycle
    wire hold_next = waiting && !f_ready;
    wire send = wrd_valid && wrd_ready;
    wire fr_taken = fr_re && fr_ready;

    assign take = back[B_GET] && d_valid;

    dma_pack #(
        .LANES(LANES),
        .AXI_BITS(AXI_BITS),
        .BEAT_BITS(BEAT_BITS),
        .STORE(STORE_WORDS != 0)
    ) u_pack (
        .clk(clk),
        .rst(rst),
        .take(take),
        .beats(d_beats),
        .none(d_none),
        .single(d_single),
        .bytes(d_bytes),
        .sign(d_sign),
        .crc(d_crc),
        .loading(load_q),
        .reading(back[B_READ]),
        .fetching(STORE_WORDS != 0 && back[B_KEPT]),
        .hold_next(hold_next),
        .rdd_valid(rdd_valid),
        .rdd_ready(rdd_ready),
        .rdd_data(rdd_data),
        .st_re(st_re),
        .st_word(st_word),
        .word(word),
        .complete(complete),
        .put(put),
        .step(step),
        .last(last),
        .drained(drained),
        .crc_ok(crc_ok),
        .fr_take(fr_line_q[FR_AT]),
        .fr_word(fr_word),
        .sending(wrd_valid),
        .sent(wrd_ready),
        .wrd_data(wrd_data),
        .left(wr_beats),
        .part_last(part_last)
    );

    dma_place u_place (
        .clk(clk),
        .take(take),
        .place(d_place),
        .has(d_has),
        .one(d_one),
        .n_wb(d_n_wb),
        .n_cm(d_n_cm),
        .cm(d_cm),
        .cm_quad(d_cm_quad),
        .n_om(d_n_om),
        .om(d_om),
        .n_qm(d_n_qm),
        .qm(d_qm),
        .qm_fields(d_qm_fields),
        .keep(d_keep && !warm),
        .store(d_store_word),
        .put(put),
        .wb_we(wb_we),
        .wb_addr(wb_addr),
        .p_we(p_we),
        .p_sel(p_sel),
        .p_slot(p_slot),
        .p_field(p_field),
        .st_we(st_we),
        .st_re(st_re),
        .st_addr(st_addr),
        .f_step(f_we || fr_line_q[1]),
        .f_addr(f_addr)
    );

    assign f_mem = mem_q;
    assign fr_mem = mem_q;
    assign fr_addr = f_addr;
    assign wr_valid = back[B_STORE];
    assign wr_addr = wr_addr_q;
    assign wrd_valid = back[B_SEND];

    // ---------------------------------------------------------------- states
    wire fetch = (back[B_STORE] && wr_ready) || (back[B_SEND] && send && part_last && !last);
    wire read_end = back[B_CHECK] && drained && !hold_q;
    wire ended = read_end || (back[B_DONE] && wr_done) || (take && d_store && d_none);
    reg [1:0] ended_q;  // so many cycles ago
    reg [1:0] compare_q;  // .. with a CRC
    reg stop_q;

    assign retire = !halt && !stop_q && ended_q[1] && (!compare_q[1] || crc_ok);
    assign busy = front_busy || !back[B_GET] || d_valid || ended_q != 2'd0;

    always @(posedge clk) begin
        if (take) begin
            load_q <= d_load;
            checked_q <= d_checked && !d_kept;
            mem_q <= d_mem;
            wr_addr_q <= d_addr;
        end
        back[B_GET] <= (back[B_GET] && !(take && !(d_store && d_none))) || read_end
            || (back[B_DONE] && wr_done);
        back[B_READ] <= (take && !d_store && !d_none && !d_kept)
            || (back[B_READ] && !(step && last));
        back[B_KEPT] <= (take && !d_none && d_kept) || (back[B_KEPT] && !(step && last));
        back[B_CHECK] <= (take && !d_store && d_none)
            || ((back[B_READ] || back[B_KEPT]) && step && last)
            || (back[B_CHECK] && !read_end);
        back[B_STORE] <= (take && d_store && !d_none) || (back[B_STORE] && !wr_ready);
        back[B_FETCH] <= fetch || (back[B_FETCH] && !fr_line_q[FR_AT]);
        back[B_SEND] <= (back[B_FETCH] && fr_line_q[FR_AT])
            || (back[B_SEND] && !(send && part_last));
        back[B_DONE] <= (back[B_SEND] && send && part_last && last) || (back[B_DONE] && !wr_done);

        f_we <= waiting && f_ready;
        hold_q <= hold_next;
        fr_re <= fetch || (fr_re && !fr_ready);
        fr_line_q <= {fr_line_q[FR_AT-1:1], fr_taken};

        ended_q <= {ended_q[0], ended};
        compare_q <= {compare_q[0], read_end && checked_q};
        if (retire) retired_dma <= retired_dma + 16'd1;
        error_crc <= !halt && !stop_q && ended_q[1] && compare_q[1] && !crc_ok;
        if (ended_q[1] && compare_q[1] && !crc_ok) stop_q <= 1'b1;
        if (halt || stop_q) back <= 8'd0;

        if (rst) begin
            back <= 8'd1;
            f_we <= 1'b0;
            hold_q <= 1'b0;
            fr_re <= 1'b0;
            fr_line_q <= {FR_AT{1'b0}};
            ended_q <= 2'd0;
            stop_q <= 1'b0;
            error_crc <= 1'b0;
            retired_dma <= 16'd0;
        end
    end
endmodule
`default_nettype wire
