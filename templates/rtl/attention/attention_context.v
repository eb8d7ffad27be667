// Context of a query: context[c] = sum_j level_j (v_j[c] ? +1 : -1), 64 channels,
// PK keys per cycle.
//
//   level_j = sum over k of ((p_j >= r_k) ^ neg), 0 where the key's mask bit is 0;
//   context[c] = 2 sum_j level_j v_j[c] - sum_j level_j.
//
// Scores wait in a circular buffer (DELAY groups) from the cycle of p_we until they are used. start
// in cycle X (a query's thresholds are complete), once per query, at least max(groups, 64/LANES)
// cycles apart, with the query's buffer and whether it is the last one of its instruction: group g
// is read in X+g; r, r_neg hold from X+1 on for `groups` cycles; the values of group g are read in
// X+1+g; freed in the last of these cycles if the query is the last one; word w of the result
// (channels w*LANES .., signed 16 bits per lane) in X+6+groups+w, 64/LANES words; finish one cycle
// before the last, c_valid three before every one. The sum of a group is bit-sliced: bit b of all
// channels is one vector, few LUTs and a fast simulation. Channel 64, whose values are all 1, sums
// the levels.
// Names: a number before _q is the cycle after X (p1_q, act2_q, last5_q); level_q and v_q belong to
// X+2, quad_q to X+3, part_q to X+4. r, r_neg are the thresholds, r_valid, r_acc the result.
// Reset: control only.
`default_nettype none
module attention_context #(
    parameter LANES    = 16,
    parameter PK       = 8,
    parameter LOG2_PK  = 3,
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
    output wire                freed,
    output wire                finish,
    output reg                 c_valid,
    output reg                 r_valid,
    output reg  [16*LANES-1:0] r_acc
);
    localparam WORDS  = 64 / LANES;
    localparam C      = 65;  // channels
    localparam [1:0] LAST_WORD = WORDS[1:0] - 2'd1;
    localparam PAIRS  = PK / 2;
    localparam QUADS  = PK / 4;
    localparam PART_W = LOG2_PK + 2;  // bits of 3 * PK
    localparam [GROUP_W-1:0] ONE = 1;

    // X: read the scores of a group
    (* ram_style = "distributed" *)
    reg  [7*PK-1:0]    scores [0:(1<<DELAY_W)-1];
    reg  [DELAY_W-1:0] score_wr_q, score_rd_q;
    reg                run_q, end_q;
    reg  [GROUP_W-1:0] group_q;  // the next one
    reg  [GROUP_W-1:0] v_addr_q;
    reg  [7*PK-1:0]    p1_q;

    wire [GROUP_W-1:0] first_addr = {start_buf, {(GROUP_W-1){1'b0}}};
    wire               active = start | run_q;
    wire               last   = (start ? {GROUP_W{1'b0}} : group_q) == last_group;

    always @(posedge clk) begin
        if (p_we) scores[score_wr_q] <= p;
        p1_q <= scores[score_rd_q];
        if (start) end_q <= start_end;
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
    reg                act1_q, first1_q, last1_q;
    wire [2*PK-1:0]    level;
    reg  [2*PK-1:0]    level_q;
    wire [64*PK-1:0]   v;
    reg  [64*PK-1:0]   v_q;

    assign freed = act1_q & last1_q & end_q;

    genvar j, c, g, l;
    generate
        for (j = 0; j < PK; j = j + 1) begin : gen_level
            wire [6:0] pj = p1_q[7*j +: 7];
            wire       k1 = (pj >= r[6:0]) ^ r_neg;
            wire       k2 = (pj >= r[13:7]) ^ r_neg;
            wire       k3 = (pj >= r[20:14]) ^ r_neg;
            wire       on = ~last1_q | tail_mask[j];
            assign level[2*j]   = on & (k1 ^ k2 ^ k3);
            assign level[2*j+1] = on & ((k1 & k2) | (k3 & (k1 ^ k2)));
        end
    endgenerate

    // X+2: sums of four keys; X+3: sum of the group; X+4: accumulate; X+5: take over
    reg act2_q, first2_q, last2_q, act3_q, first3_q, last3_q;
    reg act4_q, last4_q, last5_q;

    always @(posedge clk) begin
        level_q  <= level;
        v_q      <= v;
        first1_q <= start;
        last1_q  <= last;
        {first2_q, last2_q} <= {first1_q, last1_q};
        {first3_q, last3_q} <= {first2_q, last2_q};
        last4_q <= last3_q;
        act1_q  <= active;
        act2_q  <= act1_q;
        act3_q  <= act2_q;
        act4_q  <= act3_q;
        last5_q <= act4_q & last4_q;
        if (rst) begin
            act1_q  <= 1'b0;
            act2_q  <= 1'b0;
            act3_q  <= 1'b0;
            act4_q  <= 1'b0;
            last5_q <= 1'b0;
        end
    end

    wire [3*C*PAIRS-1:0] pair;
    wire [4*C*QUADS-1:0] quad;
    reg  [4*C*QUADS-1:0] quad_q;

    generate
        for (j = 0; j < PK; j = j + 1) begin : gen_bank
            attention_bank #(.ADDR_W(GROUP_W)) u_bank (
                .clk(clk), .we(we[j]), .waddr(waddr), .wdata(wdata),
                .raddr(v_addr_q), .rdata(v[64*j +: 64])
            );
        end
        for (j = 0; j < PAIRS; j = j + 1) begin : gen_pair
            attention_pair #(.W(C)) u_pair (
                .va({1'b1, v_q[128*j +: 64]}), .vb({1'b1, v_q[128*j+64 +: 64]}),
                .la(level_q[4*j +: 2]), .lb(level_q[4*j+2 +: 2]), .s(pair[3*C*j +: 3*C])
            );
        end
        for (j = 0; j < QUADS; j = j + 1) begin : gen_quad
            attention_vadd #(.W(C), .N(3)) u_add (
                .a(pair[6*C*j +: 3*C]), .b(pair[6*C*j+3*C +: 3*C]), .s(quad[4*C*j +: 4*C])
            );
        end
    endgenerate

    reg [C*PART_W-1:0] part_q;
    reg [C*ACC_W-1:0]  acc_q;  // channel c in bits [c*ACC_W +: ACC_W]
    reg [64*ACC_W-1:0] out_q;  // acc_q of a finished query, without the levels

    generate
        // level l: QUADS >> l numbers of 4 + l planes
        for (l = 0; l < LOG2_PK - 1; l = l + 1) begin : gen_sum
            wire [C*(4+l)*(QUADS>>l)-1:0] n;
            if (l == 0) begin : gen_first
                assign n = quad_q;
            end else begin : gen_next
                for (j = 0; j < (QUADS >> l); j = j + 1) begin : gen_add
                    attention_vadd #(.W(C), .N(3 + l)) u_add (
                        .a(gen_sum[l-1].n[C*(3+l)*2*j +: C*(3+l)]),
                        .b(gen_sum[l-1].n[C*(3+l)*(2*j+1) +: C*(3+l)]),
                        .s(n[C*(4+l)*j +: C*(4+l)])
                    );
                end
            end
        end
        // from here on by channel: carry chains are smaller for wide sums
        for (g = 0; g < 4; g = g + 1) begin : gen_fourth
            wire add, first, take;
            register_copy #(.WIDTH(3)) u_control (
                .clk(clk), .d({act3_q, first3_q, act4_q & last4_q}), .q({add, first, take})
            );
            for (c = g; c < C; c = c + 4) begin : gen_channel
                wire [PART_W-1:0] part;
                for (l = 0; l < PART_W; l = l + 1) begin : gen_bit
                    assign part[l] = part_q[C*l+c];
                end
                always @(posedge clk) begin
                    if (add) begin
                        acc_q[ACC_W*c +: ACC_W] <= {{(ACC_W-PART_W){1'b0}}, part}
                            + (first ? {ACC_W{1'b0}} : acc_q[ACC_W*c +: ACC_W]);
                    end
                end
                if (c < 64) begin : gen_out
                    always @(posedge clk) begin
                        if (take) out_q[ACC_W*c +: ACC_W] <= acc_q[ACC_W*c +: ACC_W];
                    end
                end
            end
        end
    endgenerate

    // X+6: words of LANES channels, 2 x - sum of the levels
    reg  [2:0]             left_q;  // words to announce
    reg  [1:0]             word_q;
    wire [1:0]             word_next = last5_q ? 2'd0 : word_q + 2'd1;
    reg                    word_v1, word_v2;  // 1, 2 cycles after c_valid
    reg  [ACC_W-1:0]       levels_q;  // sum of the levels, inverted
    wire [16*LANES-1:0]    word_acc;

    assign finish = word_v2 & (word_q == LAST_WORD);

    generate
        for (g = 0; g < LANES / 8; g = g + 1) begin : gen_eight
            wire [1:0] index;
            wire [8*ACC_W-1:0] choice [0:3];
            wire [8*ACC_W-1:0] word = choice[index];
            register_copy #(.WIDTH(2)) u_index (.clk(clk), .d(word_next), .q(index));
            for (j = 0; j < 4; j = j + 1) begin : gen_word
                assign choice[j] = out_q[((j%WORDS)*LANES+8*g)*ACC_W +: 8*ACC_W];
            end
        end
        for (c = 0; c < LANES; c = c + 1) begin : gen_lane
            // 2 x - levels = ~levels - ~(2 x): a subtraction's left operand reaches the carry chain
            // without a LUT, so that the selection of a word and this are one LUT a bit
            wire [ACC_W-1:0] x = gen_eight[c/8].word[ACC_W*(c%8) +: ACC_W];
            wire [ACC_W+1:0] y = {2'b11, levels_q} - {1'b1, ~x, 1'b1};
            assign word_acc[16*c +: 16] = {{(14-ACC_W){y[ACC_W+1]}}, y};
        end
    endgenerate

    always @(posedge clk) begin
        quad_q  <= quad;
        part_q  <= gen_sum[LOG2_PK-2].n;
        if (last5_q) levels_q <= ~acc_q[64*ACC_W +: ACC_W];
        r_acc   <= word_acc;
        c_valid <= (act3_q & last3_q) | (left_q > 3'd1);
        word_v1 <= c_valid;
        word_v2 <= word_v1;
        r_valid <= word_v2;
        left_q  <= (act3_q & last3_q) ? WORDS[2:0] : left_q - {2'b00, left_q != 3'd0};
        word_q  <= word_next;
        if (rst) begin
            c_valid <= 1'b0;
            word_v1 <= 1'b0;
            word_v2 <= 1'b0;
            r_valid <= 1'b0;
            left_q  <= 3'd0;
        end
    end
endmodule
`default_nettype wire
