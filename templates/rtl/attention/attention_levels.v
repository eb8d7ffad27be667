// QD thresholds of a query as scores: level = #{k : EXP[p] 2**20 >= rowsum kappa_k} (<= when neg).
//
//   rowsum = sum over the keys of EXP[p];  bound_k = ceil(rowsum kappa_k / 2**20), with neg
//   floor(..) + 1;  r_k = least p with EXP[p] >= bound_k;  condition k holds <=> (p >= r_k) ^ neg.
//
// Timing, A = 7 + log2(PK): in cycle 5 p and mask (keys that count; 0 in idle cycles), in cycle
// 6 + log2(PK) first (group is the first of its query); A = cycle in which the sum of a query's
// last group is complete, then sum_load; kappa, kappa_neg of k = 1, 2, 3 in A+1, A+2, A+3; load in
// A+15 with neg: then r_k (k in bits [(k-1)*7 +: 7]) and r_neg stay from A+16 until the next load,
// at least 3 cycles.
// Names: a number before _q is the cycle after A for k = 1; r_next, r1_q, r2_q are the last three
// answers of the search, the newest first.
// No reset: data only. Two DSP48E1.
`default_nettype none
module attention_levels #(
    parameter PK      = 8,
    parameter LOG2_PK = 3,
    parameter HEAD    = 64,
    parameter SUM_W   = 32  // 24 + log2(MAX_TOKENS), at most 34
) (
    input  wire            clk,
    input  wire [7*PK-1:0] p,
    input  wire [PK-1:0]   mask,
    input  wire            first,
    input  wire            sum_load,
    input  wire [23:0]     kappa,
    input  wire            kappa_neg,
    input  wire            load,
    input  wire            neg,
    output reg  [20:0]     r,
    output reg             r_neg
);
    localparam HIGH_W  = SUM_W - 17;
    localparam TREE_W  = 24 + LOG2_PK;

    wire [24*PK-1:0]  exp_q;
    wire [TREE_W-1:0] group_sum;

    genvar j;
    generate
        for (j = 0; j < PK; j = j + 1) begin : gen_key
            reg [23:0] e_q;
            if (HEAD == 64) begin : gen_six
                // EXP[64] = 2**23, the others are less: six bits choose, and the flip-flops clear
                wire [22:0] e;
                attention_weight #(.P_W(6), .E_W(23)) u_weight (.p(p[7*j +: 6]), .e(e));
                always @(posedge clk) begin
                    e_q <= {mask[j] & p[7*j+6], e};
                    if (!mask[j] || p[7*j+6]) e_q[22:0] <= 23'd0;
                end
            end else begin : gen_seven
                wire [23:0] e;
                attention_weight #(.P_W(7), .E_W(24)) u_weight (.p(p[7*j +: 7]), .e(e));
                always @(posedge clk) begin
                    e_q <= e;
                    if (!mask[j]) e_q <= 24'd0;
                end
            end
            assign exp_q[24*j +: 24] = e_q;
        end
    endgenerate

    adder_tree #(.N(PK), .W(24), .LOG2_N(LOG2_PK)) u_tree (
        .clk(clk), .in(exp_q), .sum(group_sum)
    );

    reg  [SUM_W-1:0]   acc_q;  // A
    reg  [SUM_W-1:0]   sum_q;  // A+1, holds for the three kappas
    reg  [16:0]        low_q;  // A+2 .. A+4
    reg  [HIGH_W-1:0]  high2_q, high3_q;
    reg  [23:0]        kappa2_q;
    wire [23:0]        kappa3;  // beside the DSPs: no cascade
    reg                neg2_q, neg3_q;
    reg  [40:0]        prod3_q, prod4_q;  // low, in one DSP
    reg  [HIGH_W+23:0] prod_q, theta_q;  // high, and without the lowest 17 bits; the other DSP
    reg  [24:0]        bound_q;  // A+6 .. A+8; bit 24: 24 bits are too few
    // rounds theta / 2**20 up, with neg to the next one above
    wire [20:0]        round = {neg3_q, {20{~neg3_q}}};

    wire [6:0] r_next;  // A+13 .. A+15
    wire       unused_theta = &{1'b0, theta_q[2:0], prod4_q[16:0]};
    reg  [6:0] r1_q, r2_q;

    register_copy #(.WIDTH(24)) u_kappa3 (.clk(clk), .d(kappa2_q), .q(kappa3));

    attention_search u_search (.clk(clk), .bound(bound_q), .r(r_next));

    always @(posedge clk) begin
        acc_q       <= {{(SUM_W-TREE_W){1'b0}}, group_sum}
            + {acc_q[SUM_W-1:TREE_W], first ? {TREE_W{1'b0}} : acc_q[TREE_W-1:0]};
        if (first) acc_q[SUM_W-1:TREE_W] <= {(SUM_W-TREE_W){1'b0}};
        if (sum_load) sum_q <= acc_q;
        low_q       <= sum_q[16:0];
        kappa2_q    <= kappa;
        neg2_q      <= kappa_neg;
        prod3_q     <= {24'd0, low_q} * {17'd0, kappa2_q};
        high2_q     <= sum_q[SUM_W-1:17];
        high3_q     <= high2_q;
        neg3_q      <= neg2_q;
        prod4_q     <= prod3_q + {20'd0, round};
        prod_q      <= {24'd0, high3_q} * {{HIGH_W{1'b0}}, kappa3};
        theta_q     <= prod_q + {{(HIGH_W){1'b0}}, prod4_q[40:17]};
        bound_q     <= {|theta_q[HIGH_W+23:27], theta_q[26:3]};
        r1_q        <= r_next;
        r2_q        <= r1_q;
        if (load) begin
            r     <= {r_next, r1_q, r2_q};
            r_neg <= neg;
        end
    end
endmodule
`default_nettype wire
