// lanes: LANES post lanes (lane.v) with their parameter memories, mode pipeline and pooling.
//
// Beats accumulate from `first` to `last`; a `last` beat carries the modes of its result, so beats
// of different instructions may follow each other in any cycle. Cycles count from the cycle of the
// beat's own inputs (cycle 0): an input of cycle N is sampled by the Nth edge after the one that
// samples stage 0, an output of cycle N can be read there.
//
//   PRE_AT 7   pre_word is sampled        ACC_AT 5   acc_valid, acc_word (of `last` beats)
//   MID_AT 15  mid_word                   Y_AT  25   y_valid, y_word, y_bits
//   OUT_AT 21  out_word
//
// in_kind: 0 in_feat, 1 2 in_pop + om[om_slot], 2 in_acc, 3 in_scalar, 4 2 in_feat - mean2;
//          saturated to 18 bits. mul_kind: 0 cm[cm_slot], 1 in_weight, 2 one, 3 in_feat, 4 norm_r.
// is_max (features only, on every beat of a result): acc = multiplier of the last beat x maximum.
// Vectors are packed, lane 0 lowest: 16 or ACT_BITS bits a lane, acc_word 40.
// pool p > 0: y_word lane j holds rshift_round(sum of lanes k 2^p .. k 2^p + 2^p - 1, p),
// k = j mod (LANES >> p). y_bits are those of the unpooled lanes.
// Parameters: LUT RAM; p_sel 0 CM, 1 OM, 2 QM with p_field 0 b, 1 g, 2 slope, 3 z, 4 m3, 5 b3, 6 t.
// A slot may be written while beats use other slots; QM of a result is read in cycles 6 .. 22.
// One beat per cycle, fixed latency, no stall. rst empties the valid pipeline only.
// Cost: 3 DSP48 a lane, LUTs see hwgen/units/lanes.py. Not for kinds of lanes that differ.
module lanes #(
    parameter LANES    = 16,  // a power of two >= 16
    parameter ACT_BITS = 16,  // 8 .. 16
    parameter CM_SLOTS = 64,  // powers of two: 2 .. 256
    parameter OM_SLOTS = 64,  // 2 .. 256
    parameter QM_SLOTS = 32   // 2 .. 64
) (
    input  wire                      clk,
    input  wire                      rst,
    // beat
    input  wire                      in_valid,
    input  wire [2:0]                in_kind,
    input  wire [2:0]                mul_kind,
    input  wire [LANES*ACT_BITS-1:0] in_feat,
    input  wire [LANES*16-1:0]       in_pop,
    input  wire [LANES*16-1:0]       in_acc,
    input  wire [15:0]               in_scalar,
    input  wire [LANES*16-1:0]       in_weight,
    input  wire [17:0]               mean2,
    input  wire [15:0]               norm_r,
    input  wire [7:0]                cm_slot,
    input  wire [7:0]                om_slot,
    input  wire                      first,
    input  wire                      last,
    input  wire                      is_max,
    // with the last beat
    input  wire [5:0]                q_slot,
    input  wire [5:0]                sh1,
    input  wire                      rp,
    input  wire [4:0]                sh2,
    input  wire                      gelu,
    input  wire                      aff,
    input  wire [4:0]                sh3,
    input  wire [1:0]                pool,
    input  wire                      bit_y3,
    input  wire                      pre_en,
    input  wire                      mid_en,
    input  wire                      out_en,
    // residuals, later
    input  wire [LANES*ACT_BITS-1:0] pre_word,
    input  wire [LANES*ACT_BITS-1:0] mid_word,
    input  wire [LANES*ACT_BITS-1:0] out_word,
    // results
    output wire                      acc_valid,
    output wire [LANES*40-1:0]       acc_word,
    output wire                      y_valid,
    output wire [LANES*ACT_BITS-1:0] y_word,
    output wire [LANES-1:0]          y_bits,
    // parameters
    input  wire                      p_we,
    input  wire [1:0]                p_sel,
    input  wire [7:0]                p_slot,
    input  wire [2:0]                p_field,
    input  wire [LANES*16-1:0]       p_word
);
    localparam A = ACT_BITS;

    generate
        if (LANES < 16 || LANES != (1 << $clog2(LANES))) begin : gen_guard_lanes
            ERROR_lanes_LANES_must_be_a_power_of_two_of_at_least_16 u_stop ();
        end
    endgenerate

    // ---- modes: mN_* is the mode in cycle N of its beat
    wire gelu_only = gelu & ~rp;
    wire [4:0] sh2_used = gelu_only ? 5'd14 : sh2;
    wire [4:0] sh3_used = aff ? sh3 : 5'd0;

    reg [4:1]  valid;   // any beat
    reg [25:1] done;    // last beats
    always @(posedge clk) begin
        valid <= {valid[3:1], in_valid};
        done  <= {done[24:1], in_valid & last};
        if (rst) begin
            valid <= 4'd0;
            done  <= 25'd0;
        end
    end
    assign acc_valid = done[5];
    assign y_valid = done[25];

    wire m1_carry, m2_first, m2_max, m4_load;
    lane_delay #(.WIDTH(1), .STAGES(1)) u_carry (.clk(clk), .d(in_kind == 3'd4), .q(m1_carry));
    lane_delay #(.WIDTH(2), .STAGES(2)) u_m2 (
        .clk(clk), .d({first, is_max}), .q({m2_first, m2_max})
    );
    lane_delay #(.WIDTH(1), .STAGES(2)) u_m4 (.clk(clk), .d(m2_first | m2_max), .q(m4_load));

    wire [5:0] m5_sh1;
    wire [2:0] m6_sh1;
    wire       m7_sh1;
    lane_delay #(.WIDTH(6), .STAGES(5)) u_sh1_5 (.clk(clk), .d(sh1), .q(m5_sh1));
    lane_delay #(.WIDTH(3), .STAGES(1)) u_sh1_6 (.clk(clk), .d(m5_sh1[2:0]), .q(m6_sh1));
    lane_delay #(.WIDTH(1), .STAGES(1)) u_sh1_7 (.clk(clk), .d(m6_sh1[0]), .q(m7_sh1));

    wire [4:0] m12_sh2;
    wire [2:0] m13_sh2;
    wire       m14_sh2;
    lane_delay #(.WIDTH(5), .STAGES(12)) u_sh2_12 (.clk(clk), .d(sh2_used), .q(m12_sh2));
    lane_delay #(.WIDTH(3), .STAGES(1)) u_sh2_13 (.clk(clk), .d(m12_sh2[2:0]), .q(m13_sh2));
    lane_delay #(.WIDTH(1), .STAGES(1)) u_sh2_14 (.clk(clk), .d(m13_sh2[0]), .q(m14_sh2));

    wire [4:0] m18_sh3;
    wire [2:0] m19_sh3;
    wire       m20_sh3;
    lane_delay #(.WIDTH(5), .STAGES(18)) u_sh3_18 (.clk(clk), .d(sh3_used), .q(m18_sh3));
    lane_delay #(.WIDTH(3), .STAGES(1)) u_sh3_19 (.clk(clk), .d(m18_sh3[2:0]), .q(m19_sh3));
    lane_delay #(.WIDTH(1), .STAGES(1)) u_sh3_20 (.clk(clk), .d(m19_sh3[0]), .q(m20_sh3));

    wire m7_rp, m9_rp, m13_rp, m7_pre_en, m9_gelu, m15_mid_en, m15_aff, m19_aff, m21_out_en;
    wire m22_bit_y3;
    lane_delay #(.WIDTH(2), .STAGES(7)) u_m7 (.clk(clk), .d({rp, pre_en}), .q({m7_rp, m7_pre_en}));
    lane_delay #(.WIDTH(1), .STAGES(2)) u_rp_9 (.clk(clk), .d(m7_rp), .q(m9_rp));
    lane_delay #(.WIDTH(1), .STAGES(4)) u_rp_13 (.clk(clk), .d(m9_rp), .q(m13_rp));
    lane_delay #(.WIDTH(1), .STAGES(9)) u_gelu (.clk(clk), .d(gelu_only), .q(m9_gelu));
    lane_delay #(.WIDTH(2), .STAGES(15)) u_m15 (
        .clk(clk), .d({mid_en, aff}), .q({m15_mid_en, m15_aff})
    );
    lane_delay #(.WIDTH(1), .STAGES(4)) u_aff_19 (.clk(clk), .d(m15_aff), .q(m19_aff));
    lane_delay #(.WIDTH(1), .STAGES(21)) u_out_en (.clk(clk), .d(out_en), .q(m21_out_en));
    lane_delay #(.WIDTH(1), .STAGES(22)) u_bit_y3 (.clk(clk), .d(bit_y3), .q(m22_bit_y3));

    wire [5:0] m6_q, m9_q, m13_q, m15_q, m19_q, m22_q;
    lane_delay #(.WIDTH(6), .STAGES(6)) u_q6 (.clk(clk), .d(q_slot), .q(m6_q));
    lane_delay #(.WIDTH(6), .STAGES(3)) u_q9 (.clk(clk), .d(m6_q), .q(m9_q));
    lane_delay #(.WIDTH(6), .STAGES(4)) u_q13 (.clk(clk), .d(m9_q), .q(m13_q));
    lane_delay #(.WIDTH(6), .STAGES(2)) u_q15 (.clk(clk), .d(m13_q), .q(m15_q));
    lane_delay #(.WIDTH(6), .STAGES(4)) u_q19 (.clk(clk), .d(m15_q), .q(m19_q));
    lane_delay #(.WIDTH(6), .STAGES(3)) u_q22 (.clk(clk), .d(m19_q), .q(m22_q));

    wire [1:0] m22_pool, m23_pool, m24_pool;
    lane_delay #(.WIDTH(2), .STAGES(22)) u_pool22 (.clk(clk), .d(pool), .q(m22_pool));
    lane_delay #(.WIDTH(2), .STAGES(1)) u_pool23 (.clk(clk), .d(m22_pool), .q(m23_pool));
    lane_delay #(.WIDTH(2), .STAGES(1)) u_pool24 (.clk(clk), .d(m23_pool), .q(m24_pool));

    // ---- parameter memories
    wire [LANES*16-1:0] c0_cm;
    wire [LANES*16-1:0] c0_om;
    param_ram #(.WIDTH(LANES*16), .SLOTS(CM_SLOTS), .ADDR_W(8)) u_cm (
        .clk(clk), .we(p_we & (p_sel == 2'd0)), .waddr(p_slot), .wdata(p_word),
        .raddr(cm_slot), .rdata(c0_cm)
    );
    param_ram #(.WIDTH(LANES*16), .SLOTS(OM_SLOTS), .ADDR_W(8)) u_om (
        .clk(clk), .we(p_we & (p_sel == 2'd1)), .waddr(p_slot), .wdata(p_word),
        .raddr(om_slot), .rdata(c0_om)
    );

    // fields b, g, slope, z, m3, b3, t with the cycle's slot
    wire [7*8-1:0] q_addr = {2'd0, m22_q, 2'd0, m19_q, 2'd0, m15_q, 2'd0, m13_q, 2'd0, m9_q,
                             2'd0, m6_q, 2'd0, m6_q};
    wire [7:0] q_we = {7'd0, p_we & (p_sel == 2'd2)} << p_field;
    wire unused_field = q_we[7];
    wire [7*LANES*16-1:0] q_data;
    genvar f;
    generate
        for (f = 0; f < 7; f = f + 1) begin : gen_field
            param_ram #(.WIDTH(LANES*16), .SLOTS(QM_SLOTS), .ADDR_W(8)) u_qm (
                .clk(clk), .we(q_we[f]), .waddr(p_slot), .wdata(p_word),
                .raddr(q_addr[8*f +: 8]), .rdata(q_data[f*LANES*16 +: LANES*16])
            );
        end
    endgenerate

    // ---- stage 0 selections that are the same for all lanes
    wire [1:0] x_sel = in_kind == 3'd1 ? 2'd1
                     : in_kind == 3'd2 ? 2'd2
                     : in_kind == 3'd4 ? 2'd3 : 2'd0;
    wire [17:0] common = in_kind == 3'd4 ? ~mean2
                       : in_kind == 3'd3 ? {{2{in_scalar[15]}}, in_scalar} : 18'd0;
    wire [1:0] w_sel = mul_kind == 3'd0 ? 2'd0
                     : mul_kind == 3'd1 ? 2'd1
                     : mul_kind == 3'd3 ? 2'd3 : 2'd2;
    wire [15:0] w_common = mul_kind == 3'd4 ? norm_r : 16'd1;

    // ---- lanes
    wire [LANES*A-1:0] c22_y;
    wire [LANES-1:0]   c24_bits;
    genvar l;
    generate
        for (l = 0; l < LANES; l = l + 1) begin : gen_lane
            lane #(.ACT_BITS(A)) u_lane (
                .clk(clk),
                .c0_x_sel(x_sel), .c0_x_zero(in_kind == 3'd3), .c0_om_sel(in_kind == 3'd1),
                .c0_common(common), .c0_w_sel(w_sel), .c0_w_common(w_common),
                .c0_feat(in_feat[l*A +: A]), .c0_pop(in_pop[l*16 +: 16]),
                .c0_att(in_acc[l*16 +: 16]), .c0_weight(in_weight[l*16 +: 16]),
                .c0_cm(c0_cm[l*16 +: 16]), .c0_om(c0_om[l*16 +: 16]),
                .c1_carry(m1_carry),
                .c2_valid(valid[2]), .c2_first(m2_first), .c2_max(m2_max),
                .c4_valid(valid[4]), .c4_load(m4_load), .c5_acc(acc_word[l*40 +: 40]),
                .c5_sh1(m5_sh1[5:3]), .c6_sh1(m6_sh1[2:1]), .c7_sh1(m7_sh1),
                .c6_b(q_data[(0*LANES+l)*16 +: 16]), .c6_g(q_data[(1*LANES+l)*16 +: 16]),
                .c7_rp(m7_rp), .c7_pre_en(m7_pre_en), .c7_pre(pre_word[l*A +: A]),
                .c9_rp(m9_rp), .c9_gelu(m9_gelu), .c9_slope(q_data[(2*LANES+l)*16 +: 16]),
                .c12_sh2(m12_sh2[4:3]), .c13_sh2(m13_sh2[2:1]), .c14_sh2(m14_sh2),
                .c13_rp(m13_rp), .c13_z(q_data[(3*LANES+l)*16 +: 16]),
                .c15_mid_en(m15_mid_en), .c15_mid(mid_word[l*A +: A]),
                .c15_aff(m15_aff), .c15_m3(q_data[(4*LANES+l)*16 +: 16]),
                .c18_sh3(m18_sh3[4:3]), .c19_sh3(m19_sh3[2:1]), .c20_sh3(m20_sh3),
                .c19_aff(m19_aff), .c19_b3(q_data[(5*LANES+l)*16 +: 16]),
                .c21_out_en(m21_out_en), .c21_out(out_word[l*A +: A]), .c22_y(c22_y[l*A +: A]),
                .c22_bit_y3(m22_bit_y3), .c22_t(q_data[(6*LANES+l)*16 +: 16]),
                .c24_bit(c24_bits[l])
            );
        end
    endgenerate

    // ---- 22, 23, 24: pooling. The + 1 of the pairs is the rounding of every later average, and
    // an average with the bits below it is the sum that the next stage needs.
    wire [LANES/2*A-1:0] avg1, avg2_wide, avg3_wide;
    wire [LANES/2-1:0]   low1;
    wire [LANES/4*A-1:0] avg2;
    wire [LANES/4*2-1:0] low2;
    wire [LANES/8*A-1:0] avg3;
    reg  [LANES*A-1:0]   x_23, x_24, x_25;
    reg  [LANES/2-1:0]   low_23;
    reg  [LANES/4*2-1:0] low_24;
    reg  [LANES-1:0]     bits_25;
    genvar p;
    generate
        for (p = 0; p < LANES/2; p = p + 1) begin : gen_pair
            assign {avg1[p*A +: A], low1[p]} =
                $signed(c22_y[2*p*A +: A]) + $signed(c22_y[(2*p+1)*A +: A])
                + $signed({{A{1'b0}}, 1'b1});
        end
        for (p = 0; p < LANES/4; p = p + 1) begin : gen_quad
            wire signed [A:0] s0 = {x_23[2*p*A +: A], low_23[2*p]};
            wire signed [A:0] s1 = {x_23[(2*p+1)*A +: A], low_23[2*p+1]};
            assign {avg2[p*A +: A], low2[2*p +: 2]} = $signed({s0[A], s0}) + s1;
        end
        for (p = 0; p < LANES/8; p = p + 1) begin : gen_oct
            wire signed [A+1:0] s0 = {x_24[2*p*A +: A], low_24[4*p +: 2]};
            wire signed [A+1:0] s1 = {x_24[(2*p+1)*A +: A], low_24[4*p+2 +: 2]};
            wire [2:0] unused_low;
            assign {avg3[p*A +: A], unused_low} = $signed({s0[A+1], s0}) + s1;
        end
    endgenerate
    assign avg2_wide = {2{avg2}};
    assign avg3_wide = {4{avg3}};

    always @(posedge clk) begin
        x_23    <= m22_pool == 2'd0 ? c22_y : {2{avg1}};
        low_23  <= low1;
        x_24    <= m23_pool[1] ? {2{avg2_wide}} : x_23;
        low_24  <= low2;
        x_25    <= m24_pool == 2'd3 ? {2{avg3_wide}} : x_24;
        bits_25 <= c24_bits;
    end
    assign y_word = x_25;
    assign y_bits = bits_25;
endmodule
