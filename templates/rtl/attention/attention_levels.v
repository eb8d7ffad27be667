// QD thresholds of a query as scores: level = #{k : EXP[p] 2**20 >= rowsum kappa_k} (<= when neg).
//
//   rowsum = sum over the keys of EXP[p];  bound_k = ceil(rowsum kappa_k / 2**20), with neg
//   floor(..) + 1;  r_k = least p with EXP[p] >= bound_k;  condition k holds <=> (p >= r_k) ^ neg.
//
// Timing, A = 6 + log2(PK): in cycle 4 p and mask (keys that count; 0 in idle cycles), in cycle
// 5 + log2(PK) first (group is the first of its query); A = cycle in which the sum of a query's
// last group is complete, then sum_load; kappa, kappa_neg of k = 1, 2, 3 in A+1, A+2, A+3; load in
// A+14 with neg: then
// r_k (k in bits [(k-1)*7 +: 7]) and r_neg stay from A+15 until the next load, at least 3 cycles.
// Names: neg2_q .. neg4_q are kappa_neg in A+2 .. A+4 for k = 1; r_next, r1_q, r2_q the last three
// answers of the search, the newest first.
// No reset: data only. Two DSP48E1.
`default_nettype none
module attention_levels #(
    parameter PK      = 8,
    parameter LOG2_PK = 3,
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
    localparam THETA_W = SUM_W + 24;

    wire [24*PK-1:0]  exp_d;
    reg  [24*PK-1:0]  exp_q;
    wire [TREE_W-1:0] group_sum;

    genvar j;
    generate
        for (j = 0; j < PK; j = j + 1) begin : gen_key
            wire [23:0] e;
            attention_exp u_exp (.p(p[7*j +: 7]), .e(e));
            assign exp_d[24*j +: 24] = e & {24{mask[j]}};
        end
    endgenerate

    always @(posedge clk) exp_q <= exp_d;

    adder_tree #(.N(PK), .W(24), .SIGNED(0), .LOG2_N(LOG2_PK)) u_tree (
        .clk(clk), .in(exp_q), .sum(group_sum)
    );

    reg  [SUM_W-1:0]   acc_q;  // A
    reg  [SUM_W-1:0]   sum_q;  // A+1, holds for the three kappas
    reg  [16:0]        low_q;  // A+2 .. A+4
    reg  [HIGH_W-1:0]  high_q;
    reg  [23:0]        kappa_q;
    reg                neg2_q, neg3_q, neg4_q;
    reg  [40:0]        prod_low_q;  // A+3 .. A+5
    reg  [HIGH_W+23:0] prod_high_q;
    reg  [THETA_W-1:0] theta_q;  // A+4 .. A+6
    reg  [23:0]        bound_q;  // A+5 .. A+7

    wire [THETA_W-20:0] bound = {1'b0, theta_q[THETA_W-1:20]}
        + {{(THETA_W-20){1'b0}}, neg4_q | (|theta_q[19:0])};

    wire [6:0] r_next;  // A+12 .. A+14
    reg  [6:0] r1_q, r2_q;

    attention_search u_search (.clk(clk), .bound(bound_q), .r(r_next));

    always @(posedge clk) begin
        acc_q       <= (first ? {SUM_W{1'b0}} : acc_q) + {{(SUM_W-TREE_W){1'b0}}, group_sum};
        if (sum_load) sum_q <= acc_q;
        low_q       <= sum_q[16:0];
        high_q      <= sum_q[SUM_W-1:17];
        kappa_q     <= kappa;
        neg2_q      <= kappa_neg;
        prod_low_q  <= {24'd0, low_q} * {17'd0, kappa_q};
        prod_high_q <= {24'd0, high_q} * {{HIGH_W{1'b0}}, kappa_q};
        neg3_q      <= neg2_q;
        theta_q     <= {prod_high_q, 17'd0} + {{(THETA_W-41){1'b0}}, prod_low_q};
        neg4_q      <= neg3_q;
        bound_q     <= (|bound[THETA_W-20:24]) ? 24'hffffff : bound[23:0];
        r1_q        <= r_next;
        r2_q        <= r1_q;
        if (load) begin
            r     <= {r_next, r1_q, r2_q};
            r_neg <= neg;
        end
    end
endmodule
`default_nettype wire
