// Context of a query: context[c] = sum_j level_j (v_j[c] ? +1 : -1), 64 channels,
// PK keys per cycle.
//
//   level_j = sum over k of ((p_j >= r_k) ^ neg), 0 where the key does not count (attention_level);
//   context[c] = 2 sum_j level_j v_j[c] - sum_j level_j.
//
// Scores wait in a circular buffer (DELAY groups) from the cycle of p_we until they are used. start
// in cycle X (a query's thresholds are complete), once per query, at least max(groups, 64/LANES)
// cycles apart, with the query's buffer and whether it is the last one of its instruction: group g
// is read in X+g; r, r_neg hold from X+1 on for `groups` cycles; the values of group g are read in
// X+1+g; freed in the last of these cycles if the query is the last one; word w of the result
// (channels w*LANES .., signed 16 bits per lane) in X+AT+2+groups+w, the words that own_0, own_1
// say of its buffer; finish one cycle before the last. AT: the sum of a group is there in X+AT, 4
// cycles after v_q and drop_q (X+2), with PK above 8 log2(PK / 8) more. Channel 64, whose values
// are all 1, sums the levels.
// Names: r, r_neg are the thresholds, r_acc the result, c_next announces a word of it; *_t: bit i
// belongs to X+i; drop: levels, inverted; low: what a channel's sum of PART_W bits is added to.
// Reset: control only. Cost: see hwgen/units/attention.py.
`default_nettype none
module attention_context #(
    parameter LANES    = 16,
    parameter PK       = 8,
    parameter LOG2_PK  = 3,
    parameter HEAD     = 64,
    parameter GROUP_W  = 5,  // log2 of the groups of both buffers
    parameter DELAY_W  = 6,  // log2 of the groups of scores under way
    parameter ACC_W    = 10  // bits of 3 * MAX_TOKENS
) (
    input  wire                clk,
    input  wire                rst,
    input  wire [PK-1:0]       we,  // one-hot: bank
    input  wire [GROUP_W-1:0]  waddr,
    input  wire [63:0]         wdata,
    input  wire                p_we,
    input  wire [7*PK-1:0]     p,
    input  wire [GROUP_W-1:0]  last_group,
    input  wire [PK-1:0]       tail_mask,  // keys that count in the last group
    input  wire                start,
    input  wire                start_end,
    input  wire                start_buf,
    input  wire [20:0]         r,
    input  wire                r_neg,
    input  wire [5:0]          own_0,  // of the buffers: first word of the head, words - 1
    input  wire [5:0]          own_1,
    output wire                freed,
    output wire                finish,
    output wire                c_next,   // a result word comes four cycles later
    output reg  [16*LANES-1:0] r_acc
);
    localparam WORDS  = 64 / LANES;
    localparam LEFT_W = $clog2(WORDS + 1);
    localparam WORD_W = (WORDS > 1) ? $clog2(WORDS) : 1;
    localparam C      = 65;  // channels
    localparam EIGHTS = (PK > 8) ? PK / 8 : 1;
    localparam PART_W = LOG2_PK + 2;  // bits of 3 * PK
    localparam AT     = (PK > 8) ? LOG2_PK + 3 : 6;  // the sum of a group is there in X+AT
    localparam [GROUP_W-1:0] ONE = 1;
    localparam [LEFT_W-1:0] ONE_LEFT = 1;
    localparam [WORD_W-1:0] NEXT_WORD = 1;

    // X: read the scores of a group
    (* ram_style = "distributed" *)
    reg  [7*PK-1:0]    scores [0:(1<<DELAY_W)-1];
    reg  [DELAY_W-1:0] score_wr_q, score_rd_q;
    reg                run_q;
    reg  [GROUP_W-1:0] group_q;  // the next one
    reg  [GROUP_W-1:0] v_addr_q;
    reg  [7*PK-1:0]    p1_q;

    wire [GROUP_W-1:0] first_addr = {start_buf, {(GROUP_W-1){1'b0}}};
    wire               active = start | run_q;
    wire               last   = (start ? {GROUP_W{1'b0}} : group_q) == last_group;

    always @(posedge clk) begin
        if (p_we) scores[score_wr_q] <= p;
        p1_q <= scores[score_rd_q];
        group_q    <= start ? ONE : group_q + ONE;
        v_addr_q   <= start ? first_addr : v_addr_q + ONE;
        run_q      <= active & ~last;
        score_wr_q <= score_wr_q + {{(DELAY_W-1){1'b0}}, p_we};
        score_rd_q <= score_rd_q + {{(DELAY_W-1){1'b0}}, active};
        if (rst) begin
            run_q      <= 1'b0;
            score_wr_q <= {DELAY_W{1'b0}};
            score_rd_q <= {DELAY_W{1'b0}};
        end
    end

    // X+1: levels, values
    reg                end_q;    // the query is its instruction's last one
    reg  [AT:1]        first_t;  // bit i: X+i of the first group of a query
    reg  [AT+1:1]      last_t;   // of the last one
    wire [2*PK-1:0]    drop;     // levels, inverted
    reg  [2*PK-1:0]    drop_q;
    wire [64*PK-1:0]   v;
    reg  [64*PK-1:0]   v_q;

    assign freed = last_t[1] & end_q;

    always @(posedge clk) begin
        drop_q  <= drop;
        v_q     <= v;
        first_t <= {first_t[AT-1:1], start};
        last_t  <= {last_t[AT:1], active & last};
        if (start) end_q <= start_end;
        if (rst) last_t <= {(AT+1){1'b0}};
    end

    genvar j, c, g;
    generate
        for (j = 0; j < PK; j = j + 1) begin : gen_key
            attention_level u_level (
                .p(p1_q[7*j +: 7]), .r(r), .neg(r_neg), .on(~last_t[1] | tail_mask[j]),
                .drop(drop[2*j +: 2])
            );
            attention_bank #(.ADDR_W(GROUP_W)) u_bank (
                .clk(clk), .we(we[j]), .waddr(waddr), .wdata(wdata),
                .raddr(v_addr_q), .rdata(v[64*j +: 64])
            );
        end
    endgenerate

    // X+2: sums of eight keys, 4 cycles; of the group
    wire [5*C*EIGHTS-1:0] eight;
    wire [PART_W*C-1:0]   part;

    generate
        for (j = 0; j < EIGHTS; j = j + 1) begin : gen_eight
            wire [8*C-1:0] keys;
            wire [15:0]    drops;
            for (g = 0; g < 8; g = g + 1) begin : gen_key
                if (8 * j + g < PK) begin : gen_used
                    assign keys[C*g +: C]  = {1'b1, v_q[64*(8*j+g) +: 64]};
                    assign drops[2*g +: 2] = drop_q[2*(8*j+g) +: 2];
                end else begin : gen_none
                    assign keys[C*g +: C]  = {C{1'b0}};
                    assign drops[2*g +: 2] = 2'b11;
                end
            end
            attention_sum #(.W(C)) u_sum (
                .clk(clk), .v(keys), .drop(drops), .sum(eight[5*C*j +: 5*C])
            );
        end
        for (c = 0; c < C; c = c + 1) begin : gen_part
            if (EIGHTS == 1) begin : gen_one
                wire unused_high = eight[5*c+4];  // 0 with four keys
                assign part[PART_W*c +: PART_W] = eight[5*c +: PART_W];
            end else begin : gen_more
                wire [5*EIGHTS-1:0] of_eight;
                for (j = 0; j < EIGHTS; j = j + 1) begin : gen_eight
                    assign of_eight[5*j +: 5] = eight[5*(C*j+c) +: 5];
                end
                adder_tree #(.N(EIGHTS), .W(5), .LOG2_N(LOG2_PK - 3)) u_tree (
                    .clk(clk), .in(of_eight), .sum(part[PART_W*c +: PART_W])
                );
            end
        end
    endgenerate

    // X+AT: accumulate; X+AT+1: take over
    reg  [C*ACC_W-1:0] acc_q;  // channel c in bits [c*ACC_W +: ACC_W]
    reg  [64*ACC_W-1:0] out_q;  // acc_q of a finished query, without the levels

    generate
        for (g = 0; g < 4; g = g + 1) begin : gen_fourth
            wire first, take;
            register_copy #(.WIDTH(2)) u_control (
                .clk(clk), .d({first_t[AT-1], last_t[AT]}), .q({first, take})
            );
            for (c = g; c < C; c = c + 4) begin : gen_channel
                // The first group's sum has no high bits: these are cleared by the flip-flops.
                wire [PART_W-1:0] low = first ? {PART_W{1'b0}} : acc_q[ACC_W*c +: PART_W];
                always @(posedge clk) begin
                    acc_q[ACC_W*c +: ACC_W] <= {{(ACC_W-PART_W){1'b0}}, part[PART_W*c +: PART_W]}
                        + {acc_q[ACC_W*c+PART_W +: ACC_W-PART_W], low};
                    if (first) acc_q[ACC_W*c+PART_W +: ACC_W-PART_W] <= {(ACC_W-PART_W){1'b0}};
                end
                if (c < 64) begin : gen_out
                    always @(posedge clk) begin
                        if (take) out_q[ACC_W*c +: ACC_W] <= acc_q[ACC_W*c +: ACC_W];
                    end
                end
            end
        end
    endgenerate

    // X+AT+2: words of LANES channels, 2 x - sum of the levels
    reg  [LEFT_W-1:0]      left_q;  // words left
    reg  [WORD_W-1:0]      word_q;  // the first of them
    reg  [ACC_W-1:0]       levels_q;  // sum of the levels, inverted
    wire [LANES*ACC_W-1:0] word;
    wire [16*LANES-1:0]    word_acc;

    assign finish = left_q == ONE_LEFT;

    // The words of a query are announced from when its last sums are on their way.
    wire [5:0]       own_soon, own;  // {first word of the head, words - 1} with AT-1, AT+1
    reg  [WORDS-1:0] coming_q;
    wire [7:0]       all    = 8'hff >> ~own_soon[2:0];
    wire [3:0]       words  = {1'b0, own[2:0]} + 4'd1;
    wire [WORDS-1:0] coming = last_t[AT-1] ? all[WORDS-1:0] : coming_q >> 1;
    assign c_next = coming[0];

    generate
        if (HEAD % 64 != 0) begin : gen_own
            reg        run_buf_q;
            reg  [5:0] own1_q, own2_q;
            wire       of_buf = start ? start_buf : run_buf_q;
            always @(posedge clk) begin
                if (start) run_buf_q <= start_buf;
                own1_q <= own_soon;
                own2_q <= own1_q;
            end
            delay_line #(.WIDTH(6), .DEPTH(AT - 1), .RESET(0)) u_own (
                .clk(clk), .rst(rst), .d(of_buf ? own_1 : own_0), .q(own_soon)
            );
            assign own = own2_q;
        end else begin : gen_whole
            wire unused = &{1'b0, own_0, own_1};
            assign own_soon = WORDS[5:0] - 6'd1;
            assign own      = WORDS[5:0] - 6'd1;
        end
        if (WORDS < 8) begin : gen_unused
            wire unused_all = &{1'b0, all[7:WORDS]};
        end
    endgenerate
    wire             unused_own = &{1'b0, own_soon[5:3], own[5:3], words};

    generate
        if (WORDS > 1) begin : gen_select
            assign word = out_q[word_q*LANES*ACC_W +: LANES*ACC_W];
        end else begin : gen_all
            wire unused_index = &{1'b0, word_q};
            assign word = out_q;
        end
        for (c = 0; c < LANES; c = c + 1) begin : gen_lane
            // 2 x - levels = ~levels - ~(2 x): a subtraction's left operand reaches the carry chain
            // without a LUT, so that the selection of a word and this are one LUT a bit
            wire [ACC_W+1:0] y = {2'b11, levels_q} - {1'b1, ~word[ACC_W*c +: ACC_W], 1'b1};
            assign word_acc[16*c +: 16] = {{(14-ACC_W){y[ACC_W+1]}}, y};
        end
    endgenerate

    always @(posedge clk) begin
        if (last_t[AT+1]) levels_q <= ~acc_q[64*ACC_W +: ACC_W];
        r_acc   <= word_acc;
        coming_q <= coming;
        if (last_t[AT+1]) left_q <= words[LEFT_W-1:0];
        else if (|left_q) left_q <= left_q - ONE_LEFT;
        word_q  <= last_t[AT+1] ? own[3 +: WORD_W] : word_q + NEXT_WORD;
        if (rst) begin
            coming_q <= {WORDS{1'b0}};
            left_q  <= {LEFT_W{1'b0}};
        end
    end
endmodule
`default_nettype wire
