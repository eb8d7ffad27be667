// lane: one channel of the engine's post chain (hwgen/ops/post.py), 25 cycles with lanes.v.
//
//   in  = feature | 2 popcount + om | attention | scalar | sat18(2 feature - mean2)
//   acc = sum over first .. last of in * w          (max: acc = w * max of in)
//   y1  = sat18(rshift_round(acc, sh1) + b)
//   t   = y1 + pre - (rp ? g : 0)
//   y3  = satA(rp ? (t >= 0 ? t : rshift_round(t slope, sh2)) + z : gelu ? GELU(t) : t)
//   y5  = aff ? sat18(rshift_round((y3 + mid) m3, sh3) + b3) : y3 + mid
//   y6  = satA(y5 + out);   bit = (bit_y3 ? y3 : y6) >= t
//
// A port named cN_* is sampled N cycles after the beat's inputs (cycle 0). Stages: 0 operand
// select, 1 add, 2 saturate and maximum, 3 multiply, 4 accumulate, 5..7 shift and b, 8 residual,
// 9 slope, 10 multiply, 11 product register, 12..14 shift and z, 15 residual, 16 multiply,
// 17 product register, 18..20 shift and b3, 21 residual, 22..23 threshold.
// The multipliers are always in the path: a stage that is off multiplies by 1 and shifts by 0, so
// no value has to be delayed beside them. GELU uses the RPReLU multiplier with a chord's slope.
// `c2_max` is for features only (the other kinds are wider than the maximum register).
// acc wraps at 40 bits; in, t and the products keep all their bits.
// One beat per cycle, no stall, no reset (validity is kept by lanes.v).
// Cost (Yosys, xc7, A = 16): 650 LUT, 24 SRL16, 466 FF, 3 DSP48.
module lane #(
    parameter ACT_BITS = 16
) (
    input  wire                       clk,
    // operands
    input  wire [1:0]                 c0_x_sel,     // feature, popcount, attention, 2 feature
    input  wire                       c0_x_zero,
    input  wire                       c0_om_sel,    // addend is om, else c0_common
    input  wire signed [17:0]         c0_common,
    input  wire [1:0]                 c0_w_sel,     // 0 cm, 1 weight, 2 c0_w_common, 3 feature
    input  wire signed [15:0]         c0_w_common,
    input  wire signed [ACT_BITS-1:0] c0_feat,
    input  wire [15:0]                c0_pop,
    input  wire signed [15:0]         c0_att,
    input  wire signed [15:0]         c0_weight,
    input  wire signed [15:0]         c0_cm,
    input  wire signed [15:0]         c0_om,
    input  wire                       c1_carry,
    input  wire                       c2_valid,
    input  wire                       c2_first,
    input  wire                       c2_max,
    input  wire                       c4_valid,
    input  wire                       c4_load,      // start the sum with this product
    output wire signed [39:0]         c5_acc,
    // y1
    input  wire [2:0]                 c5_sh1,
    input  wire [1:0]                 c6_sh1,
    input  wire                       c7_sh1,
    input  wire signed [15:0]         c6_b,
    // residual, RPReLU or GELU
    input  wire signed [15:0]         c6_g,
    input  wire                       c7_rp,
    input  wire                       c7_pre_en,
    input  wire signed [ACT_BITS-1:0] c7_pre,
    input  wire                       c9_rp,
    input  wire                       c9_gelu,      // never together with rp
    input  wire signed [15:0]         c9_slope,
    input  wire [1:0]                 c12_sh2,      // 14 for GELU
    input  wire [1:0]                 c13_sh2,
    input  wire                       c14_sh2,
    input  wire                       c13_rp,
    input  wire signed [15:0]         c13_z,
    // residual, affine
    input  wire                       c15_mid_en,
    input  wire signed [ACT_BITS-1:0] c15_mid,
    input  wire                       c15_aff,
    input  wire signed [15:0]         c15_m3,
    input  wire [1:0]                 c18_sh3,      // 0 when aff is off
    input  wire [1:0]                 c19_sh3,
    input  wire                       c20_sh3,
    input  wire                       c19_aff,
    input  wire signed [15:0]         c19_b3,
    // residual, threshold
    input  wire                       c21_out_en,
    input  wire signed [ACT_BITS-1:0] c21_out,
    output wire signed [ACT_BITS-1:0] c22_y,
    input  wire                       c22_bit_y3,
    input  wire signed [15:0]         c22_t,
    output wire                       c24_bit
);
    generate
        if (ACT_BITS < 8 || ACT_BITS > 16) begin : gen_guard
            ERROR_lane_ACT_BITS_must_be_8_to_16 u_stop ();
        end
    endgenerate

    // ---- 0: operands
    wire signed [17:0] feat_wide = {{(18-ACT_BITS){c0_feat[ACT_BITS-1]}}, c0_feat};
    wire signed [17:0] x_sel = c0_x_sel == 2'd0 ? feat_wide
                             : c0_x_sel == 2'd1 ? $signed({1'b0, c0_pop, 1'b0})
                             : c0_x_sel == 2'd2 ? $signed({{2{c0_att[15]}}, c0_att})
                             : $signed({feat_wide[16:0], 1'b0});
    wire signed [15:0] w_sel = c0_w_sel == 2'd0 ? c0_cm
                             : c0_w_sel == 2'd1 ? c0_weight
                             : c0_w_sel == 2'd2 ? c0_w_common
                             : $signed(feat_wide[15:0]);
    reg signed [17:0] x_1;
    reg signed [17:0] add_1;
    reg signed [15:0] w_1;
    always @(posedge clk) begin
        x_1   <= c0_x_zero ? 18'sd0 : x_sel;
        add_1 <= c0_om_sel ? $signed({{2{c0_om[15]}}, c0_om}) : c0_common;
        w_1   <= w_sel;
    end

    // ---- 1: add
    reg signed [18:0] sum_2;
    reg signed [15:0] w_2;
    always @(posedge clk) begin
        sum_2 <= $signed({x_1[17], x_1}) + $signed({add_1[17], add_1}) + $signed({18'd0, c1_carry});
        w_2   <= w_1;
    end

    // ---- 2: saturate, running maximum
    wire signed [17:0] in_2 = sum_2[18] != sum_2[17] ? $signed({sum_2[18], {17{~sum_2[18]}}})
                                                     : $signed(sum_2[17:0]);
    reg signed [ACT_BITS-1:0] max_3;
    wire take_2 = c2_first | ($signed(sum_2[ACT_BITS-1:0]) > max_3);
    reg signed [17:0] x_3;
    reg signed [15:0] w_3;
    always @(posedge clk) begin
        if (c2_valid & take_2) max_3 <= $signed(sum_2[ACT_BITS-1:0]);
        x_3 <= (c2_max & ~take_2) ? $signed({{(18-ACT_BITS){max_3[ACT_BITS-1]}}, max_3}) : in_2;
        w_3 <= w_2;
    end

    // ---- 3, 4: multiply, accumulate
    reg signed [33:0] product_4;
    reg signed [39:0] acc_5;
    wire signed [39:0] acc_base = c4_load ? 40'sd0 : acc_5;
    always @(posedge clk) begin
        product_4 <= x_3 * w_3;
        if (c4_valid) acc_5 <= acc_base + $signed({{6{product_4[33]}}, product_4});
    end
    assign c5_acc = acc_5;

    // ---- 5, 6, 7: y1
    reg signed [15:0] b_7;
    always @(posedge clk) b_7 <= c6_b;
    wire signed [17:0] y1_8;
    shift_round_add #(.IN_W(40), .SH_W(6), .B_W(16), .OUT_W(18)) u_y1 (
        .clk(clk), .x(acc_5), .s_hi(c5_sh1), .s_mid(c6_sh1), .s_lo(c7_sh1), .b(b_7), .y(y1_8)
    );

    // ---- 7, 8: t = y1 + (pre - g)
    reg signed [15:0] g_7;
    reg signed [16:0] step_8;
    reg signed [18:0] t_9;
    wire signed [16:0] pre_7 = c7_pre_en ? $signed({{(17-ACT_BITS){c7_pre[ACT_BITS-1]}}, c7_pre})
                                         : 17'sd0;
    wire signed [16:0] thr_7 = c7_rp ? $signed({g_7[15], g_7}) : 17'sd0;
    always @(posedge clk) begin
        g_7    <= c6_g;
        step_8 <= pre_7 - thr_7;
        t_9    <= $signed({y1_8[17], y1_8}) + $signed({{2{step_8[16]}}, step_8});
    end

    // ---- 9: slope; GELU's chord k covers t + 2^14 in [512 k, 512 k + 512)
    wire gelu_in_9  = c9_gelu & (t_9[18:14] == {5{t_9[18]}});
    wire leaky_9    = c9_rp & t_9[18];
    wire below_9    = c9_gelu & t_9[18];
    wire [5:0] chord_9 = {~t_9[14], t_9[13:9]};
    wire [5:0] chord_13;
    wire gelu_in_13;
    wire signed [15:0] chord_slope_9;
    wire signed [15:0] chord_intercept_13;
    gelu_rom u_gelu (
        .slope_index(chord_9), .slope(chord_slope_9),
        .intercept_index(chord_13), .intercept(chord_intercept_13)
    );
    lane_delay #(.WIDTH(7), .STAGES(4)) u_chord (
        .clk(clk), .d({gelu_in_9, chord_9}), .q({gelu_in_13, chord_13})
    );
    reg signed [18:0] t_10;
    reg signed [15:0] slope_10;
    always @(posedge clk) begin
        t_10     <= t_9;
        slope_10 <= gelu_in_9 ? chord_slope_9 : leaky_9 ? c9_slope : $signed({15'd0, ~below_9});
    end

    // ---- 10, 11: multiply
    reg signed [34:0] product_11;
    reg signed [34:0] product_12;
    always @(posedge clk) begin
        product_11 <= t_10 * slope_10;
        product_12 <= product_11;
    end

    // ---- 12, 13, 14: y3; only a scaled value is shifted
    reg  scaled_13;
    reg  scaled_14;
    wire scaled_12;
    lane_delay #(.WIDTH(1), .STAGES(3)) u_scaled (
        .clk(clk), .d(gelu_in_9 | leaky_9), .q(scaled_12)
    );
    reg signed [15:0] z_14;
    always @(posedge clk) begin
        scaled_13 <= scaled_12;
        scaled_14 <= scaled_13;
        z_14      <= gelu_in_13 ? chord_intercept_13 : c13_rp ? c13_z : 16'sd0;
    end
    wire signed [ACT_BITS-1:0] y3_15;
    shift_round_add #(.IN_W(35), .SH_W(5), .B_W(16), .OUT_W(ACT_BITS)) u_y3 (
        .clk(clk), .x(product_12), .s_hi(c12_sh2 & {2{scaled_12}}),
        .s_mid(c13_sh2 & {2{scaled_13}}), .s_lo(c14_sh2 & scaled_14), .b(z_14), .y(y3_15)
    );

    // ---- 15: residual
    reg signed [ACT_BITS:0] y4_16;
    reg signed [15:0]       m3_16;
    wire signed [ACT_BITS-1:0] mid_15 = c15_mid_en ? c15_mid : {ACT_BITS{1'b0}};
    always @(posedge clk) begin
        y4_16 <= $signed({y3_15[ACT_BITS-1], y3_15}) + $signed({mid_15[ACT_BITS-1], mid_15});
        m3_16 <= c15_aff ? c15_m3 : 16'sd1;
    end

    // ---- 16, 17: multiply
    reg signed [32:0] product_17;
    reg signed [32:0] product_18;
    wire signed [16:0] y4_wide = {{(16-ACT_BITS){y4_16[ACT_BITS]}}, y4_16};
    always @(posedge clk) begin
        product_17 <= y4_wide * m3_16;
        product_18 <= product_17;
    end

    // ---- 18, 19, 20: y5
    reg signed [15:0] b3_20;
    always @(posedge clk) b3_20 <= c19_aff ? c19_b3 : 16'sd0;
    wire signed [17:0] y5_21;
    shift_round_add #(.IN_W(33), .SH_W(5), .B_W(16), .OUT_W(18)) u_y5 (
        .clk(clk), .x(product_18), .s_hi(c18_sh3), .s_mid(c19_sh3), .s_lo(c20_sh3), .b(b3_20),
        .y(y5_21)
    );

    // ---- 21: y6
    wire signed [ACT_BITS-1:0] out_21 = c21_out_en ? c21_out : {ACT_BITS{1'b0}};
    wire signed [18:0] y6_sum = $signed({y5_21[17], y5_21})
                              + $signed({{(19-ACT_BITS){out_21[ACT_BITS-1]}}, out_21});
    reg signed [ACT_BITS-1:0] y6_22;
    always @(posedge clk) begin
        y6_22 <= y6_sum[18:ACT_BITS-1] != {(20-ACT_BITS){y6_sum[18]}}
                 ? $signed({y6_sum[18], {(ACT_BITS-1){~y6_sum[18]}}})
                 : $signed(y6_sum[ACT_BITS-1:0]);
    end
    assign c22_y = y6_22;

    // ---- 22, 23: threshold
    wire [ACT_BITS-1:0] y3_22;
    lane_delay #(.WIDTH(ACT_BITS), .STAGES(7)) u_y3_22 (.clk(clk), .d(y3_15), .q(y3_22));
    reg signed [ACT_BITS-1:0] value_23;
    reg signed [15:0]         t_23;
    reg                       bit_24;
    always @(posedge clk) begin
        value_23 <= c22_bit_y3 ? $signed(y3_22) : y6_22;
        t_23     <= c22_t;
        bit_24   <= $signed({{(17-ACT_BITS){value_23[ACT_BITS-1]}}, value_23})
                    >= $signed({t_23[15], t_23});
    end
    assign c24_bit = bit_24;
endmodule
