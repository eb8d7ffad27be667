// Sum of eight keys' values, weighted by levels: s = sum over j of level_j v_j, in W channels.
//
// v: bit of key j in channel c at [j*W + c]; drop: level of key j, 0..3, inverted, at [2j +: 2];
// sum of channel c, 0..24, at [c*5 +: 5]. Latency 4 cycles, one sum per cycle. No reset: data only.
//
// v_j gated by the two bits of level_j is a flip-flop with a reset, no LUT. The 16 gated bits of a
// channel, low (weight 1) and high (weight 2), are added in three short carry chains: their left
// operand is a register, their carry in one bit more, and what they add a function of at most five
// bits (count5), so that a position is one LUT:
//   1: {high 0, low 0} + low 1 + ones of high 1..5, low 2..6
//   2: + low 7 + twos of low 2..6, high 1..5 + fours of high 1..5
//   3: + high 6 + high 7 + fours of low 2..6
// Names: a number before _q is the cycle after v.
// Cost: 7 LUT and about 47 FF a channel (Yosys).
`default_nettype none
module attention_sum #(
    parameter W = 65
) (
    input  wire           clk,
    input  wire [8*W-1:0] v,
    input  wire [15:0]    drop,
    output wire [5*W-1:0] sum
);
    reg  [8*W-1:0] low1_q, high1_q;  // key j in bits [j*W +: W]
    reg  [6*W-1:0] low2_q;           // keys 2..7
    reg  [7*W-1:0] high2_q;          // keys 1..7
    reg  [5*W-1:0] low3_q;           // keys 2..6
    reg  [2*W-1:0] high3_q;          // keys 6, 7

    genvar j, c;
    generate
        for (j = 0; j < 8; j = j + 1) begin : gen_key
            always @(posedge clk) begin
                low1_q[W*j +: W]  <= v[W*j +: W];
                high1_q[W*j +: W] <= v[W*j +: W];
                if (drop[2*j]) low1_q[W*j +: W] <= {W{1'b0}};
                if (drop[2*j+1]) high1_q[W*j +: W] <= {W{1'b0}};
            end
        end
    endgenerate

    always @(posedge clk) begin
        low2_q  <= low1_q[2*W +: 6*W];
        high2_q <= high1_q[W +: 7*W];
        low3_q  <= low2_q[0 +: 5*W];
        high3_q <= high2_q[5*W +: 2*W];
    end

    wire [W-1:0] low_ones, low_twos, low_fours;
    wire [W-1:0] high_ones, high_twos, high_fours;
    wire [W-1:0] unused0, unused1, unused2, unused3, unused4, unused5, unused6, unused7, unused8;
    wire         unused = &{1'b0, unused0, unused1, unused2, unused3, unused4, unused5, unused6,
        unused7, unused8};

    count5 #(.W(W)) u_low1 (
        .a(low1_q[2*W +: W]), .b(low1_q[3*W +: W]), .c(low1_q[4*W +: W]), .d(low1_q[5*W +: W]),
        .e(low1_q[6*W +: W]), .ones(low_ones), .twos(unused0), .fours(unused1)
    );
    count5 #(.W(W)) u_low2 (
        .a(low2_q[0 +: W]), .b(low2_q[W +: W]), .c(low2_q[2*W +: W]), .d(low2_q[3*W +: W]),
        .e(low2_q[4*W +: W]), .ones(unused2), .twos(low_twos), .fours(unused3)
    );
    count5 #(.W(W)) u_low3 (
        .a(low3_q[0 +: W]), .b(low3_q[W +: W]), .c(low3_q[2*W +: W]), .d(low3_q[3*W +: W]),
        .e(low3_q[4*W +: W]), .ones(unused4), .twos(unused5), .fours(low_fours)
    );
    count5 #(.W(W)) u_high1 (
        .a(high1_q[W +: W]), .b(high1_q[2*W +: W]), .c(high1_q[3*W +: W]), .d(high1_q[4*W +: W]),
        .e(high1_q[5*W +: W]), .ones(high_ones), .twos(unused6), .fours(unused7)
    );
    count5 #(.W(W)) u_high2 (
        .a(high2_q[0 +: W]), .b(high2_q[W +: W]), .c(high2_q[2*W +: W]), .d(high2_q[3*W +: W]),
        .e(high2_q[4*W +: W]), .ones(unused8), .twos(high_twos), .fours(high_fours)
    );

    generate
        for (c = 0; c < W; c = c + 1) begin : gen_channel
            wire       in1 = low1_q[W+c];
            wire       in2 = low2_q[5*W+c];
            wire       in3 = high3_q[W+c];
            // a - ~b is a + b + 1: the 1 is lost below the lowest bit
            wire [3:0] sum1 = {1'b0, high1_q[c], low1_q[c], in1}
                - {1'b1, ~high_ones[c], ~low_ones[c], ~in1};
            reg  [2:0] sum2_q;
            wire [5:0] sum2 = {2'b00, sum2_q, in2}
                - {1'b1, ~high_fours[c], ~high_twos[c], ~low_twos[c], 1'b1, ~in2};
            reg  [4:0] sum3_q;
            wire [4:0] sum3 = {sum3_q[4:1], in3}
                - {2'b11, ~low_fours[c], ~high3_q[c], ~in3};
            reg  [4:0] sum4_q;
            wire       unused_in = &{1'b0, sum1[0], sum2[0], sum3[0]};
            always @(posedge clk) begin
                sum2_q <= sum1[3:1];
                sum3_q <= sum2[5:1];
                sum4_q <= {sum3[4:1], sum3_q[0]};
            end
            assign sum[5*c +: 5] = sum4_q;
        end
    endgenerate
endmodule
`default_nettype wire
