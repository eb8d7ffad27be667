// Context of a query: context[c] = sum_j level_j (v_j[c] ? +1 : -1), 64 channels,
// PK keys per cycle.
//
//   level_j = sum over k of ((p_j >= r_k) ^ neg), 0 where the key's mask bit is 0;
//   context[c] = 2 sum_j level_j v_j[c] - sum_j level_j.
//
// Scores wait in a circular buffer (DELAY groups) from the cycle of p_we until they are used. start
// in cycle X (a query's thresholds are complete), once per query, at least max(groups, 64/LANES)
// cycles apart: group g is read in X+g; r, r_neg hold from X+1 on for `groups` cycles; the values
// of group g are read in X+2+g, done in the last of these cycles; word w of the result (channels
// w*LANES .., signed 16 bits per lane) in X+6+groups+w, 64/LANES words; finish one cycle before the
// last. The sum of a group is bit-sliced: bit b of 64 channels is one vector, few LUTs and a fast
// simulation.
// Names: a number before _q is the cycle after X (p1_q, act2_q, last5_q); level_q belongs to X+2,
// quad_q to X+3, part_q to X+4. r, r_neg are the thresholds, r_valid, r_acc the result.
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
    input  wire [8:0]          last_group,
    input  wire [PK-1:0]       tail_mask,  // keys that count in the last group
    input  wire                start,
    input  wire                start_buf,
    input  wire [20:0]         r,
    input  wire                r_neg,
    output wire                done,
    output wire                finish,
    output reg                 r_valid,
    output reg  [16*LANES-1:0] r_acc
);
    localparam WORDS  = 64 / LANES;
    localparam PAIRS  = PK / 2;
    localparam QUADS  = PK / 4;
    localparam PART_W = LOG2_PK + 2;  // bits of 3 * PK

    // X: read the scores of a group
    (* ram_style = "distributed" *)
    reg  [7*PK-1:0]    scores [0:(1<<DELAY_W)-1];
    reg  [DELAY_W-1:0] score_wr_q, score_rd_q;
    reg                run_q, buf_q;
    reg  [8:0]         group_q;
    reg  [7*PK-1:0]    p1_q;

    wire       active = start | run_q;
    wire [8:0] group  = start ? 9'd0 : group_q;
    wire       last   = group == last_group;

    always @(posedge clk) begin
        if (p_we) scores[score_wr_q] <= p;
        p1_q <= scores[score_rd_q];
        if (start) buf_q <= start_buf;
        group_q    <= group + 9'd1;
        run_q      <= active & ~last;
        score_wr_q <= score_wr_q + {{(DELAY_W-1){1'b0}}, p_we};
        score_rd_q <= score_rd_q + {{(DELAY_W-1){1'b0}}, active};
        if (rst) begin
            run_q      <= 1'b0;
            score_wr_q <= {DELAY_W{1'b0}};
            score_rd_q <= {DELAY_W{1'b0}};
        end
    end

    // X+1: levels
    reg                act1_q, first1_q, last1_q;
    reg  [GROUP_W-1:0] group1_q;
    wire [2*PK-1:0]    level;
    reg  [2*PK-1:0]    level_q;

    genvar j, c, l;
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

    // X+2: values, sums of four keys; X+3: sum of the group; X+4: accumulate; X+5: take over
    reg               act2_q, first2_q, last2_q, act3_q, first3_q, last3_q;
    reg               act4_q, first4_q, last4_q, last5_q;
    reg [GROUP_W-1:0] group2_q;
    reg               buf1_q, buf2_q;

    assign done = act2_q & last2_q;

    always @(posedge clk) begin
        group1_q <= group[GROUP_W-1:0];
        group2_q <= group1_q;
        buf1_q   <= start ? start_buf : buf_q;
        buf2_q   <= buf1_q;
        level_q  <= level;
        first1_q <= start;
        last1_q  <= last;
        {first2_q, last2_q} <= {first1_q, last1_q};
        {first3_q, last3_q} <= {first2_q, last2_q};
        {first4_q, last4_q} <= {first3_q, last3_q};
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

    wire [64*PK-1:0]      v;
    wire [192*PAIRS-1:0]  pair;
    wire [256*QUADS-1:0]  quad;
    reg  [256*QUADS-1:0]  quad_q;
    wire [5*QUADS-1:0]    quad_level;
    reg  [5*QUADS-1:0]    quad_level_q;

    generate
        for (j = 0; j < PK; j = j + 1) begin : gen_bank
            attention_bank #(.ADDR_W(GROUP_W)) u_bank (
                .clk(clk), .we(we[j]), .waddr(waddr), .wdata(wdata),
                .raddr(group2_q ^ {buf2_q, {(GROUP_W-1){1'b0}}}), .rdata(v[64*j +: 64])
            );
        end
        for (j = 0; j < PAIRS; j = j + 1) begin : gen_pair
            attention_pair u_pair (
                .va(v[128*j +: 64]), .vb(v[128*j+64 +: 64]),
                .la(level_q[4*j +: 2]), .lb(level_q[4*j+2 +: 2]), .s(pair[192*j +: 192])
            );
        end
        for (j = 0; j < QUADS; j = j + 1) begin : gen_quad
            attention_vadd #(.N(3)) u_add (
                .a(pair[384*j +: 192]), .b(pair[384*j+192 +: 192]), .s(quad[256*j +: 256])
            );
            wire [7:0] lv = level_q[8*j +: 8];
            assign quad_level[5*j +: 5] = ({3'd0, lv[1:0]} + {3'd0, lv[3:2]})
                + ({3'd0, lv[5:4]} + {3'd0, lv[7:6]});
        end
    endgenerate

    reg [64*PART_W-1:0] part_q;
    reg [64*ACC_W-1:0]  acc_q, out_q;  // channel c in bits [c*ACC_W +: ACC_W]

    generate
        // level l: QUADS >> l numbers of 4 + l planes
        for (l = 0; l < LOG2_PK - 1; l = l + 1) begin : gen_sum
            wire [64*(4+l)*(QUADS>>l)-1:0] n;
            if (l == 0) begin : gen_first
                assign n = quad_q;
            end else begin : gen_next
                for (j = 0; j < (QUADS >> l); j = j + 1) begin : gen_add
                    attention_vadd #(.N(3 + l)) u_add (
                        .a(gen_sum[l-1].n[64*(3+l)*2*j +: 64*(3+l)]),
                        .b(gen_sum[l-1].n[64*(3+l)*(2*j+1) +: 64*(3+l)]),
                        .s(n[64*(4+l)*j +: 64*(4+l)])
                    );
                end
            end
        end
        // from here on by channel: carry chains are smaller for wide sums
        for (c = 0; c < 64; c = c + 1) begin : gen_channel
            wire [PART_W-1:0] part;
            for (l = 0; l < PART_W; l = l + 1) begin : gen_bit
                assign part[l] = part_q[64*l+c];
            end
            always @(posedge clk) begin
                if (act4_q) begin
                    acc_q[ACC_W*c +: ACC_W] <= (first4_q ? {ACC_W{1'b0}} : acc_q[ACC_W*c +: ACC_W])
                        + {{(ACC_W-PART_W){1'b0}}, part};
                end
            end
        end
    endgenerate

    // sum of the levels, the same for all channels
    integer i_sum;
    reg [ACC_W-1:0] level_part, level_part_q, level_acc_q, level_out_q;

    always @* begin
        level_part = {ACC_W{1'b0}};
        for (i_sum = 0; i_sum < QUADS; i_sum = i_sum + 1)
            level_part = level_part + {{(ACC_W-5){1'b0}}, quad_level_q[5*i_sum +: 5]};
    end

    // X+6: words of LANES channels, 2 x - sum of the levels
    reg  [2:0]             left_q;  // words left
    wire [1:0]             word_index = WORDS[1:0] - left_q[1:0];
    wire [LANES*ACC_W-1:0] word;
    wire [16*LANES-1:0]    word_acc;

    assign finish = left_q == 3'd1;

    generate
        if (WORDS > 1) begin : gen_select
            assign word = out_q[word_index*LANES*ACC_W +: LANES*ACC_W];
        end else begin : gen_all
            wire unused_index = &{1'b0, word_index};
            assign word = out_q;
        end
        for (c = 0; c < LANES; c = c + 1) begin : gen_lane
            wire [ACC_W+1:0] y = {1'b0, word[ACC_W*c +: ACC_W], 1'b0} - {2'b00, level_out_q};
            assign word_acc[16*c +: 16] = {{(14-ACC_W){y[ACC_W+1]}}, y};
        end
    endgenerate

    always @(posedge clk) begin
        quad_q       <= quad;
        quad_level_q <= quad_level;
        part_q       <= gen_sum[LOG2_PK-2].n;
        level_part_q <= level_part;
        if (act4_q) level_acc_q <= (first4_q ? {ACC_W{1'b0}} : level_acc_q) + level_part_q;
        if (last5_q) begin
            out_q       <= acc_q;
            level_out_q <= level_acc_q;
        end
        if (left_q != 3'd0) r_acc <= word_acc;
        r_valid <= left_q != 3'd0;
        left_q  <= last5_q ? WORDS[2:0] : left_q - {2'b00, left_q != 3'd0};
        if (rst) begin
            r_valid <= 1'b0;
            left_q  <= 3'd0;
        end
    end
endmodule
`default_nettype wire
