// Sequencer: fetches the program and dispatches instructions, in order, to the three queues.
//
// Program: `count` lines of 128 bits from `base`. An instruction has one to four, as its first says
// (decode_lines); what would be in further ones is 0. The fetch runs ahead by up to AHEAD lines, in
// requests of up to 16, and only asks for what fits its FIFO, so program beats never stall the bus.
// An instruction waits for space in its queue (dma, ldw or cmp: decode_queue). END waits until
// every queue has retired all that it was given, lets the fetch run dry, and strobes `done`. An
// opcode that no unit has raises error_opcode, a program without END error_end; both stop the
// dispatch until reset.
//
// Names: rd_* request to the read master, rdd_* its data; o_*, f_* beats behind the FIFO; q_* the
// queues' inputs, registers; to_dma, to_ldw, to_cmp: the queue of the instruction that comes
// whole.
//
// Timing (hwgen/units/sequencer.py): start in cycle t -> rd_valid in t + 3; a request at most every
// second cycle; an instruction is dispatched three cycles after its last beat was on the bus, and
// its beats and one cycle after the one before: they go on from the FIFO after a dispatch.
// Reset: control only. Cost (Yosys, 128 bits): about 330 LUT, LUT RAM included, 870 FF.
`default_nettype none
module sequencer #(
    parameter AXI_BITS  = 128,
    parameter ADDR_BITS = 32,
    parameter BEAT_BITS = 21,
    parameter AHEAD     = 32   // lines, a power of two >= 32
) (
    input wire clk,
    input wire rst,
    input wire halt,  // an error elsewhere: dispatch nothing more

    input  wire                 start,
    input  wire [ADDR_BITS-1:0] base,
    input  wire [         23:0] count,  // lines
    output reg                  running,
    output reg                  done,   // strobe
    output reg                  error_opcode,
    output reg                  error_end,

    output reg                  rd_valid,
    input  wire                 rd_ready,
    output reg  [ADDR_BITS-1:0] rd_addr,
    output reg  [BEAT_BITS-1:0] rd_beats,
    input  wire                 rdd_valid,  // always taken
    input  wire [ AXI_BITS-1:0] rdd_data,

    output wire [511:0] q_word,
    output reg          q_dma_valid,
    input  wire         q_dma_ready,
    output reg          q_ldw_valid,
    input  wire         q_ldw_ready,
    output reg          q_cmp_valid,
    input  wire         q_cmp_ready,

    input  wire [15:0] retired_dma,
    input  wire [15:0] retired_ldw,
    input  wire [15:0] retired_cmp,
    output reg  [15:0] issued_dma,
    output reg  [15:0] issued_ldw,
    output reg  [15:0] issued_cmp,

    output wire       dispatch,      // strobe: an instruction leaves
    output wire       head_valid,    // an instruction waits
    output wire [3:0] head_op
);
    localparam PER = 512 / AXI_BITS;  // beats of an instruction of four lines
    localparam PER_LOG2 = $clog2(PER);
    localparam LINE = 128 / AXI_BITS;  // beats of a line
    localparam LINE_LOG2 = $clog2(LINE);
    localparam AHEAD_LOG2 = $clog2(AHEAD);

    generate
        if (AHEAD < 32 || (1 << AHEAD_LOG2) != AHEAD) begin : gen_guard
            ERROR_sequencer_AHEAD_must_be_a_power_of_two_of_at_least_32 u_stop ();
        end
    endgenerate

    // ---------------------------------------------------------------- fetch
    reg [23:0] to_fetch_q;                // lines not yet requested
    reg [AHEAD_LOG2:0] held_q;            // lines requested, of instructions not in cur a cycle ago
    reg whole_q;                          // an instruction came whole a cycle ago
    reg [AHEAD_LOG2:0] coming_q;          // lines requested and not yet taken from the FIFO
    reg [ADDR_BITS-1:0] next_addr_q;

    // of these, a cycle later: a request changes them, so that the next one waits for a cycle
    reg more_q;
    reg room_q;
    reg dry_q;                            // all that was requested is taken
    reg [4:0] chunk_q;                    // lines of the next request

    wire [AHEAD_LOG2:0] chunk_wide = {{(AHEAD_LOG2 - 4) {1'b0}}, chunk_q};
    localparam [AHEAD_LOG2:0] LIMIT = AHEAD[AHEAD_LOG2:0] - {{(AHEAD_LOG2 - 4) {1'b0}}, 5'd16};
    reg ending_q;              // END is passed: drop what the fetch still brings
    wire ask = running && more_q && room_q && !rd_valid && !ending_q;

    wire o_valid;              // the FIFO's oldest beat; f_*: a register behind it
    wire [AXI_BITS-1:0] o_data;
    reg f_valid;
    wire f_ready;
    reg [AXI_BITS-1:0] f_data;
    wire o_ready = !f_valid || f_ready;
    wire f_space;
    wire unused = &{1'b0, f_space};

    fifo_lut #(
        .WIDTH(AXI_BITS),
        .DEPTH(AHEAD * LINE)
    ) u_fifo (
        .clk(clk),
        .rst(rst),
        .s_valid(rdd_valid),
        .s_ready(f_space),
        .s_data(rdd_data),
        .m_valid(o_valid),
        .m_ready(o_ready),
        .m_data(o_data)
    );

    // ---------------------------------------------------------------- dispatch
    reg [511:0] joined_q;      // cur
    reg [3:0] op_q;            // opcode of cur
    reg full_q;
    reg open_q;                // a beat may go into cur: it is not full, or the rest is dropped
    reg end_q;                 // cur is END
    reg known_q;               // .. for a cycle: retired_q holds all that was dispatched before
    reg bad_q;                 // no unit has its opcode
    reg retired_q;             // all that was issued, a cycle ago
    reg [2:0] sent_q;          // dispatched a cycle ago to cmp, ldw, dma
    reg [PER_LOG2-1:0] part_q; // beat of it that comes next
    reg [PER-1:0] here_q;      // the same, a bit each
    reg [1:0] behind_q;        // lines behind its first

    wire first = here_q[0];
    wire [511:0] head = {{(512 - AXI_BITS) {1'b0}}, first ? f_data : joined_q[AXI_BITS-1:0]};
    wire [1:0] head_behind;
    wire [1:0] behind = first ? head_behind : behind_q;
    wire [PER_LOG2-1:0] last_part;
    wire line_ends;  // with this beat
    generate
        if (LINE == 1) begin : gen_whole_lines
            assign last_part = behind;
            assign line_ends = 1'b1;
        end else begin : gen_parts
            assign last_part = {behind, {LINE_LOG2{1'b1}}};
            assign line_ends = &part_q[LINE_LOG2-1:0];
        end
    endgenerate

    wire is_end;
    wire to_dma;
    wire to_ldw;
    wire to_cmp;
    wire [3:0] op;
    wire stopped = halt || error_opcode || error_end;
    wire all_retired = issued_dma == retired_dma && issued_ldw == retired_ldw
        && issued_cmp == retired_cmp;
    wire passed = end_q && known_q && retired_q && !stopped;  // END

    decode_queue u_decode (
        .word(head),
        .op(op),
        .to_seq(is_end),
        .to_dma(to_dma),
        .to_ldw(to_ldw),
        .to_cmp(to_cmp)
    );

    decode_lines u_lines (
        .word(head),
        .lines(head_behind)
    );

    assign q_word = joined_q;
    assign dispatch = (q_dma_valid && q_dma_ready) || (q_ldw_valid && q_ldw_ready)
        || (q_cmp_valid && q_cmp_ready);
    assign head_valid = full_q;
    assign head_op = op_q;
    assign f_ready = open_q;

    wire take = f_valid && f_ready;
    wire whole = take && part_q == last_part;
    wire [2:0] whole_lines = {1'b0, behind_q} + 3'd1;
    wire [AHEAD_LOG2:0] whole_wide = {{(AHEAD_LOG2 - 2) {1'b0}}, whole_lines & {3{whole_q}}};
    wire [AHEAD_LOG2:0] line_wide = {{AHEAD_LOG2{1'b0}}, take && line_ends};
    wire fresh = whole && !ending_q && !stopped;

    // Beat k of an instruction; those behind its last are 0.
    genvar k;
    generate
        for (k = 0; k < PER; k = k + 1) begin : gen_beat
            wire load = f_valid && open_q && here_q[k];
            wire clear = k != 0 && f_valid && open_q && here_q[0];
            always @(posedge clk) begin
                if (load) joined_q[AXI_BITS*k +: AXI_BITS] <= f_data;
                if (clear) joined_q[AXI_BITS*k +: AXI_BITS] <= {AXI_BITS{1'b0}};
            end
        end
    endgenerate

    always @(posedge clk) begin
        done <= 1'b0;

        // Fetch.
        if (rd_valid && rd_ready) rd_valid <= 1'b0;
        if (ask) begin
            rd_valid <= 1'b1;
            next_addr_q <= next_addr_q + {{(ADDR_BITS - 9) {1'b0}}, chunk_q, 4'd0};
            to_fetch_q <= to_fetch_q - {19'd0, chunk_q};
        end
        if (!rd_valid) begin
            rd_addr <= next_addr_q;
            rd_beats <= {{(BEAT_BITS - 5) {1'b0}}, chunk_q} << LINE_LOG2;
        end
        more_q <= to_fetch_q != 24'd0;
        chunk_q <= to_fetch_q >= 24'd16 ? 5'd16 : to_fetch_q[4:0];
        room_q <= held_q <= LIMIT;
        dry_q <= !start && to_fetch_q == 24'd0 && coming_q == {(AHEAD_LOG2 + 1) {1'b0}};
        held_q <= ask ? held_q + chunk_wide - whole_wide : held_q - whole_wide;
        coming_q <= ask ? coming_q + chunk_wide - line_wide : coming_q - line_wide;

        if (o_ready) begin
            f_valid <= o_valid;
            f_data <= o_data;
        end
        whole_q <= whole;

        // Dispatch.
        if (take) begin
            op_q <= op;
            behind_q <= behind;
            part_q <= whole ? {PER_LOG2{1'b0}} : part_q + 1'b1;
            here_q <= whole ? {{(PER - 1) {1'b0}}, 1'b1} : here_q << 1;
        end
        full_q <= whole || (full_q && !dispatch);
        open_q <= !(whole || (full_q && !dispatch)) || ending_q;
        sent_q <= {q_cmp_valid && q_cmp_ready, q_ldw_valid && q_ldw_ready,
            q_dma_valid && q_dma_ready};
        if (sent_q[0]) issued_dma <= issued_dma + 16'd1;
        if (sent_q[1]) issued_ldw <= issued_ldw + 16'd1;
        if (sent_q[2]) issued_cmp <= issued_cmp + 16'd1;
        q_dma_valid <= (fresh && to_dma) || (q_dma_valid && !q_dma_ready && !stopped);
        q_ldw_valid <= (fresh && to_ldw) || (q_ldw_valid && !q_ldw_ready && !stopped);
        q_cmp_valid <= (fresh && to_cmp) || (q_cmp_valid && !q_cmp_ready && !stopped);
        end_q <= (fresh && is_end) || (end_q && !passed);
        known_q <= end_q && !passed;
        bad_q <= fresh && !to_dma && !to_ldw && !to_cmp && !is_end;
        retired_q <= all_retired;
        if (bad_q) error_opcode <= 1'b1;
        if (passed) begin
            ending_q   <= 1'b1;
            to_fetch_q <= 24'd0;
        end
        if (running && !ending_q && !stopped && dry_q && !full_q) error_end <= 1'b1;
        if (ending_q && dry_q) begin
            done <= 1'b1;
            running <= 1'b0;
            ending_q <= 1'b0;
            full_q <= 1'b0;
            open_q <= 1'b1;
        end

        if (start) begin
            running <= 1'b1;
            next_addr_q <= base;
            to_fetch_q <= count;
            // of what came behind the last END
            held_q <= {(AHEAD_LOG2 + 1) {1'b0}};
            whole_q <= 1'b0;
            part_q <= {PER_LOG2{1'b0}};
            here_q <= {{(PER - 1) {1'b0}}, 1'b1};
        end

        if (rst) begin
            running <= 1'b0;
            done <= 1'b0;
            error_opcode <= 1'b0;
            error_end <= 1'b0;
            rd_valid <= 1'b0;
            q_dma_valid <= 1'b0;
            q_ldw_valid <= 1'b0;
            q_cmp_valid <= 1'b0;
            end_q <= 1'b0;
            known_q <= 1'b0;
            bad_q <= 1'b0;
            to_fetch_q <= 24'd0;
            held_q <= {(AHEAD_LOG2 + 1) {1'b0}};
            whole_q <= 1'b0;
            f_valid <= 1'b0;
            coming_q <= {(AHEAD_LOG2 + 1) {1'b0}};
            full_q <= 1'b0;
            open_q <= 1'b1;
            ending_q <= 1'b0;
            part_q <= {PER_LOG2{1'b0}};
            here_q <= {{(PER - 1) {1'b0}}, 1'b1};
            sent_q <= 3'd0;
            issued_dma <= 16'd0;
            issued_ldw <= 16'd0;
            issued_cmp <= 16'd0;
        end
    end
endmodule
`default_nettype wire
