// QD attention of one window and one head of 64 channels.
//
//   p[t][j]    = popcount(xnor(q_t, k_j));  rowsum[t] = sum_j EXP[p[t][j]]
//   level[t][j] = #{i : EXP[p] 2**20 >= rowsum[t] kappa_i}   (<= when neg)
//   context[t][c] = sum_j level[t][j] (v_j[c] ? +1 : -1)
//   queries t < queries (1..4095), keys j < tokens (1..MAX_TOKENS)
//
// Layout: the 64/LANES elements of token t at x_bits + t * t_stride, in one row of the bit memory
// (a multiple of 64/LANES); att_row bit 0 = channel 0, two cycles after att_re. Result: for each
// query 64/LANES words, lane l of word w = channel w*LANES + l, signed 16 bits.
//
// Order: keys, then values are read, one token per cycle; queries follow each other P cycles apart:
//   G = ceil(tokens / PK);  P = max(G, 64/LANES, 3)
// From start to the last result word, when started idle (both cycles counted):
//   max(tokens + 1, 2 tokens - 15) + (queries - 1) P + 2 G + 30 + log2(PK) + 64/LANES
// (hwgen/units/attention.py). Nothing stalls: every stage has a fixed latency.
//
// start only while ready (nothing in flight; high from the cycle of the last result word) or while
// ready_next: a further instruction may be started while this one computes. Up to MAX_TOKENS/2 keys
// and their values are read into the other half of the memories, and with the same tokens the first
// query follows the last one without a gap. More keys take both halves: such an instruction reads
// nothing until the one before has used its values, and holds ready_next low until it has used its
// own. The parameters are taken in the cycle of start. The bit memory must be free for att_re until
// ready.
//
// Names: load_* reads keys, then values; feed_* the queries of an instruction, next_tokens .. its
// successor; query_* the query of the slot that runs, next_q, next_buf_q, next_end_q that of the
// next slot. *0_q, *1_q of the parameters (queries0_q, kappa1_q): of the instruction in buffer 0,
// 1. k1_q, slot1_q, k2_q ..: 1, 2 cycles after the request of a read. *_t: bit i is i cycles after
// a group of keys. p scores; k_buf, k_set buffer and kappas of the thresholds r, r_neg that they
// become; r_valid, r_acc the result; context_*: the query whose context is summed, end1_q, buf2_q
// .. the same 1, 2 cycles later.
//
// Reset: control only. Cost: see hwgen/units/attention.py.
`default_nettype none
module attention #(
    parameter LANES      = 16,
    parameter KW         = 128,
    parameter PK         = 8,   // keys per cycle, a power of two >= 4
    parameter MAX_TOKENS = 256  // keys; a power of two, 4 PK .. 256
) (
    input  wire                clk,
    input  wire                rst,
    input  wire                start,
    input  wire [15:0]         q_bits,
    input  wire [15:0]         k_bits,
    input  wire [15:0]         v_bits,
    input  wire [11:0]         t_stride,
    input  wire [11:0]         queries,
    input  wire [8:0]          tokens,
    input  wire [23:0]         kappa1,
    input  wire [23:0]         kappa2,
    input  wire [23:0]         kappa3,
    input  wire                neg,
    output wire                ready,
    output wire                ready_next,
    output wire                att_re,
    output wire [15:0]         att_addr,
    input  wire [KW-1:0]       att_row,
    output wire                r_valid,
    output wire [16*LANES-1:0] r_acc
);
    localparam LOG2_PK = $clog2(PK);
    localparam GROUP_W = $clog2(MAX_TOKENS / PK);  // both buffers
    localparam HALF    = MAX_TOKENS / 2;  // keys of a buffer
    localparam SUM_W   = 24 + $clog2(MAX_TOKENS);
    localparam ACC_W   = $clog2(3 * MAX_TOKENS + 1);
    localparam DELAY_W = $clog2(MAX_TOKENS / PK + LOG2_PK + 17);
    localparam WORDS   = 64 / LANES;
    localparam MIN_P   = (WORDS > 3) ? WORDS : 3;
    localparam EARLY   = 16;  // queries start when so many value reads are left: they end in time
    localparam A       = 6 + LOG2_PK;  // cycles from a query's last group to its row sum
    localparam X       = A + 14;  // .. to its thresholds

    generate
        if (LANES != 16 && LANES != 32 && LANES != 64) begin : gen_lanes
            ERROR_attention_LANES_must_be_16_32_or_64 u_stop ();
        end
        if (KW < 64) begin : gen_kw
            ERROR_attention_KW_must_be_at_least_64 u_stop ();
        end
        if (PK < 4 || (1 << LOG2_PK) != PK) begin : gen_pk
            ERROR_attention_PK_must_be_a_power_of_two_from_4_on u_stop ();
        end
        if (MAX_TOKENS < 4 * PK || MAX_TOKENS > 256 || (PK << GROUP_W) != MAX_TOKENS)
        begin : gen_tokens
            ERROR_attention_MAX_TOKENS_must_be_a_power_of_two_from_4_PK_to_256 u_stop ();
        end
        if (KW > 64) begin : gen_unused
            wire unused_row = &{1'b0, att_row[KW-1:64]};
        end
    endgenerate

    // -------------------------------------------------------------- parameters of two instructions
    reg  [1:0]  used_q;    // from start until the last value is read
    reg  [1:0]  loaded_q;  // from (almost) all values read until its queries begin
    reg         in_buf_q;  // buffer of the next start
    reg         both_q;    // the last start takes both buffers
    reg  [11:0] queries0_q, queries1_q;
    reg  [15:0] q_bits0_q, q_bits1_q;
    reg  [11:0] stride0_q, stride1_q;
    reg  [8:0]  tokens0_q, tokens1_q;
    reg  [71:0] kappa0_q, kappa1_q;
    reg         neg0_q, neg1_q;

    always @(posedge clk) begin
        if (start && !in_buf_q) begin
            q_bits0_q <= q_bits;
            queries0_q <= queries;
            stride0_q <= t_stride;
            tokens0_q <= tokens;
            kappa0_q  <= {kappa3, kappa2, kappa1};
            neg0_q    <= neg;
        end
        if (start && in_buf_q) begin
            q_bits1_q <= q_bits;
            queries1_q <= queries;
            stride1_q <= t_stride;
            tokens1_q <= tokens;
            kappa1_q  <= {kappa3, kappa2, kappa1};
            neg1_q    <= neg;
        end
        if (start) begin
            in_buf_q <= ~in_buf_q;
            both_q   <= tokens > HALF[8:0];
        end
        if (rst) in_buf_q <= 1'b0;
    end

    // ------------------------------------------------------------------ loader: keys, then values
    reg         load_q, load_v_q, load_buf_q, load_told_q;
    reg  [15:0] load_addr_q, load_v_bits_q;
    reg  [11:0] load_stride_q;
    reg  [8:0]  load_tokens_q, load_left_q, load_token_q;
    wire        q_re;
    wire        other_used = in_buf_q ? used_q[1] : used_q[0];
    wire        load_re   = load_q & ~q_re & ~(both_q & other_used);
    wire        load_last = load_left_q == 9'd1;
    wire        load_near = load_q & load_v_q & ~load_told_q & (load_left_q <= EARLY[8:0]);

    always @(posedge clk) begin
        if (start) begin
            load_q        <= 1'b1;
            load_v_q      <= 1'b0;
            load_told_q   <= 1'b0;
            load_buf_q    <= in_buf_q;
            load_addr_q   <= k_bits;
            load_v_bits_q <= v_bits;
            load_stride_q <= t_stride;
            load_tokens_q <= tokens;
            load_left_q   <= tokens;
            load_token_q  <= 9'd0;
        end else if (load_re) begin
            load_addr_q  <= load_last ? load_v_bits_q : load_addr_q + {4'd0, load_stride_q};
            load_left_q  <= load_last ? load_tokens_q : load_left_q - 9'd1;
            load_token_q <= load_last ? 9'd0 : load_token_q + 9'd1;
            load_v_q     <= load_v_q | load_last;
            load_q       <= ~(load_v_q & load_last);
        end
        if (load_near) load_told_q <= 1'b1;
        if (rst) load_q <= 1'b0;
    end

    // The row of a read in cycle 0 arrives in cycle 2.
    reg                k1_q, v1_q, q1_q, k2_q, v2_q, q2_q;
    reg  [LOG2_PK-1:0] slot1_q;
    reg  [GROUP_W-1:0] waddr1_q, waddr2_q;
    reg  [PK-1:0]      bank2_q;
    reg  [63:0]        q_q;

    always @(posedge clk) begin
        slot1_q  <= load_token_q[LOG2_PK-1:0];
        waddr1_q <= load_token_q[LOG2_PK +: GROUP_W] ^ {load_buf_q, {(GROUP_W-1){1'b0}}};
        bank2_q  <= {{(PK-1){1'b0}}, 1'b1} << slot1_q;
        waddr2_q <= waddr1_q;
        if (q2_q) q_q <= att_row[63:0];
        k1_q <= load_re & ~load_v_q;
        v1_q <= load_re & load_v_q;
        q1_q <= q_re;
        {k2_q, v2_q, q2_q} <= {k1_q, v1_q, q1_q};
        if (rst) begin
            {k1_q, v1_q, q1_q} <= 3'b000;
            {k2_q, v2_q, q2_q} <= 3'b000;
        end
    end

    // ------------------------------------------------------------------ feed: the queries to read
    reg         feed_q, feed_buf_q, feed_next_q;  // feed_next_q: buffer of the next instruction
    reg  [15:0] feed_addr_q;
    reg  [11:0] feed_stride_q;
    reg  [11:0] feed_left_q;  // queries
    reg         run_q;
    reg  [5:0]  flight_q;  // queries read and not yet answered
    wire        idle = ~feed_q & ~run_q & (flight_q == 6'd0);

    // Constants of all queries in flight: instructions with other tokens wait until there are none.
    reg  [8:0]    tokens_q, last_group_q, last_slot_q;
    reg  [PK-1:0] tail_mask_q;

    wire [8:0]  next_tokens     = feed_next_q ? tokens1_q : tokens0_q;
    wire        next_loaded     = feed_next_q ? loaded_q[1] : loaded_q[0];
    wire [8:0]  next_last       = next_tokens - 9'd1;
    wire [8:0]  next_last_group = {{LOG2_PK{1'b0}}, next_last[8:LOG2_PK]};
    wire        feed_load = ~feed_q & next_loaded & (idle | (next_tokens == tokens_q));
    wire [1:0]  feed_take = {feed_load & feed_next_q, feed_load & ~feed_next_q};
    wire [PK-1:0] next_mask = {PK{1'b1}} >> ~next_last[LOG2_PK-1:0];

    always @(posedge clk) begin
        if (feed_load) begin
            feed_q        <= 1'b1;
            feed_buf_q    <= feed_next_q;
            feed_next_q   <= ~feed_next_q;
            feed_addr_q   <= feed_next_q ? q_bits1_q : q_bits0_q;
            feed_stride_q <= feed_next_q ? stride1_q : stride0_q;
            feed_left_q   <= feed_next_q ? queries1_q : queries0_q;
            tokens_q      <= next_tokens;
            last_group_q  <= next_last_group;
            last_slot_q   <= (next_last_group < MIN_P[8:0]) ? MIN_P[8:0] - 9'd1 : next_last_group;
            tail_mask_q   <= next_mask;
        end else if (q_re) begin
            feed_q      <= feed_left_q != 12'd1;
            feed_left_q <= feed_left_q - 12'd1;
            feed_addr_q <= feed_addr_q + {4'd0, feed_stride_q};
        end
        if (rst) begin
            feed_q      <= 1'b0;
            feed_next_q <= 1'b0;
        end
    end

    // ------------------------------------------------------------ slots of P cycles, one per query
    reg  [8:0] slot_q;
    reg        query_q, query_buf_q, query_end_q;  // the slot's query; end: last of its instruction
    reg        next_q, next_buf_q, next_end_q;  // the query of the next slot
    wire       slot_last = slot_q == last_slot_q;

    assign q_re = feed_q & (~run_q | (slot_q + 9'd2 == last_slot_q));

    always @(posedge clk) begin
        if (q_re) begin
            next_buf_q <= feed_buf_q;
            next_end_q <= feed_left_q == 12'd1;
        end
        slot_q <= ~run_q ? last_slot_q - 9'd1 : slot_last ? 9'd0 : slot_q + 9'd1;
        if (run_q && slot_last) begin
            query_q     <= next_q;
            query_buf_q <= next_buf_q;
            query_end_q <= next_end_q;
        end
        next_q <= q_re | (next_q & ~(run_q & slot_last));
        run_q  <= q_re | (run_q & ~(slot_last & ~next_q));
        if (rst) begin
            run_q   <= 1'b0;
            next_q  <= 1'b0;
            query_q <= 1'b0;
        end
    end

    // ------------------------------------------------------ tags: bit i = i cycles after the group
    wire         issue       = run_q & query_q & (slot_q <= last_group_q);
    wire         issue_first = issue & (slot_q == 9'd0);
    wire         issue_last  = issue & (slot_q == last_group_q);
    reg  [4:1]   valid_t;
    reg  [A-1:1] first_t;
    reg  [X:1]   last_t, buf_t, end_t;

    always @(posedge clk) begin
        valid_t <= {valid_t[3:1], issue};
        first_t <= {first_t[A-2:1], issue_first};
        last_t  <= {last_t[X-1:1], issue_last};
        buf_t   <= {buf_t[X-1:1], query_buf_q};
        end_t   <= {end_t[X-1:1], query_end_q};
        if (rst) begin
            valid_t <= 4'd0;
            last_t  <= {X{1'b0}};
        end
    end

    wire [7*PK-1:0] p;
    wire [PK-1:0]   mask = {PK{valid_t[4]}} & ({PK{~last_t[4]}} | tail_mask_q);

    attention_score #(.PK(PK), .ADDR_W(GROUP_W)) u_score (
        .clk(clk), .we(bank2_q & {PK{k2_q}}), .waddr(waddr2_q), .wdata(att_row[63:0]),
        .raddr(slot_q[GROUP_W-1:0] ^ {query_buf_q, {(GROUP_W-1){1'b0}}}), .q(q_q), .p(p)
    );

    wire        k_buf = last_t[A+1] ? buf_t[A+1] : last_t[A+2] ? buf_t[A+2] : buf_t[A+3];
    wire [71:0] k_set = k_buf ? kappa1_q : kappa0_q;
    wire [23:0] kappa = last_t[A+1] ? k_set[23:0] : last_t[A+2] ? k_set[47:24] : k_set[71:48];
    wire [20:0] r;
    wire        r_neg;

    attention_levels #(.PK(PK), .LOG2_PK(LOG2_PK), .SUM_W(SUM_W)) u_levels (
        .clk(clk), .p(p), .mask(mask), .first(first_t[A-1]), .sum_load(last_t[A]),
        .kappa(kappa), .kappa_neg(k_buf ? neg1_q : neg0_q),
        .load(last_t[X]), .neg(buf_t[X] ? neg1_q : neg0_q), .r(r), .r_neg(r_neg)
    );

    wire context_done, finish;
    reg  context_end_q, context_buf_q;  // the query whose context is being summed

    attention_context #(
        .LANES(LANES), .PK(PK), .LOG2_PK(LOG2_PK), .GROUP_W(GROUP_W), .DELAY_W(DELAY_W),
        .ACC_W(ACC_W)
    ) u_context (
        .clk(clk), .rst(rst), .we(bank2_q & {PK{v2_q}}), .waddr(waddr2_q), .wdata(att_row[63:0]),
        .p_we(valid_t[4]), .p(p), .last_group(last_group_q), .tail_mask(tail_mask_q),
        .start(last_t[X]), .start_buf(buf_t[X]), .r(r), .r_neg(r_neg),
        .done(context_done), .finish(finish), .r_valid(r_valid), .r_acc(r_acc)
    );

    // The values of a query are read last two cycles after its last scores; the next query may have
    // started by then, with the same or the next buffer: its tag is delayed as well.
    reg end1_q, buf1_q, end2_q, buf2_q;
    wire       free     = context_done & end2_q;
    wire [1:0] free_buf = {free & buf2_q, free & ~buf2_q};

    always @(posedge clk) begin
        if (last_t[X]) begin
            context_end_q <= end_t[X];
            context_buf_q <= buf_t[X];
        end
        end1_q <= last_t[X] ? end_t[X] : context_end_q;
        buf1_q <= last_t[X] ? buf_t[X] : context_buf_q;
        end2_q <= end1_q;
        buf2_q <= buf1_q;
        used_q   <= (used_q & ~free_buf) | {start & in_buf_q, start & ~in_buf_q};
        loaded_q <= (loaded_q & ~feed_take) | {load_near & load_buf_q, load_near & ~load_buf_q};
        flight_q <= flight_q + {5'd0, q_re} - {5'd0, finish};
        if (rst) begin
            used_q   <= 2'b00;
            loaded_q <= 2'b00;
            flight_q <= 6'd0;
        end
    end

    assign att_re     = load_re | q_re;
    assign att_addr   = q_re ? feed_addr_q : load_addr_q;
    assign ready      = ~(|used_q) & (flight_q == 6'd0);
    assign ready_next = ~load_q & ~other_used & ~(both_q & (|used_q));
endmodule
`default_nettype wire
