// QD attention of one window and one head of 64 channels.
//
//   p[t][j]    = popcount(xnor(q_t, k_j));  rowsum[t] = sum_j EXP[p[t][j]]
//   level[t][j] = #{i : EXP[p] 2**20 >= rowsum[t] kappa_i}   (<= when neg)
//   context[t][c] = sum_j level[t][j] (v_j[c] ? +1 : -1)
//   queries t < queries (1..4095), keys j < tokens (1..MAX_TOKENS)
//
// Layout: the 64/LANES elements of token t at x_bits + t * t_stride, in one row of the bit memory
// (a multiple of 64/LANES); att_row bit 0 = channel 0, ROW_AT cycles after att_re. Result: for each
// query 64/LANES words, lane l of word w = channel w*LANES + l, signed 16 bits.
//
// Order: keys, then values are read, one token per cycle; queries follow each other P cycles apart:
//   G = ceil(tokens / PK);  P = max(G, 64/LANES + 1, 3)
// From start to the last result word, when started idle (both cycles counted):
//   max(tokens + 1, 2 tokens - 17) + (queries - 1) P + 2 G + 33 + ROW_AT + log2(PK) + 64/LANES
// and log2(PK / 8) more with PK above 8
// (hwgen/units/attention.py). Nothing stalls: every stage has a fixed latency. All outputs are
// registers.
//
// start, ready and the parameters, taken in the cycle of start: see attention_reads.v. A further
// instruction may be started while this one computes. Up to MAX_TOKENS/2 keys and their values are
// read into the other half of the memories, and with the same tokens the first query follows the
// last one without a gap. More keys take both halves: such an instruction reads nothing until the
// one before has used its values, and holds ready low until it has used its own. The bit memory
// must be free for att_re until the last result.
//
// Names: a_* what the row of the next cycle is; w_* the write of a row; k_* keys of a group, read
// for the scores. *_t: bit i is i cycles after the keys of a group meet the query. p scores; r,
// r_neg thresholds; c_next announces a result word, r_acc is it; x_buf_q, kappa_buf_q: buffer of
// the instruction
// whose query gets its thresholds, whose bounds are computed. Buffers take turns from instruction
// to instruction, so every stage toggles its own.
//
// Reset: control only. Cost: see hwgen/units/attention.py.
`default_nettype none
module attention #(
    parameter LANES      = 16,
    parameter KW         = 128,
    parameter PK         = 8,    // keys per cycle, a power of two >= 4
    parameter MAX_TOKENS = 256,  // keys; a power of two, 4 PK .. 256
    parameter ROW_AT     = 4     // cycles from att_re to att_row, at least 1
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
    output wire                att_re,
    output wire [15:0]         att_addr,
    input  wire [KW-1:0]       att_row,
    output wire                c_next,   // a result word comes four cycles later
    output wire [16*LANES-1:0] r_acc
);
    localparam LOG2_PK = $clog2(PK);
    localparam GROUP_W = $clog2(MAX_TOKENS / PK);  // both buffers
    localparam SUM_W   = 24 + $clog2(MAX_TOKENS);
    localparam ACC_W   = $clog2(3 * MAX_TOKENS + 1);
    localparam DELAY_W = $clog2(MAX_TOKENS / PK + LOG2_PK + 20);
    localparam A       = 7 + LOG2_PK;  // cycles from a query's last group to its row sum
    localparam X       = A + 15;  // .. to its thresholds
    localparam [GROUP_W-1:0] ONE = 1;

    generate
        if (LANES != 8 && LANES != 16 && LANES != 32 && LANES != 64) begin : gen_lanes
            ERROR_attention_LANES_must_be_8_16_32_or_64 u_stop ();
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
        if (LANES == 8 && MAX_TOKENS < 8 * PK) begin : gen_words  // the gap of attention_reads.v
            ERROR_attention_MAX_TOKENS_must_be_at_least_8_PK_where_LANES_is_8 u_stop ();
        end
        if (ROW_AT < 1) begin : gen_row_at
            ERROR_attention_ROW_AT_must_be_at_least_1 u_stop ();
        end
        if (KW > 64) begin : gen_unused
            wire unused_row = &{1'b0, att_row[KW-1:64]};
        end
    endgenerate

    // ------------------------------------------------------------------ reads
    wire               start_buf;
    wire               att_key, att_value, att_last, att_query, att_end;
    wire [GROUP_W-1:0] last_group;
    wire [PK-1:0]      tail_mask;
    wire               freed, finish;

    attention_reads #(
        .LANES(LANES), .PK(PK), .MAX_TOKENS(MAX_TOKENS), .GROUP_W(GROUP_W)
    ) u_reads (
        .clk(clk), .rst(rst), .start(start), .q_bits(q_bits), .k_bits(k_bits), .v_bits(v_bits),
        .t_stride(t_stride), .queries(queries), .tokens(tokens), .ready(ready), .buffer(start_buf),
        .att_re(att_re), .att_addr(att_addr), .att_key(att_key), .att_value(att_value),
        .att_last(att_last), .att_query(att_query), .att_end(att_end),
        .last_group(last_group), .tail_mask(tail_mask), .freed(freed), .finish(finish)
    );

    // ------------------------------------------------------------------ rows
    wire a_key, a_value, a_last, a_query, a_end;

    delay_line #(.WIDTH(5), .DEPTH(ROW_AT - 1), .RESET(1)) u_row_at (
        .clk(clk), .rst(rst), .d({att_key, att_value, att_last, att_query, att_end}),
        .q({a_key, a_value, a_last, a_query, a_end})
    );

    reg  [LOG2_PK+GROUP_W-1:0] w_token_q;  // of the row after the next key or value
    reg                        w_buf_q;
    reg  [PK-1:0]              w_key_q, w_value_q;  // one-hot: bank
    reg  [GROUP_W-1:0]         w_addr_q;
    reg                        w_query_q;
    reg  [63:0]                q_q;
    wire [PK-1:0]              w_bank = {{(PK-1){1'b0}}, 1'b1} << w_token_q[LOG2_PK-1:0];

    always @(posedge clk) begin
        w_key_q   <= w_bank & {PK{a_key}};
        w_value_q <= w_bank & {PK{a_value}};
        w_addr_q  <= w_token_q[LOG2_PK +: GROUP_W] ^ {w_buf_q, {(GROUP_W-1){1'b0}}};
        w_query_q <= a_query;
        if (a_key || a_value) begin
            w_token_q <= a_last ? {(LOG2_PK+GROUP_W){1'b0}}
                : w_token_q + {{(LOG2_PK+GROUP_W-1){1'b0}}, 1'b1};
        end
        w_buf_q <= w_buf_q ^ (a_value & a_last);
        if (w_query_q) q_q <= att_row[63:0];
        if (rst) begin
            w_token_q <= {(LOG2_PK+GROUP_W){1'b0}};
            w_buf_q   <= 1'b0;
            w_key_q   <= {PK{1'b0}};
            w_value_q <= {PK{1'b0}};
        end
    end

    // ------------------------------------------------------------------ groups of keys of a query
    reg                k_run_q, k_first_q, k_end_q, k_buf_q;  // k_buf_q: of the next query
    reg  [GROUP_W-1:0] k_group_q, k_addr_q;
    wire               k_last = k_run_q & (k_group_q == last_group);

    reg  [5:0]   valid_t;
    reg  [A-1:0] first_t;
    reg  [X:0]   last_t, end_t;

    always @(posedge clk) begin
        k_run_q   <= a_query | (k_run_q & ~k_last);
        k_first_q <= a_query;
        k_group_q <= a_query ? {GROUP_W{1'b0}} : k_group_q + ONE;
        k_addr_q  <= a_query ? {k_buf_q, {(GROUP_W-1){1'b0}}} : k_addr_q + ONE;
        k_buf_q   <= k_buf_q ^ (a_query & a_end);
        if (a_query) k_end_q <= a_end;
        valid_t <= {valid_t[4:0], k_run_q};
        first_t <= {first_t[A-2:0], k_first_q};
        last_t  <= {last_t[X-1:0], k_last};
        end_t   <= {end_t[X-1:0], k_end_q};
        if (rst) begin
            k_run_q <= 1'b0;
            k_buf_q <= 1'b0;
            valid_t <= 6'd0;
            first_t <= {A{1'b0}};
            last_t  <= {(X+1){1'b0}};
        end
    end

    wire [7*PK-1:0] p;
    reg  [PK-1:0]   mask_q;

    attention_score #(.PK(PK), .ADDR_W(GROUP_W)) u_score (
        .clk(clk), .we(w_key_q), .waddr(w_addr_q), .wdata(att_row[63:0]),
        .raddr(k_addr_q), .q(q_q), .p(p)
    );

    always @(posedge clk) mask_q <= {PK{valid_t[4]}} & ({PK{~last_t[4]}} | tail_mask);

    // ------------------------------------------------------------------ kappas of two instructions
    reg         kappa_buf_q, x_buf_q;
    reg  [1:0]  neg_q;
    reg  [1:0]  put_q;  // kappa_2, kappa_3 are written
    reg         put_buf_q;
    reg  [23:0] kappa2_q, kappa3_q;
    (* ram_style = "distributed" *)
    reg  [23:0] kappas [0:7];  // word {buffer, k - 1}
    wire [23:0] kappa = kappas[{kappa_buf_q, last_t[A+3], last_t[A+2]}];

    always @(posedge clk) begin
        if (start || put_q != 2'b00) begin
            kappas[{start ? start_buf : put_buf_q, put_q}]
                <= start ? kappa1 : put_q[0] ? kappa2_q : kappa3_q;
        end
        put_q     <= {put_q[0], start};
        if (start) begin
            {kappa3_q, kappa2_q} <= {kappa3, kappa2};
            put_buf_q        <= start_buf;
            neg_q[start_buf] <= neg;
        end
        kappa_buf_q <= kappa_buf_q ^ (last_t[A+3] & end_t[A+3]);
        x_buf_q     <= x_buf_q ^ (last_t[X] & end_t[X]);
        if (rst) begin
            put_q       <= 2'b00;
            kappa_buf_q <= 1'b0;
            x_buf_q     <= 1'b0;
        end
    end

    wire [20:0] r;
    wire        r_neg;

    attention_levels #(.PK(PK), .LOG2_PK(LOG2_PK), .SUM_W(SUM_W)) u_levels (
        .clk(clk), .p(p), .mask(mask_q), .first(first_t[A-1]), .sum_load(last_t[A]),
        .kappa(kappa), .kappa_neg(neg_q[kappa_buf_q]),
        .load(last_t[X]), .neg(neg_q[x_buf_q]), .r(r), .r_neg(r_neg)
    );

    attention_context #(
        .LANES(LANES), .PK(PK), .LOG2_PK(LOG2_PK), .GROUP_W(GROUP_W), .DELAY_W(DELAY_W),
        .ACC_W(ACC_W)
    ) u_context (
        .clk(clk), .rst(rst), .we(w_value_q), .waddr(w_addr_q), .wdata(att_row[63:0]),
        .p_we(valid_t[5]), .p(p), .last_group(last_group), .tail_mask(tail_mask),
        .start(last_t[X]), .start_end(end_t[X]), .start_buf(x_buf_q), .r(r), .r_neg(r_neg),
        .freed(freed), .finish(finish), .c_next(c_next), .r_acc(r_acc)
    );
endmodule
`default_nettype wire
