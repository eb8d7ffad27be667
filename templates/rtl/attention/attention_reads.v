// Reads of attention: keys and values of an instruction, then its queries, from the bit memory.
//
// From start on one word per cycle: the keys, then the values; beside them a query every
// P = max(ceil(tokens / PK), 64/LANES + 1, 3) cycles, from when EARLY values are left. att_re,
// att_addr
// and what the word is (att_key .. att_end) are registers: a read decided in cycle t is at the port
// in t + 1.
//
// Two buffers take turns, used_q: those whose keys and values are (being) read or in use. Keys of
// more than half of MAX_TOKENS take both: they wait for the other one. `freed`: the last values of
// the older used buffer are read; `finish`: a query is answered. last_group, tail_mask: constants
// of all queries in flight, so that an instruction with other tokens waits until there are none.
//
// ready, a register, goes low in the cycle after start and comes back when a further instruction
// may start; it stays high until then, so a start may also come one cycle late. Starts are at least
// two cycles apart; the fields are taken in the cycle of start.
// Names: load_* keys and values, feed_* queries of the instruction before or the same; open_q: the
// P cycles of the last query are over; ask_q reads a query.
// Reset: control only. Cost: 182 LUT, 222 FF (Yosys, LANES 32).
`default_nettype none
module attention_reads #(
    parameter LANES      = 16,
    parameter PK         = 8,
    parameter MAX_TOKENS = 256,
    parameter GROUP_W    = 5  // log2 of the groups of both buffers
) (
    input  wire               clk,
    input  wire               rst,
    input  wire               start,
    input  wire [15:0]        q_bits,
    input  wire [15:0]        k_bits,
    input  wire [15:0]        v_bits,
    input  wire [11:0]        t_stride,
    input  wire [11:0]        queries,
    input  wire [8:0]         tokens,
    output reg                ready,
    output reg                buffer,  // of the next start
    output reg                att_re,
    output reg  [15:0]        att_addr,
    output reg                att_key,
    output reg                att_value,
    output reg                att_last,   // last key or last value
    output reg                att_query,
    output reg                att_end,    // of a query: the last one
    output reg  [GROUP_W-1:0] last_group,
    output reg  [PK-1:0]      tail_mask,  // keys that count in the last group
    input  wire               freed,
    input  wire               finish
);
    localparam LOG2_PK = $clog2(PK);
    localparam HALF    = MAX_TOKENS / 2;  // keys of a buffer
    localparam WORDS   = 64 / LANES;
    localparam EARLY   = 18;  // the value reads that are left end in time
    localparam [GROUP_W-1:0] ONE      = 1;
    localparam               LEAST    = (WORDS > 3) ? WORDS - 2 : 0;  // least P - 3
    localparam [GROUP_W-1:0] MIN_GAP  = LEAST[GROUP_W-1:0];

    // ------------------------------------------------------------------ the instruction to read
    reg  [15:0] q_bits_q, v_bits_q;
    reg  [11:0] stride_q, queries_q;
    reg  [8:0]  tokens_q;
    reg         both_q;     // it takes both buffers
    reg         pending_q;  // its queries have not begun
    reg  [1:0]  used_q;
    reg         free_buf_q;  // the older used buffer
    wire        other_used = buffer ? used_q[1] : used_q[0];

    always @(posedge clk) begin
        if (start) begin
            q_bits_q  <= q_bits;
            v_bits_q  <= v_bits;
            stride_q  <= t_stride;
            queries_q <= queries;
            tokens_q  <= tokens;
            both_q    <= tokens > HALF[8:0];
            buffer    <= ~buffer;
        end
        free_buf_q <= free_buf_q ^ freed;
        used_q     <= (used_q & ~({freed, freed} & {free_buf_q, ~free_buf_q}))
            | ({start, start} & {buffer, ~buffer});
        if (rst) begin
            buffer     <= 1'b0;
            free_buf_q <= 1'b0;
            used_q     <= 2'b00;
        end
    end

    // ------------------------------------------------------------------ keys, then values
    reg         load_q, load_v_q, blocked_q, near_q;  // near_q: EARLY values left or fewer
    reg  [15:0] load_addr_q;
    reg  [8:0]  load_left_q;
    reg         ask_q;
    wire        load_re   = load_q & ~ask_q & ~blocked_q;
    wire        load_last = load_left_q == 9'd1;

    always @(posedge clk) begin
        if (start) begin
            load_q      <= 1'b1;
            load_v_q    <= 1'b0;
            load_addr_q <= k_bits;
            load_left_q <= tokens;
        end else if (load_re) begin
            load_addr_q <= load_last ? v_bits_q : load_addr_q + {4'd0, stride_q};
            load_left_q <= load_last ? tokens_q : load_left_q - 9'd1;
            load_v_q    <= load_v_q | load_last;
            load_q      <= ~(load_v_q & load_last);
        end
        near_q    <= ~start & (near_q | (load_v_q & (load_left_q <= EARLY[8:0])));
        blocked_q <= start ? (tokens > HALF[8:0]) & (|used_q) : both_q & other_used;
        if (rst) load_q <= 1'b0;
    end

    // ------------------------------------------------------------------ queries
    reg                feed_q, open_q, same_q, idle_q;
    reg  [15:0]        feed_addr_q;
    reg  [11:0]        feed_stride_q, feed_left_q;
    reg  [8:0]         feed_tokens_q;
    reg  [GROUP_W-1:0] slot_q, gap_q;  // cycles since ask_q; those before open_q
    reg  [5:0]         flight_q;       // queries read and not yet answered
    wire               feed_last = feed_left_q == 12'd1;
    wire               feed_load = ~feed_q & pending_q & near_q & (idle_q | same_q);

    // constants of the instruction to read, ready long before feed_load
    reg  [GROUP_W-1:0] next_group_q, next_gap_q;
    reg  [PK-1:0]      next_mask_q;
    wire [8:0]         last_key = tokens_q - 9'd1;
    wire               few_groups;  // P is the least one
    generate
        if ((1 << GROUP_W) <= LEAST + 2) begin : gen_least
            assign few_groups = 1'b1;
        end else begin : gen_groups
            localparam [GROUP_W-1:0] MIN_LAST = MIN_GAP + ONE + ONE;
            assign few_groups = next_group_q < MIN_LAST;
        end
    endgenerate
    wire               unused = &{1'b0, last_key[8:LOG2_PK+GROUP_W]};

    always @(posedge clk) begin
        next_group_q <= last_key[LOG2_PK +: GROUP_W];
        next_gap_q   <= few_groups ? MIN_GAP : next_group_q - ONE - ONE;
        next_mask_q  <= {PK{1'b1}} >> ~last_key[LOG2_PK-1:0];
        same_q       <= tokens_q == feed_tokens_q;
        if (feed_load) begin
            feed_q        <= 1'b1;
            feed_addr_q   <= q_bits_q;
            feed_stride_q <= stride_q;
            feed_left_q   <= queries_q;
            feed_tokens_q <= tokens_q;
            last_group    <= next_group_q;
            gap_q         <= next_gap_q;
            tail_mask     <= next_mask_q;
        end else if (ask_q) begin
            feed_q      <= ~feed_last;
            feed_left_q <= feed_left_q - 12'd1;
            feed_addr_q <= feed_addr_q + {4'd0, feed_stride_q};
        end
        pending_q <= start | (pending_q & ~feed_load);
        slot_q    <= ask_q ? {GROUP_W{1'b0}} : slot_q + ONE;
        open_q    <= ~ask_q & (open_q | (slot_q == gap_q));
        ask_q     <= ~ask_q & open_q & (feed_q | feed_load);
        flight_q  <= flight_q + {5'd0, ask_q} - {5'd0, finish};
        idle_q    <= ~ask_q & ((flight_q == 6'd0) | (finish & (flight_q == 6'd1)));
        if (rst) begin
            pending_q <= 1'b0;
            feed_q    <= 1'b0;
            open_q    <= 1'b1;
            ask_q     <= 1'b0;
            flight_q  <= 6'd0;
        end
    end

    always @(posedge clk) begin
        ready     <= ~start & ~load_q & ~pending_q & ~other_used & ~(both_q & (|used_q));
        att_re    <= load_re | ask_q;
        att_addr  <= ask_q ? feed_addr_q : load_addr_q;
        att_key   <= load_re & ~load_v_q;
        att_value <= load_re & load_v_q;
        att_last  <= load_last;
        att_query <= ask_q;
        att_end   <= feed_last;
        if (rst) begin
            ready     <= 1'b0;
            att_re    <= 1'b0;
            att_key   <= 1'b0;
            att_value <= 1'b0;
            att_query <= 1'b0;
        end
    end
endmodule
`default_nettype wire
