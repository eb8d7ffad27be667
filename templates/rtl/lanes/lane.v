// lane: one channel of the engine's post chain (hwgen/ops/post.py), 27 cycles with lanes.v.
//
//   x   = feature | 2 popcount + om | attention | scalar
//   acc = base + sum over first .. last of x * w + e . v    (max: acc = w * max of x, e = 0)
//   y1  = sat18(rshift_round(acc, sh1) + b)
//   t   = y1 + pre
//   y3  = sat18(rshift_round(t f, sh2)),  f = rp and t < 0: slope, else 2**sh2;  or, of a table
//         of chords, sat18(rshift_round(t slope[k], 14) + intercept[k]) (hwgen/engine/chords.py)
//   y5  = sat18(((y3 + mid) m3 + c3 2**9) >> sh3)
//   y6  = satA(y5 + out);   bit = (bit_y3 ? y3 : y6) >= t
//
// A port named cN_* is sampled N cycles after the beat's inputs (cycle 0). Stages: 0 operand
// select, 1 maximum, 2 add, 3 multiply, 4 sum of the products, 5 accumulate, 6 shift, 7 b,
// 9 residual, 10 sign and chord, 11 slope, 12 multiply, 13 rounding or intercept, 14 shift,
// 17 residual, 18 multiply, 19 c3, 20 shift, 22 residual, 23..24 threshold. Adders and registers
// of stages 2..4, 12..13 and 17..19 lie in three DSP48.
// e . v: three more products of every beat (e is 0 where a beat has none; with c0_stencil it is
// that lane's own words), in three DSP48 that add
// along a cascade into the first one; so that it ends in time its first product has no register
// of its own before the sum. A weight (c0_w_sel 1) is two signed bytes: w is the low one, the first
// of v the high one.
// A suffix _N on anything else: its value in cycle N; over_N, neg_N: a value too wide, and its
// sign.
// Shifts are selections: sh1 = 3 + 4 c6_sh1 + 2 c7_sh1, sh2 = c14_sh2 ? 14 : 10,
// sh3 = 10 + 3 c20_sh3. The multipliers are always in the path: a stage that is off multiplies by a
// power of two and shifts it out, so no value has to be delayed beside them.
// `c1_max` is for features only (the other kinds are wider than the maximum). acc wraps at 40
// bits; everything else keeps all its bits up to the saturation in the equations.
// One beat per cycle, no stall, no reset (validity is kept by lanes.v).
// Cost (Yosys, xc7): 309 LUT, 435 FF, 6 DSP48 with A = 16; 305, 419, 6 with 12.
`default_nettype none
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
    input  wire [15:0]                c0_weight,
    input  wire signed [15:0]         c0_cm,
    input  wire signed [15:0]         c0_om,
    input  wire [47:0]                c0_extra,     // e: three signed numbers, 0 lowest
    input  wire                       c0_stencil,
    input  wire [3*ACT_BITS-1:0]      c0_words,     // added to e, e is 0 then
    input  wire [47:0]                c0_extra_cm,  // v
    input  wire                       c1_valid,
    input  wire                       c1_first,
    input  wire                       c1_max,
    input  wire                       c5_valid,
    input  wire                       c5_load,      // start the sum with this product and c5_base
    input  wire signed [33:0]         c5_base,
    output wire signed [39:0]         c6_acc,
    // y1
    input  wire [1:0]                 c6_sh1,
    input  wire signed [15:0]         c6_b,
    input  wire                       c7_sh1,
    // residual, RPReLU or chords
    input  wire signed [ACT_BITS-1:0] c8_pre,
    input  wire                       c10_rp,
    input  wire                       c10_chords_off,  // not both rp and chords
    input  wire signed [15:0]         c11_slope,
    input  wire                       flat,         // of the table: constant outside the chords
    output wire [5:0]                 c11_chord,
    input  wire signed [15:0]         c11_chord_slope,      // of c11_chord, in the same cycle
    input  wire signed [15:0]         c11_chord_intercept,
    input  wire                       c11_sh2,      // 1 for chords
    input  wire [1:0]                 c12_half,     // 2 for sh2 = 14, else 1
    input  wire                       c14_sh2,
    // residual, affine
    input  wire signed [ACT_BITS-1:0] c16_mid,
    input  wire                       c16_aff_off,  // m3 = 2**13
    input  wire signed [15:0]         c16_m3,
    input  wire signed [25:0]         c18_c3,
    input  wire [1:0]                 c20_sh3,
    // residual, threshold
    input  wire signed [ACT_BITS-1:0] c21_out,
    output wire signed [ACT_BITS-1:0] c24_y,
    output wire [17:0]                c15_y3,       // comes back in cycle 24
    input  wire [17:0]                c24_y3,
    input  wire signed [15:0]         c23_t,
    input  wire                       c24_bit_y3,
    output wire                       c25_bit
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
        : c0_w_sel == 2'd1 ? {{9{c0_weight[7]}}, c0_weight[7:0]}
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

    // ---- 0 .. 3: the further products, one stage later each
    wire [15:0] v0_0 = c0_w_sel == 2'd1 ? {{8{c0_weight[15]}}, c0_weight[15:8]}
        : c0_extra_cm[15:0];
    reg signed [15:0] e0_1, e1_1, e2_1;
    reg signed [15:0] v0_1, v1_1, v2_1;
    reg signed [A-1:0] own0_1, own1_1;
    reg signed [16:0] e0_2;
    reg signed [15:0] v0_2;
    wire signed [16:0] e1 = $signed({e1_1[15], e1_1}) + $signed({{(17-A){own1_1[A-1]}}, own1_1});
    reg signed [31:0] product_e1_2;
    reg signed [31:0] sum_e2_2;
    reg signed [31:0] product_e0_3;
    reg signed [32:0] sum_e1_3;
    reg signed [33:0] sum_e0_4;
    always @(posedge clk) begin
        {e1_1, e0_1} <= c0_extra[31:0];
        e2_1 <= c0_extra[47:32]
            | ({{(16-A+1){c0_words[3*A-1]}}, c0_words[2*A +: A-1]} & {16{c0_stencil}});
        {own1_1, own0_1} <= c0_words[2*A-1:0];
        if (!c0_stencil) {own1_1, own0_1} <= {2*A{1'b0}};
        {v2_1, v1_1} <= c0_extra_cm[47:16];
        v0_1         <= $signed(v0_0);
        e0_2         <= $signed({e0_1[15], e0_1}) + $signed({{(17-A){own0_1[A-1]}}, own0_1});
        v0_2         <= v0_1;
        sum_e2_2     <= e2_1 * v2_1;
        product_e1_2 <= e1 * v1_1;
        sum_e1_3     <= $signed({product_e1_2[31], product_e1_2})
            + $signed({sum_e2_2[31], sum_e2_2});
        product_e0_3 <= e0_2 * v0_2;
        sum_e0_4     <= $signed({{2{product_e0_3[31]}}, product_e0_3})
            + $signed({sum_e1_3[32], sum_e1_3});
    end

    // ---- 2 .. 5: add, multiply, sum of the products, accumulate
    reg signed [18:0] sum_3;
    reg signed [16:0] w_3;
    reg signed [35:0] product_4;
    reg signed [36:0] sum_5;
    reg signed [39:0] acc_6;
    always @(posedge clk) begin
        sum_3     <= $signed({x_2[17], x_2}) + $signed({{3{om_2[15]}}, om_2});
        w_3       <= w_2;
        product_4 <= sum_3 * w_3;
        sum_5     <= $signed({product_4[35], product_4}) + $signed({{3{sum_e0_4[33]}}, sum_e0_4});
        if (c5_valid)
            acc_6 <= $signed({{3{sum_5[36]}}, sum_5})
                + (c5_load ? $signed({{6{c5_base[33]}}, c5_base}) : acc_6);
    end
    assign c6_acc = acc_6;

    // ---- 6: coarse shift; one bit below the point, the one that rounds
    wire [21:0] coarse_6 = c6_sh1 == 2'd0 ? acc_6[23:2]
        : c6_sh1 == 2'd1 ? acc_6[27:6]
        : c6_sh1 == 2'd2 ? acc_6[31:10]
        : acc_6[35:14];
    wire [15:0] above_6 = acc_6[38:23] ^ {16{acc_6[39]}};
    wire [3:0]  far_6 = {|above_6[15:12], |above_6[11:8], |above_6[7:4], |above_6[3:0]};
    reg  [21:0] coarse_7;
    reg         over_7;
    reg         neg_7;
    reg  signed [15:0] b_7;
    always @(posedge clk) begin
        coarse_7 <= coarse_6;
        over_7   <= |(far_6 & (4'b1111 << c6_sh1));
        neg_7    <= acc_6[39];
        b_7      <= c6_b;
    end

    // ---- 7, 8: fine shift, b. A value outside 19 bits stays outside 18 with any b.
    wire signed [18:0] fine_7 = $signed(c7_sh1 ? coarse_7[21:3] : coarse_7[19:1]);
    wire               half_7 = c7_sh1 ? coarse_7[2] : coarse_7[0];
    reg  signed [19:0] sum_8;
    reg                over_8;
    reg                neg_8;
    reg  [17:0]        y1_9;
    reg                over_9;
    reg                neg_9;
    reg  signed [A-1:0] pre_9;
    always @(posedge clk) begin
        sum_8  <= $signed({{4{b_7[15]}}, b_7}) + $signed({fine_7[18], fine_7})
            + $signed({19'd0, half_7});
        over_8 <= over_7 | (~c7_sh1 & ((coarse_7[20] ^ neg_7) | (coarse_7[19] ^ neg_7)));
        neg_8  <= neg_7;
        y1_9   <= sum_8[17:0];
        over_9 <= over_8 | (sum_8[19:17] != {3{sum_8[19]}});
        neg_9  <= over_8 ? neg_8 : sum_8[19];
        pre_9  <= c8_pre;
    end

    // ---- 9: t = y1 + pre
    wire signed [17:0] y1 = $signed(over_9 ? {neg_9, {17{~neg_9}}} : y1_9);
    reg signed [18:0] t_10;
    always @(posedge clk) t_10 <= $signed({{(19-A){pre_9[A-1]}}, pre_9}) + $signed({y1[17], y1});

    // ---- 10: which factor. 0 the chord's slope, 1 slope, 2 nothing, 3 one. Chord k covers
    // t + 2^14 in [512 k, 512 k + 512); outside, k is that of the nearer end.
    wire inside_10 = t_10[18:14] == {5{t_10[18]}};
    reg signed [18:0] t_11;
    reg [1:0]         factor_11;
    reg [5:0]         chord_11;
    reg               line_11;      // the intercept counts
    always @(posedge clk) begin
        t_11      <= t_10;
        factor_11 <= c10_chords_off ? {~(c10_rp & t_10[18]), 1'b1}
            : inside_10 ? 2'd0
            : {1'b1, ~t_10[18] & ~flat};
        chord_11  <= inside_10 ? {~t_10[14], t_10[13:9]} : {6{~t_10[18]}};
        line_11   <= ~c10_chords_off & (inside_10 | flat);
    end
    assign c11_chord = chord_11;

    // ---- 11: the chord's line, from the table
    reg signed [18:0] t_12;
    reg signed [15:0] factor_12;
    reg signed [15:0] intercept_12;
    always @(posedge clk) begin
        t_12         <= t_11;
        factor_12    <= factor_11 == 2'd0 ? c11_chord_slope
            : factor_11 == 2'd1 ? c11_slope
            : factor_11 == 2'd2 ? 16'sd0
            : $signed({1'b0, c11_sh2, 3'b000, ~c11_sh2, 10'd0});
        intercept_12 <= c11_chord_intercept;
        if (!line_11) intercept_12 <= 16'sd0;
    end

    // ---- 12, 13: multiply; half of the last place, and the intercept
    reg signed [29:0] add_13;
    reg signed [34:0] product_13;
    reg signed [35:0] product_14;
    always @(posedge clk) begin
        add_13     <= $signed({intercept_12, c12_half[1], 3'b000, c12_half[0], 9'd0});
        product_13 <= t_12 * factor_12;
        product_14 <= $signed({product_13[34], product_13})
            + $signed({{6{add_13[29]}}, add_13});
    end

    // ---- 14: y3, waits for mid
    wire far_14  = product_14[34:31] != {4{product_14[35]}};
    wire near_14 = product_14[30:27] != {4{product_14[35]}};
    wire over_14 = far_14 | (~c14_sh2 & near_14);
    wire [17:0] y3_14 = over_14 ? {product_14[35], {17{~product_14[35]}}}
        : c14_sh2 ? product_14[31:14] : product_14[27:10];
    wire unused_14 = &{1'b0, product_14[9:0]};
    reg signed [17:0] y3_15;
    reg signed [17:0] y3_16;
    reg signed [17:0] y3_17;
    always @(posedge clk) begin
        y3_15 <= $signed(y3_14);
        y3_16 <= y3_15;
        y3_17 <= y3_16;
    end

    // ---- 16 .. 18: (y3 + mid) m3 + c3
    reg signed [A-1:0] mid_17;
    reg signed [15:0]  m3_17;
    reg signed [15:0]  m3_18;
    reg signed [18:0]  y4_18;
    reg signed [34:0]  product_19;
    reg signed [25:0]  c3_19;
    reg signed [35:0]  product_20;
    always @(posedge clk) begin
        mid_17     <= c16_mid;
        m3_17      <= c16_m3;
        if (c16_aff_off) m3_17 <= 16'sd8192;
        m3_18      <= m3_17;
        y4_18      <= $signed({y3_17[17], y3_17}) + $signed({{(19-A){mid_17[A-1]}}, mid_17});
        product_19 <= y4_18 * m3_18;
        c3_19      <= c18_c3;
        product_20 <= $signed({product_19[34], product_19}) + $signed({c3_19[25], c3_19, 9'd0});
    end

    // ---- 20, 21: y5
    wire [2:0] above_20 = {product_20[34:33] != {2{product_20[35]}},
        product_20[32:30] != {3{product_20[35]}},
        product_20[29:27] != {3{product_20[35]}}};
    wire unused_20 = &{1'b0, product_20[9:0]};
    reg [17:0] y5_21;
    reg        over_21;
    reg        neg_21;
    reg [17:0] y5_22;
    reg        over_22;
    reg        neg_22;
    reg signed [A-1:0] out_22;
    always @(posedge clk) begin
        y5_21   <= c20_sh3 == 2'd0 ? product_20[27:10]
            : c20_sh3 == 2'd1 ? product_20[30:13]
            : c20_sh3 == 2'd2 ? product_20[33:16]
            : {product_20[35], product_20[35:19]};
        over_21 <= |(above_20 & (3'b111 << c20_sh3));
        neg_21  <= product_20[35];
        y5_22   <= y5_21;
        over_22 <= over_21;
        neg_22  <= neg_21;
        out_22  <= c21_out;
    end

    // ---- 22, 23: y6
    wire signed [17:0] y5 = $signed(over_22 ? {neg_22, {17{~neg_22}}} : y5_22);
    reg signed [18:0] sum_23;
    always @(posedge clk) sum_23 <= $signed({{(19-A){out_22[A-1]}}, out_22})
        + $signed({y5[17], y5});
    wire signed [A-1:0] y6_23 = sum_23[17:A-1] != {(19-A){sum_23[18]}}
        ? $signed({sum_23[18], {(A-1){~sum_23[18]}}}) : $signed(sum_23[A-1:0]);

    // ---- 23, 24: value >= t where t - value - 1 is negative
    reg signed [A-1:0] y6_24;
    reg signed [15:0]  t_24;
    reg                bit_25;
    wire [17:0] value_24 = c24_bit_y3 ? c24_y3 : {{(18-A){y6_24[A-1]}}, y6_24};
    wire [18:0] rest_24 = {{3{t_24[15]}}, t_24} + {~value_24[17], ~value_24};
    wire unused_rest = &{1'b0, rest_24[17:0]};
    always @(posedge clk) begin
        y6_24  <= y6_23;
        t_24   <= c23_t;
        bit_25 <= rest_24[18];
    end
    assign c15_y3 = y3_15;
    assign c24_y = y6_24;
    assign c25_bit = bit_25;
endmodule
`default_nettype wire
