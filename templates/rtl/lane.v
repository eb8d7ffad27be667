// lane: one channel of the engine's post chain (hwgen/ops/post.py), 25 cycles with lanes.v.
//
//   x   = feature | 2 popcount + om | attention | scalar
//   acc = base + sum over first .. last of x * w          (max: acc = w * max of x)
//   y1  = sat18(rshift_round(acc, sh1) + b)
//   t   = y1 + pre
//   y3  = sat18(rshift_round(t f, sh2)),  f = rp and t < 0: slope, else 2**sh2;  gelu: GELU(t)
//   y5  = sat18(((y3 + mid) m3 + c3 2**9) >> sh3)
//   y6  = satA(y5 + out);   bit = (bit_y3 ? y3 : y6) >= t
//
// A port named cN_* is sampled N cycles after the beat's inputs (cycle 0). Stages: 0 operand
// select, 1 maximum, 2 add, 3 multiply, 4 accumulate, 5 shift, 6 b, 8 residual, 9 sign and chord,
// 10 slope, 11 multiply, 12 rounding or intercept, 13 shift, 16 residual, 17 multiply, 18 c3,
// 19 shift, 21 residual, 22..23 threshold. Adders and registers of stages 2..4, 11..12 and
// 16..18 lie in the three DSP48.
// Shifts are selections: sh1 = 3 + 4 c5_sh1 + 2 c6_sh1, sh2 = c13_sh2 ? 14 : 10, sh3 = 10 + 3 c19_sh3.
// The multipliers are always in the path: a stage that is off multiplies by a power of two and
// shifts it out, so no value has to be delayed beside them.
// `c1_max` is for features only (the other kinds are wider than the maximum). acc wraps at 40
// bits; everything else keeps all its bits up to the saturation in the equations.
// One beat per cycle, no stall, no reset (validity is kept by lanes.v).
// Cost (Yosys, xc7): 259 LUT, 18 SRL16, 370 FF, 3 DSP48 with A = 16; 255, 18, 358, 3 with 12.
module lane #(
    parameter ACT_BITS = 16
) (
    input  wire                       clk,
    // operands
    input  wire [1:0]                 c0_x_sel,     // feature, popcount, attention, scalar
    input  wire                       c0_om_off,
    input  wire [1:0]                 c0_w_sel,     // cm, weight, c0_w_common, feature
    input  wire signed [16:0]         c0_w_common,
    input  wire signed [15:0]         c0_scalar,
    input  wire signed [ACT_BITS-1:0] c0_feat,
    input  wire [15:0]                c0_pop,
    input  wire signed [15:0]         c0_att,
    input  wire signed [15:0]         c0_weight,
    input  wire signed [15:0]         c0_cm,
    input  wire signed [15:0]         c0_om,
    input  wire                       c1_valid,
    input  wire                       c1_first,
    input  wire                       c1_max,
    input  wire                       c4_valid,
    input  wire                       c4_load,      // start the sum with this product and c4_base
    input  wire signed [33:0]         c4_base,
    output wire signed [39:0]         c5_acc,
    // y1
    input  wire [1:0]                 c5_sh1,
    input  wire signed [15:0]         c5_b,
    input  wire                       c6_sh1,
    // residual, RPReLU or GELU
    input  wire signed [ACT_BITS-1:0] c7_pre,
    input  wire                       c9_rp,
    input  wire                       c9_gelu_off,  // not both rp and gelu
    input  wire signed [15:0]         c10_slope,
    input  wire                       c10_sh2,      // 1 for GELU
    input  wire [1:0]                 c11_half,     // 2 for sh2 = 14, else 1
    input  wire                       c13_sh2,
    // residual, affine
    input  wire signed [ACT_BITS-1:0] c15_mid,
    input  wire                       c15_aff_off,  // m3 = 2**13
    input  wire signed [15:0]         c15_m3,
    input  wire signed [25:0]         c17_c3,
    input  wire [1:0]                 c19_sh3,
    // residual, threshold
    input  wire signed [ACT_BITS-1:0] c21_out,
    output wire signed [ACT_BITS-1:0] c22_y,
    input  wire signed [15:0]         c22_t,
    input  wire                       c23_bit_y3,
    output wire                       c24_bit
);
    localparam A = ACT_BITS;

    generate
        if (ACT_BITS < 8 || ACT_BITS > 16) begin : gen_guard
            ERROR_lane_ACT_BITS_must_be_8_to_16 u_stop ();
        end
    endgenerate

    // ---- 0: operands
    wire signed [15:0] feat = {{(17-A){c0_feat[A-1]}}, c0_feat[A-2:0]};
    wire [17:0] x_0 = c0_x_sel == 2'd0 ? {{2{feat[15]}}, feat}
                    : c0_x_sel == 2'd1 ? {1'b0, c0_pop, 1'b0}
                    : c0_x_sel == 2'd2 ? {{2{c0_att[15]}}, c0_att}
                    : {{2{c0_scalar[15]}}, c0_scalar};
    wire [16:0] w_0 = c0_w_sel == 2'd0 ? {c0_cm[15], c0_cm}
                    : c0_w_sel == 2'd1 ? {c0_weight[15], c0_weight}
                    : c0_w_sel == 2'd2 ? c0_w_common
                    : {feat[15], feat};
    reg signed [17:0] x_1;
    reg signed [15:0] om_1;
    reg signed [16:0] w_1;
    always @(posedge clk) begin
        x_1  <= $signed(x_0);
        w_1  <= $signed(w_0);
        om_1 <= c0_om;
        if (c0_om_off) om_1 <= 16'sd0;
    end

    // ---- 1: the operand register keeps the maximum
    reg signed [17:0] x_2;
    reg signed [15:0] om_2;
    reg signed [16:0] w_2;
    wire take_1 = ~c1_max | c1_first | ($signed(x_2[A-1:0]) < $signed(x_1[A-1:0]));
    always @(posedge clk) begin
        if (c1_valid & take_1) x_2 <= x_1;
        om_2 <= om_1;
        w_2  <= w_1;
    end

    // ---- 2, 3, 4: add, multiply, accumulate
    reg signed [18:0] sum_3;
    reg signed [16:0] w_3;
    reg signed [35:0] product_4;
    reg signed [39:0] acc_5;
    always @(posedge clk) begin
        sum_3     <= $signed({x_2[17], x_2}) + $signed({{3{om_2[15]}}, om_2});
        w_3       <= w_2;
        product_4 <= sum_3 * w_3;
        if (c4_valid)
            acc_5 <= (c4_load ? $signed({{6{c4_base[33]}}, c4_base}) : acc_5)
                     + $signed({{4{product_4[35]}}, product_4});
    end
    assign c5_acc = acc_5;

    // ---- 5: coarse shift; one bit below the point, the one that rounds
    wire [21:0] coarse_5 = c5_sh1 == 2'd0 ? acc_5[23:2]
                         : c5_sh1 == 2'd1 ? acc_5[27:6]
                         : c5_sh1 == 2'd2 ? acc_5[31:10]
                         : acc_5[35:14];
    wire [15:0] above_5 = acc_5[38:23] ^ {16{acc_5[39]}};
    wire [3:0]  far_5 = {|above_5[15:12], |above_5[11:8], |above_5[7:4], |above_5[3:0]};
    reg  [21:0] coarse_6;
    reg         over_6;
    reg         neg_6;
    reg  signed [15:0] b_6;
    always @(posedge clk) begin
        coarse_6 <= coarse_5;
        over_6   <= |(far_5 & (4'b1111 << c5_sh1));
        neg_6    <= acc_5[39];
        b_6      <= c5_b;
    end

    // ---- 6, 7: fine shift, b. A value outside 19 bits stays outside 18 with any b.
    wire signed [18:0] fine_6 = $signed(c6_sh1 ? coarse_6[21:3] : coarse_6[19:1]);
    wire               half_6 = c6_sh1 ? coarse_6[2] : coarse_6[0];
    reg  signed [19:0] sum_7;
    reg                over_7;
    reg                neg_7;
    reg  [17:0]        y1_8;
    reg                over_8;
    reg                neg_8;
    reg  signed [A-1:0] pre_8;
    always @(posedge clk) begin
        sum_7  <= $signed({{4{b_6[15]}}, b_6}) + $signed({fine_6[18], fine_6})
                  + $signed({19'd0, half_6});
        over_7 <= over_6 | (~c6_sh1 & ((coarse_6[20] ^ neg_6) | (coarse_6[19] ^ neg_6)));
        neg_7  <= neg_6;
        y1_8   <= sum_7[17:0];
        over_8 <= over_7 | (sum_7[19:17] != {3{sum_7[19]}});
        neg_8  <= over_7 ? neg_7 : sum_7[19];
        pre_8  <= c7_pre;
    end

    // ---- 8: t = y1 + pre
    wire signed [17:0] y1 = $signed(over_8 ? {neg_8, {17{~neg_8}}} : y1_8);
    reg signed [18:0] t_9;
    always @(posedge clk) t_9 <= $signed({{(19-A){pre_8[A-1]}}, pre_8}) + $signed({y1[17], y1});

    // ---- 9: which factor. 0 GELU's chord, 1 slope, 2 nothing, 3 one
    wire inside_9 = t_9[18:14] == {5{t_9[18]}};
    reg signed [18:0] t_10;
    reg [1:0]         factor_10;
    always @(posedge clk) begin
        t_10      <= t_9;
        factor_10 <= c9_gelu_off ? {~(c9_rp & t_9[18]), 1'b1}
                   : inside_9 ? 2'd0 : {1'b1, ~t_9[18]};
    end

    // ---- 10: chord k covers t + 2^14 in [512 k, 512 k + 512)
    wire [5:0] chord_10 = {~t_10[14], t_10[13:9]};
    wire signed [15:0] chord_slope;
    wire signed [15:0] chord_intercept;
    gelu_rom u_gelu (
        .slope_index(chord_10), .slope(chord_slope),
        .intercept_index(chord_10), .intercept(chord_intercept)
    );
    reg signed [18:0] t_11;
    reg signed [15:0] factor_11;
    reg signed [15:0] intercept_11;
    always @(posedge clk) begin
        t_11         <= t_10;
        factor_11    <= factor_10 == 2'd0 ? chord_slope
                      : factor_10 == 2'd1 ? c10_slope
                      : factor_10 == 2'd2 ? 16'sd0
                      : $signed({1'b0, c10_sh2, 3'b000, ~c10_sh2, 10'd0});
        intercept_11 <= chord_intercept;
        if (factor_10 != 2'd0) intercept_11 <= 16'sd0;
    end

    // ---- 11, 12: multiply; half of the last place, and the intercept
    reg signed [29:0] add_12;
    reg signed [34:0] product_12;
    reg signed [35:0] product_13;
    always @(posedge clk) begin
        add_12     <= $signed({intercept_11, c11_half[1], 3'b000, c11_half[0], 9'd0});
        product_12 <= t_11 * factor_11;
        product_13 <= $signed({product_12[34], product_12})
                      + $signed({{6{add_12[29]}}, add_12});
    end

    // ---- 13: y3, waits for mid
    wire far_13  = product_13[34:31] != {4{product_13[35]}};
    wire near_13 = product_13[30:27] != {4{product_13[35]}};
    wire over_13 = far_13 | (~c13_sh2 & near_13);
    wire [17:0] y3_13 = over_13 ? {product_13[35], {17{~product_13[35]}}}
                      : c13_sh2 ? product_13[31:14] : product_13[27:10];
    wire unused_13 = &{1'b0, product_13[9:0]};
    reg signed [17:0] y3_14;
    reg signed [17:0] y3_15;
    reg signed [17:0] y3_16;
    always @(posedge clk) begin
        y3_14 <= $signed(y3_13);
        y3_15 <= y3_14;
        y3_16 <= y3_15;
    end

    // ---- 15 .. 18: (y3 + mid) m3 + c3
    reg signed [A-1:0] mid_16;
    reg signed [15:0]  m3_16;
    reg signed [15:0]  m3_17;
    reg signed [18:0]  y4_17;
    reg signed [34:0]  product_18;
    reg signed [25:0]  c3_18;
    reg signed [35:0]  product_19;
    always @(posedge clk) begin
        mid_16     <= c15_mid;
        m3_16      <= c15_m3;
        if (c15_aff_off) m3_16 <= 16'sd8192;
        m3_17      <= m3_16;
        y4_17      <= $signed({y3_16[17], y3_16}) + $signed({{(19-A){mid_16[A-1]}}, mid_16});
        product_18 <= y4_17 * m3_17;
        c3_18      <= c17_c3;
        product_19 <= $signed({product_18[34], product_18}) + $signed({c3_18[25], c3_18, 9'd0});
    end

    // ---- 19, 20: y5
    wire [2:0] above_19 = {product_19[34:33] != {2{product_19[35]}},
                           product_19[32:30] != {3{product_19[35]}},
                           product_19[29:27] != {3{product_19[35]}}};
    wire unused_19 = &{1'b0, product_19[9:0]};
    reg [17:0] y5_20;
    reg        over_20;
    reg        neg_20;
    reg [17:0] y5_21;
    reg        over_21;
    reg        neg_21;
    always @(posedge clk) begin
        y5_20   <= c19_sh3 == 2'd0 ? product_19[27:10]
                 : c19_sh3 == 2'd1 ? product_19[30:13]
                 : c19_sh3 == 2'd2 ? product_19[33:16]
                 : {product_19[35], product_19[35:19]};
        over_20 <= |(above_19 & (3'b111 << c19_sh3));
        neg_20  <= product_19[35];
        y5_21   <= y5_20;
        over_21 <= over_20;
        neg_21  <= neg_20;
    end

    // ---- 21, 22: y6
    wire signed [17:0] y5 = $signed(over_21 ? {neg_21, {17{~neg_21}}} : y5_21);
    reg signed [18:0] sum_22;
    always @(posedge clk) sum_22 <= $signed({{(19-A){c21_out[A-1]}}, c21_out})
                                    + $signed({y5[17], y5});
    assign c22_y = sum_22[17:A-1] != {(19-A){sum_22[18]}}
                   ? $signed({sum_22[18], {(A-1){~sum_22[18]}}}) : $signed(sum_22[A-1:0]);

    // ---- 22, 23: value >= t where t - value - 1 is negative
    wire [17:0] y3_23;
    delay_line #(.WIDTH(18), .DEPTH(9), .RESET(0)) u_y3 (
        .clk(clk), .rst(1'b0), .d(y3_14), .q(y3_23)
    );
    reg signed [A-1:0] y6_23;
    reg signed [15:0]  t_23;
    reg                bit_24;
    wire [17:0] value_23 = c23_bit_y3 ? y3_23 : {{(18-A){y6_23[A-1]}}, y6_23};
    wire [18:0] rest_23 = {{3{t_23[15]}}, t_23} + {~value_23[17], ~value_23};
    wire unused_rest = &{1'b0, rest_23[17:0]};
    always @(posedge clk) begin
        y6_23  <= c22_y;
        t_23   <= c22_t;
        bit_24 <= rest_23[18];
    end
    assign c24_bit = bit_24;
endmodule
