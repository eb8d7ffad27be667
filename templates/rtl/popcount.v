// popcount: pop = number of columns k < KW with act[k] == weight[k] (one lane of the array).
//
// With bit 1 = +1, bit 0 = -1: dot product = 2 pop - KW (XNOR-Net, arXiv:1603.05279).
// Stage 1: triples of columns -> 2-bit counts (popcount_xnor3), sixes of those -> 3-bit numbers of
// weight one and of weight two (popcount_6to3). Stages 2, 3: two levels of pair sums each.
// Stage 4: weight-one sum + 2 x weight-two sum.
// Latency 4 cycles, one vector per cycle. Reset: none (data only).
// Cost (Yosys): about 1.45 LUT a column.
module popcount #(
    parameter KW = 128,    // 64, 128 or 256
    parameter POP_W = 8    // clog2(KW + 1)
) (
    input  wire             clk,
    input  wire [   KW-1:0] act,
    input  wire [   KW-1:0] weight,
    output reg  [POP_W-1:0] pop
);
    localparam T = (KW + 2) / 3;
    localparam PAD = 3 * T - KW;  // 1 or 2: a power of two is no multiple of three
    localparam N0 = (T + 5) / 6;
    localparam N1 = (N0 + 1) / 2;
    localparam N2 = (N1 + 1) / 2;
    localparam N3 = (N2 + 1) / 2;
    localparam N4 = (N3 + 1) / 2;
    localparam W0 = 3;
    localparam W1 = W0 + (N0 > 1 ? 1 : 0);
    localparam W2 = W1 + (N1 > 1 ? 1 : 0);
    localparam W3 = W2 + (N2 > 1 ? 1 : 0);
    localparam W4 = W3 + (N3 > 1 ? 1 : 0);

    generate
        if (KW < 64 || KW > 256 || (KW & (KW - 1)) != 0) begin : gen_bad_kw
            ERROR_popcount_KW_must_be_64_128_or_256 u_stop ();
        end
        if (N4 != 1 || POP_W != $clog2(KW + 1)) begin : gen_bad_width
            ERROR_popcount_POP_W_must_be_clog2_of_KW_plus_1 u_stop ();
        end
    endgenerate

    // Weight 1 against activation 0 in the padding: no agreement.
    wire [T-1:0] ones, twos;
    popcount_xnor3 #(
        .T(T)
    ) u_xnor3 (
        .a({{PAD{1'b0}}, act}),
        .b({{PAD{1'b1}}, weight}),
        .ones(ones),
        .twos(twos)
    );

    wire [W4-1:0] total0, total1;  // of the ones, of the twos
    genvar p;
    generate
        for (p = 0; p < 2; p = p + 1) begin : gen_weight
            wire [N0*W0-1:0] n0;
            wire [N1*W1-1:0] n1;
            wire [N2*W2-1:0] n2;
            wire [N3*W3-1:0] n3;
            wire [   W4-1:0] n4;
            wire [    T-1:0] bits;
            reg  [N0*W0-1:0] n0_q;
            reg  [N2*W2-1:0] n2_q;
            reg  [   W4-1:0] n4_q;

            if (p == 0) begin : gen_ones
                assign bits = ones;
                assign total0 = n4_q;
            end else begin : gen_twos
                assign bits = twos;
                assign total1 = n4_q;
            end

            popcount_6to3 #(
                .N(T),
                .G(N0)
            ) u_6to3 (
                .bits(bits),
                .count(n0)
            );
            popcount_pairs #(
                .N(N0),
                .W(W0),
                .M(N1),
                .V(W1)
            ) u_pairs1 (
                .x(n0_q),
                .y(n1)
            );
            popcount_pairs #(
                .N(N1),
                .W(W1),
                .M(N2),
                .V(W2)
            ) u_pairs2 (
                .x(n1),
                .y(n2)
            );
            popcount_pairs #(
                .N(N2),
                .W(W2),
                .M(N3),
                .V(W3)
            ) u_pairs3 (
                .x(n2_q),
                .y(n3)
            );
            popcount_pairs #(
                .N(N3),
                .W(W3),
                .M(1),
                .V(W4)
            ) u_pairs4 (
                .x(n3),
                .y(n4)
            );

            always @(posedge clk) begin
                n0_q <= n0;
                n2_q <= n2;
                n4_q <= n4;
            end
        end
    endgenerate

    // Both totals are at most T; the sum is at most KW.
    wire [W4+1:0] sum = {2'b00, total0} + {1'b0, total1, 1'b0};
    wire unused = &{1'b0, sum};
    always @(posedge clk) pop <= sum[POP_W-1:0];
endmodule
