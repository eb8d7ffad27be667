// popcount: pop = number of columns k < KW with act[k] == weight[k] (one lane of the array).
//
// With bit 1 = +1, bit 0 = -1: dot product = 2 pop - KW (XNOR-Net, arXiv:1603.05279).
// Stage 1: G = KW/8 groups of eight columns, each a count of 0 .. 6 and one bit of weight two
// (popcount_xnor8). The counts' lowest bits, and their upper two with the bits of weight two, are
// two lists of N words and N single bits, which popcount_pairs halves: G/2 words of one bit, G of
// two bits. Stages 2, 3: two levels each. Stage 4: a fifth level. Stage 5: the total of both.
// Latency 5 cycles, one vector per cycle. Reset: none (data only).
// Cost (Yosys): about 1.22 LUT a column; docs/popcount.md.
`default_nettype none
module popcount #(
    parameter KW = 128,    // 64, 128 or 256
    parameter POP_W = 8    // clog2(KW + 1)
) (
    input  wire             clk,
    input  wire [   KW-1:0] act,
    input  wire [   KW-1:0] weight,
    output reg  [POP_W-1:0] pop
);
    localparam G = KW / 8;
    localparam LG = POP_W - 4;  // log2(G)

    generate
        if (KW < 64 || KW > 256 || (KW & (KW - 1)) != 0) begin : gen_bad_kw
            ERROR_popcount_KW_must_be_64_128_or_256 u_stop ();
        end
        if (POP_W != $clog2(KW + 1)) begin : gen_bad_width
            ERROR_popcount_POP_W_must_be_clog2_of_KW_plus_1 u_stop ();
        end
    endgenerate

    wire [3*G-1:0] count;
    wire [G-1:0] two;
    popcount_xnor8 #(
        .G(G)
    ) u_xnor8 (
        .a(act),
        .b(weight),
        .count(count),
        .two(two)
    );

    reg [3*G-1:0] count_q;
    reg [G-1:0] two_q;
    wire [G-1:0] low;
    wire [2*G-1:0] high;
    genvar g, p;
    generate
        for (g = 0; g < G; g = g + 1) begin : gen_group
            assign low[g] = count_q[3*g];
            assign high[2*g+:2] = count_q[3*g+1+:2];
        end
    endgenerate

    reg [LG-1:0] total0_q;  // words of weight one
    reg [LG+1:0] total1_q;  // words of weight two
    reg [1:0] last_q;       // the single bits that are left
    generate
        for (p = 0; p < 2; p = p + 1) begin : gen_weight
            localparam N0 = p == 0 ? G / 2 : G;
            localparam N1 = N0 / 2;
            localparam N2 = N1 / 2;
            localparam N3 = N2 > 1 ? N2 / 2 : 1;
            localparam N4 = N3 > 1 ? N3 / 2 : 1;
            localparam W0 = p + 1;
            localparam W2 = W0 + 2;
            localparam W3 = W2 + (N2 > 1 ? 1 : 0);
            localparam W4 = W3 + (N3 > 1 ? 1 : 0);
            localparam W5 = W4 + (N4 > 1 ? 1 : 0);

            wire [N0*W0-1:0] n0;
            wire [N0-1:0] c0;
            wire [N1*(W0+1)-1:0] n1;
            wire [N1-1:0] c1;
            wire [N2*W2-1:0] n2;
            wire [N2-1:0] c2;
            wire [N3*W3-1:0] n3;
            wire [N3-1:0] c3;
            wire [N4*W4-1:0] n4;
            wire [N4-1:0] c4;
            wire [W5-1:0] n5;
            reg [N2*W2-1:0] n2_q;
            reg [N2-1:0] c2_q;
            reg [N4*W4-1:0] n4_q;
            reg [N4-1:0] c4_q;
            wire c5;

            if (p == 0) begin : gen_ones
                assign {c0, n0} = low;
                always @(posedge clk) total0_q <= n5;
            end else begin : gen_twos
                assign n0 = high;
                assign c0 = two_q;
                always @(posedge clk) total1_q <= n5;
            end

            popcount_pairs #(
                .N(N0),
                .W(W0),
                .M(N1),
                .V(W0 + 1)
            ) u_pairs1 (
                .x(n0),
                .c(c0),
                .y(n1),
                .rest(c1)
            );
            popcount_pairs #(
                .N(N1),
                .W(W0 + 1),
                .M(N2),
                .V(W2)
            ) u_pairs2 (
                .x(n1),
                .c(c1),
                .y(n2),
                .rest(c2)
            );
            popcount_pairs #(
                .N(N2),
                .W(W2),
                .M(N3),
                .V(W3)
            ) u_pairs3 (
                .x(n2_q),
                .c(c2_q),
                .y(n3),
                .rest(c3)
            );
            popcount_pairs #(
                .N(N3),
                .W(W3),
                .M(N4),
                .V(W4)
            ) u_pairs4 (
                .x(n3),
                .c(c3),
                .y(n4),
                .rest(c4)
            );
            popcount_pairs #(
                .N(N4),
                .W(W4),
                .M(1),
                .V(W5)
            ) u_pairs5 (
                .x(n4_q),
                .c(c4_q),
                .y(n5),
                .rest(c5)
            );

            always @(posedge clk) begin
                n2_q <= n2;
                c2_q <= c2;
                n4_q <= n4;
                c4_q <= c4;
                last_q[p] <= c5;
            end
        end
    endgenerate

    wire [POP_W-1:0] total;
    popcount_total #(
        .W(LG + 3),
        .V(LG)
    ) u_total (
        .twos(total1_q),
        .one(last_q[0]),
        .ones(total0_q),
        .two(last_q[1]),
        .sum(total)
    );
    always @(posedge clk) begin
        count_q <= count;
        two_q <= two;
        pop <= total;
    end
endmodule
`default_nettype wire
