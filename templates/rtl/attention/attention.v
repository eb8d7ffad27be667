// QD attention of one window, one head of HEAD channels and 64 channels of its values.
//
//   p[t][j]    = score(popcount(xnor(q_t, k_j)));  rowsum[t] = sum_j EXP[p[t][j]]
//   level[t][j] = #{i : EXP[p] 2**20 >= rowsum[t] kappa_i}   (<= when neg)
//   context[t][c] = sum_j level[t][j] (v_j[c] ? +1 : -1)
//   queries t < queries (1..4095), keys j < tokens (1..MAX_TOKENS)
//
// Layout: channels are read in aligned units of 64, 64/LANES elements in one row of the bit memory
// (a multiple of 64/LANES); att_row bit 0 = channel 0, ROW_AT cycles after att_re. A head begins
// 8 offset channels behind the first of its U = ceil((8 offset + HEAD) / 64) units; unit u of token
// t lies at x_bits + t * t_stride + u * 64/LANES. v_bits is the unit v_unit of the head: values are
// those 64 channels, and the results those of them that belong to the head. Result: for each query
// these in words, lane l of word w of the unit = channel w*LANES + l, signed 16 bits.
//
// Order: keys, then values are read, one unit per cycle; queries follow each other P cycles apart:
//   G = ceil(tokens / PK);  P = max(G U, 64/LANES + 1, U + 2, 3)
// Cycles from start to the last result word: hwgen/units/attention.py. Nothing stalls: every stage
// has a fixed latency. All outputs are registers.
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
    parameter HEAD       = 64,   // channels, 16 .. 256, a multiple of 16 and LANES
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
    input  wire [2:0]          offset,  // first channel of the head in its first unit, / 8
    input  wire [2:0]          v_unit,  // unit of the values in those of the head
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
    localparam STEP    = (HEAD % 64 == 0) ? 64 : (HEAD % 32 == 0) ? 32 : 16;  // heads begin there
    localparam UNITS   = (64 - STEP + HEAD + 63) / 64;  // units of a head, at most
    localparam UNIT_W  = (UNITS > 1) ? $clog2(UNITS) : 1;
    localparam KEY_W   = $clog2(MAX_TOKENS / PK) + $clog2(UNITS);  // words of the keys
    localparam WORD_EIGHTHS = $clog2(LANES / 8);
    localparam MASKED  = HEAD % 64 != 0;
    localparam A       = 7 + LOG2_PK;  // cycles from a query's last group to its row sum
    localparam X       = A + 15;  // .. to its thresholds
    localparam [GROUP_W-1:0] ONE = 1;
    localparam [KEY_W-1:0]   ONE_KEY = 1;
    localparam [UNIT_W-1:0]  ONE_UNIT = 1;
    localparam [UNIT_W:0]    ONE_MORE = 1;
    localparam [LOG2_PK-1:0] ONE_SLOT = 1;
    localparam               EIGHTHS = HEAD / 8;
    localparam [5:0]         HEAD_EIGHTHS = EIGHTHS[5:0];

    genvar i;
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
        if (HEAD < 16 || HEAD > 256 || HEAD % 16 != 0 || HEAD % LANES != 0) begin : gen_head
            ERROR_attention_HEAD_must_be_a_multiple_of_16_and_LANES_up_to_256 u_stop ();
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
    wire               att_key, att_value, att_next, att_last, att_query, att_part, att_end;
    wire [GROUP_W-1:0] last_group;
    wire [UNIT_W-1:0]  last_unit;
    wire [PK-1:0]      tail_mask;
    wire               freed, finish;
    wire [5:0]         head_end = {3'd0, offset} + HEAD_EIGHTHS;  // its last channel + 1, / 8
    wire [5:0]         units_1  = head_end - 6'd1;  // {units - 1, last channel / 8 in the last one}

    attention_reads #(
        .LANES(LANES), .PK(PK), .MAX_TOKENS(MAX_TOKENS), .GROUP_W(GROUP_W), .UNITS(UNITS),
        .UNIT_W(UNIT_W)
    ) u_reads (
        .clk(clk), .rst(rst), .start(start), .q_bits(q_bits), .k_bits(k_bits), .v_bits(v_bits),
        .t_stride(t_stride), .queries(queries), .tokens(tokens), .units_1(units_1[5:3]),
        .ready(ready), .buffer(start_buf),
        .att_re(att_re), .att_addr(att_addr), .att_key(att_key), .att_value(att_value),
        .att_next(att_next), .att_last(att_last), .att_query(att_query), .att_part(att_part),
        .att_end(att_end), .last_group(last_group), .last_unit(last_unit), .tail_mask(tail_mask),
        .freed(freed), .finish(finish)
    );

    // ------------------------------------------------------------------ the head, by buffer
    // Where it begins in its first unit and ends in its last one, and which words of the values'
    // unit are its own. All of it depends on offset and v_unit, six bits, alone.
    reg  [8:0]  bounds_0_q, bounds_1_q;  // {its units - 1, last, first channel / 8}
    reg  [5:0]  own_0_q, own_1_q;        // {first word, words - 1}
    wire [2:0]  own_first = (v_unit == 3'd0) ? offset : 3'd0;
    wire [2:0]  own_last  = (v_unit == units_1[5:3]) ? units_1[2:0] : 3'd7;
    wire [2:0]  own_word  = own_first >> WORD_EIGHTHS;
    wire [2:0]  own_more  = (own_last >> WORD_EIGHTHS) - own_word;

    always @(posedge clk) begin
        if (start) begin
            if (start_buf) begin
                bounds_1_q <= {units_1, offset};
                own_1_q    <= {own_word, own_more};
            end else begin
                bounds_0_q <= {units_1, offset};
                own_0_q    <= {own_word, own_more};
            end
        end
    end

    // ------------------------------------------------------------------ rows
    wire a_key, a_value, a_next, a_last, a_query, a_part, a_end;

    delay_line #(.WIDTH(7), .DEPTH(ROW_AT - 1), .RESET(1)) u_row_at (
        .clk(clk), .rst(rst),
        .d({att_key, att_value, att_next, att_last, att_query, att_part, att_end}),
        .q({a_key, a_value, a_next, a_last, a_query, a_part, a_end})
    );

    reg  [LOG2_PK-1:0] w_slot_q;  // bank of the token of the row after the next key or value
    reg  [KEY_W-1:0]   w_base_q;  // first word of its group
    reg  [UNIT_W-1:0]  w_unit_q;
    reg                w_buf_q;
    reg  [PK-1:0]      w_key_q, w_value_q;  // one-hot: bank
    reg  [KEY_W-1:0]   w_addr_q;
    reg  [GROUP_W-1:0] w_value_addr_q;
    reg                w_query_q;
    wire [PK-1:0]      w_bank = {{(PK-1){1'b0}}, 1'b1} << w_slot_q;
    wire [KEY_W-1:0]   w_word = w_base_q + {{(KEY_W-UNIT_W){1'b0}}, w_unit_q};
    wire [KEY_W-1:0]   w_step = a_key ? {{(KEY_W-UNIT_W){1'b0}}, w_unit_q} + ONE_KEY : ONE_KEY;

    always @(posedge clk) begin
        w_key_q        <= w_bank & {PK{a_key}};
        w_value_q      <= w_bank & {PK{a_value}};
        w_addr_q       <= w_word ^ {w_buf_q, {(KEY_W-1){1'b0}}};
        w_value_addr_q <= w_base_q[GROUP_W-1:0] ^ {w_buf_q, {(GROUP_W-1){1'b0}}};
        w_query_q      <= a_part;
        if (a_key || a_value) begin
            w_unit_q <= (a_next || UNITS == 1) ? {UNIT_W{1'b0}} : w_unit_q + ONE_UNIT;
            if (a_next) begin
                w_slot_q <= a_last ? {LOG2_PK{1'b0}} : w_slot_q + ONE_SLOT;
                if (a_last) w_base_q <= {KEY_W{1'b0}};
                else if (&w_slot_q) w_base_q <= w_base_q + w_step;
            end
        end
        w_buf_q <= w_buf_q ^ (a_value & a_last);
        if (rst) begin
            w_slot_q  <= {LOG2_PK{1'b0}};
            w_base_q  <= {KEY_W{1'b0}};
            w_unit_q  <= {UNIT_W{1'b0}};
            w_buf_q   <= 1'b0;
            w_key_q   <= {PK{1'b0}};
            w_value_q <= {PK{1'b0}};
        end
    end

    // ------------------------------------------------------------------ groups of keys of a query
    reg                k_run_q, k_end_q, k_buf_q;  // k_buf_q: of the next query
    reg  [GROUP_W-1:0] k_group_q;
    reg  [UNIT_W-1:0]  k_unit_q;
    reg  [KEY_W-1:0]   k_addr_q;
    wire               k_next  = (UNITS == 1) | (k_unit_q == last_unit);  // last unit of the group
    wire               k_valid = k_run_q & k_next;
    wire               k_first = k_valid & (k_group_q == {GROUP_W{1'b0}});
    wire               k_last  = k_valid & (k_group_q == last_group);

    // d_*: beside the scores of the group, which take two cycles more where they are sums
    wire        d_valid, d_first, d_last, d_end;
    reg  [5:0]   valid_t;
    reg  [A-1:0] first_t;
    reg  [X:0]   last_t, end_t;

    delay_line #(.WIDTH(4), .DEPTH((UNITS > 1) ? 2 : 0), .RESET(1)) u_sums (
        .clk(clk), .rst(rst), .d({k_valid, k_first, k_last, k_end_q}),
        .q({d_valid, d_first, d_last, d_end})
    );

    always @(posedge clk) begin
        k_run_q  <= a_query | (k_run_q & ~k_last);
        k_unit_q <= (a_query || k_next) ? {UNIT_W{1'b0}} : k_unit_q + ONE_UNIT;
        if (a_query) k_group_q <= {GROUP_W{1'b0}};
        else if (k_next) k_group_q <= k_group_q + ONE;
        k_addr_q <= a_query ? {k_buf_q, {(KEY_W-1){1'b0}}} : k_addr_q + ONE_KEY;
        k_buf_q  <= k_buf_q ^ (a_query & a_end);
        if (a_query) k_end_q <= a_end;
        valid_t <= {valid_t[4:0], d_valid};
        first_t <= {first_t[A-2:0], d_first};
        last_t  <= {last_t[X-1:0], d_last};
        end_t   <= {end_t[X-1:0], d_end};
        if (rst) begin
            k_run_q <= 1'b0;
            k_buf_q <= 1'b0;
            valid_t <= 6'd0;
            first_t <= {A{1'b0}};
            last_t  <= {(X+1){1'b0}};
        end
    end

    // ------------------------------------------------------------------ queries, keys
    wire [63:0]     key;  // row of the bit memory, channels of other heads set
    wire [63:0]     query;  // .. cleared: they are never equal
    reg  [63:0]     q_q;
    wire [7*PK-1:0] p;
    reg  [PK-1:0]   mask_q;

    generate
        if (MASKED) begin : gen_mask
            wire [UNIT_W+2:0] key_unit  = {3'd0, w_unit_q};
            wire [UNIT_W+2:0] next_unit = a_query ? {(UNIT_W+3){1'b0}}
                : {2'd0, {1'b0, k_unit_q} + ONE_MORE};
            wire       unused_units = &{1'b0, key_unit[UNIT_W+2:3], next_unit[UNIT_W+2:3]};
            reg        arrive_buf_q;  // of the query whose units arrive
            wire       arrive_buf = a_query ? k_buf_q : arrive_buf_q;
            wire [8:0] key_bounds   = w_buf_q ? bounds_1_q : bounds_0_q;
            wire [8:0] query_bounds = arrive_buf ? bounds_1_q : bounds_0_q;
            wire [7:0] key_mask, query_mask;
            reg  [7:0] key_mask_q, query_mask_q;
            attention_mask u_key (
                .unit(key_unit[2:0]), .last_unit(key_bounds[8:6]), .first(key_bounds[2:0]),
                .last(key_bounds[5:3]), .mask(key_mask)
            );
            attention_mask u_query (
                .unit(next_unit[2:0]), .last_unit(query_bounds[8:6]), .first(query_bounds[2:0]),
                .last(query_bounds[5:3]), .mask(query_mask)
            );
            always @(posedge clk) begin
                if (a_query) arrive_buf_q <= k_buf_q;
                key_mask_q   <= key_mask;
                query_mask_q <= query_mask;
            end
            for (i = 0; i < 64; i = i + 1) begin : gen_channel
                assign key[i]   = att_row[i] | ~key_mask_q[i/8];
                assign query[i] = att_row[i] & query_mask_q[i/8];
            end
        end else begin : gen_whole
            wire unused_bounds = &{1'b0, bounds_0_q, bounds_1_q};
            assign key   = att_row[63:0];
            assign query = att_row[63:0];
        end
        if (UNITS > 1) begin : gen_units
            (* ram_style = "distributed" *)
            reg [63:0] units [0:(1<<UNIT_W)-1];  // of the query
            always @(posedge clk) begin
                q_q <= w_query_q ? query : units[k_unit_q];
                if (w_query_q) units[k_unit_q] <= query;
            end
        end else begin : gen_one
            always @(posedge clk) if (w_query_q) q_q <= query;
        end
    endgenerate

    attention_score #(.PK(PK), .HEAD(HEAD), .UNITS(UNITS), .ADDR_W(KEY_W)) u_score (
        .clk(clk), .we(w_key_q), .waddr(w_addr_q), .wdata(key), .raddr(k_addr_q),
        .first(k_unit_q == {UNIT_W{1'b0}}), .q(q_q), .p(p)
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

    attention_levels #(.PK(PK), .LOG2_PK(LOG2_PK), .HEAD(HEAD), .SUM_W(SUM_W)) u_levels (
        .clk(clk), .p(p), .mask(mask_q), .first(first_t[A-1]), .sum_load(last_t[A]),
        .kappa(kappa), .kappa_neg(neg_q[kappa_buf_q]),
        .load(last_t[X]), .neg(neg_q[x_buf_q]), .r(r), .r_neg(r_neg)
    );

    attention_context #(
        .LANES(LANES), .PK(PK), .LOG2_PK(LOG2_PK), .HEAD(HEAD), .GROUP_W(GROUP_W),
        .DELAY_W(DELAY_W), .ACC_W(ACC_W)
    ) u_context (
        .clk(clk), .rst(rst), .we(w_value_q), .waddr(w_value_addr_q), .wdata(att_row[63:0]),
        .p_we(valid_t[5]), .p(p), .last_group(last_group), .tail_mask(tail_mask),
        .start(last_t[X]), .start_end(end_t[X]), .start_buf(x_buf_q), .r(r), .r_neg(r_neg),
        .own_0(own_0_q), .own_1(own_1_q),
        .freed(freed), .finish(finish), .c_next(c_next), .r_acc(r_acc)
    );
endmodule
`default_nettype wire
