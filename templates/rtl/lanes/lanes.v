// lanes: LANES post lanes (lane.v) with their parameter memories, mode pipeline and pooling.
//
// Beats accumulate from `first` to `last`; a `last` beat carries the modes of its result, so beats
// of different instructions may follow each other in any cycle. Cycles count from the cycle of the
// beat's words (cycle 0): an input of cycle N is sampled by the Nth edge after the one that
// samples stage 0, an output of cycle N can be read there. Kinds, slots and modes come two cycles
// before the words, so that they are registers, a copy for every eight lanes, where they act.
//
//   -2         in_valid .. mul_kind, slots, first, last, is_max and the modes
//   0          in_feat .. in_weight, mean2, norm_r
//   PRE_AT 8   pre_word is sampled        ACC_AT 6   acc_valid, acc_word (of `last` beats)
//   MID_AT 16  mid_word                   Y_AT  27   y_valid, y_word, y_bits
//   OUT_AT 21  out_word
//
// in_kind: 0 in_feat, 1 2 in_pop + om[om_slot], 2 in_acc, 3 in_scalar, 4 norm apply.
// mul_kind: 0 cm[cm_slot], 1 the low byte of in_weight, 2 one, 3 in_feat, 4 norm apply:
// acc = (2 in_feat - mean2) norm_r (norm_r below 2^15); in_kind 4 and mul_kind 4 belong together,
// and one beat is the whole sum.
// in_extra: three more signed numbers for all lanes, element 0 lowest; number k is multiplied by
// slot cm_slot of bank k + 1 of CM and added to the beat's product. 0 where a beat has none. With
// mul_kind 1 number 0 is multiplied by the high byte of in_weight instead.
// in_words: three more words, number 0 lowest; with in_stencil lane l of word k is added to number
// k of in_extra (0 then).
// is_max (features only, on every beat of a result): acc = multiplier of the last beat x maximum.
// Residual words are 0 where a result has none.
// sh1 is 3, 5 .. 17, sh2 10 or 14, sh3 10, 13, 16 or 19 (hwgen.engine.numerics).
// Vectors are packed, lane 0 lowest: 16 or ACT_BITS bits a lane, acc_word 40.
// pool p > 0: y_word lane j holds rshift_round(sum of lanes k 2^p .. k 2^p + 2^p - 1, p),
// k = j mod (LANES >> p). y_bits are those of the unpooled lanes.
// Names: mN_* a mode in cycle N of its beat (m_1: cycle -1), cN_* values at the lanes' pins in
// cycle N (c3_low and c3_high are the parts of c3), _N other values of cycle N; p_* parameter
// writes, q_* QM.
// Parameters: LUT RAM; p_sel 0 CM with p_field[1:0] the bank (bank 0 is what mul_kind 0 reads; the
// others have the slots below 32 only), 1 OM, 2 QM with p_field 0 b, 1 slope, 2 m3, 3 c3[15:0],
// 4 c3[25:16] (in the low bits), 5 t. c3 holds b3 and the rounding of the second affine step:
// y5 = sat18(((y3 + mid) m3 + c3 2^9) >> sh3); without `aff` m3 is 2^13 and sh3 is 13.
// chords: y3 from the table of chords, which table_we fills; no result may be in cycle 11 then.
// A slot may be written while beats use other slots; CM and OM of a beat are read in cycle -1, QM
// of a result in cycles 6 .. 23.
// One beat per cycle, fixed latency, no stall. rst empties the valid pipeline only.
// Cost: 6 DSP48 a lane and one, LUTs see hwgen/units/lanes.py. Not for kinds of lanes that differ.
`default_nettype none
module lanes #(
    parameter LANES    = 16,  // a power of two >= 16
    parameter ACT_BITS = 16,  // 8 .. 16
    parameter CM_SLOTS = 64,  // powers of two: 2 .. 256
    parameter OM_SLOTS = 64,  // 2 .. 256
    parameter QM_SLOTS = 32   // 2 .. 64
) (
    input  wire                      clk,
    input  wire                      rst,
    // words of a beat
    input  wire [LANES*ACT_BITS-1:0] in_feat,
    input  wire [LANES*16-1:0]       in_pop,
    input  wire [LANES*16-1:0]       in_acc,
    input  wire [15:0]               in_scalar,
    input  wire [47:0]               in_extra,
    input  wire                      in_stencil,
    input  wire [3*LANES*ACT_BITS-1:0] in_words,
    input  wire [LANES*16-1:0]       in_weight,
    input  wire [17:0]               mean2,
    input  wire [15:0]               norm_r,
    // two cycles before
    input  wire                      in_valid,
    input  wire [2:0]                in_kind,
    input  wire [2:0]                mul_kind,
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
    input  wire                      chords,
    input  wire                      aff,
    input  wire [4:0]                sh3,
    input  wire [1:0]                pool,
    input  wire                      bit_y3,
    // table of chords (chord_table.v): one entry {slope, intercept} a cycle; flat is constant while
    // results are in flight
    input  wire                      table_we,
    input  wire [5:0]                table_index,
    input  wire [31:0]               table_entry,
    input  wire                      table_flat,
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
    localparam BANK_ROWS = CM_SLOTS < 32 ? CM_SLOTS : 32;

    generate
        if (LANES < 8 || LANES != (1 << $clog2(LANES))) begin : gen_guard_lanes
            ERROR_lanes_LANES_must_be_a_power_of_two_of_at_least_8 u_stop ();
        end
    endgenerate

    localparam GROUPS = LANES / 8;

    // ---- modes: mN_* is the mode in cycle N of its beat, in every group of lanes
    reg [5:0]  valid;   // any beat, from cycle -1 on: valid[N + 1]
    reg [28:0] done;    // last beats
    always @(posedge clk) begin
        valid <= {valid[4:0], in_valid};
        done  <= {done[27:0], in_valid & last};
        if (rst) begin
            valid <= 6'd0;
            done  <= 29'd0;
        end
    end
    assign acc_valid = done[7];
    assign y_valid = done[28];

    // Shift amounts to selections: sh1 = 3 + 4 coarse + 2 fine, sh2 14 or 10, sh3 = 10 + 3 k.
    wire       chords_only = chords & ~rp;
    wire [3:0] sh1_step = sh1[4:1] - 4'd1;
    wire       unused_sh1 = &{1'b0, sh1_step[3], sh1[5], sh1[0]};
    wire       sh2_14 = chords_only | (sh2 != 5'd10);
    wire [1:0] sh3_used = !aff ? 2'd1 : sh3 == 5'd10 ? 2'd0 : sh3 == 5'd13 ? 2'd1
        : sh3 == 5'd16 ? 2'd2 : 2'd3;
    wire [1:0] x_sel = in_kind == 3'd1 ? 2'd1
        : in_kind == 3'd2 ? 2'd2
        : in_kind == 3'd3 ? 2'd3 : 2'd0;
    wire [1:0] w_sel = mul_kind == 3'd0 ? 2'd0
        : mul_kind == 3'd1 ? 2'd1
        : mul_kind == 3'd3 ? 2'd3 : 2'd2;

    // dN: what the registers of cycle N + 1 take
    wire [4:0] m_1_kind;
    wire       m_1_norm;
    wire [1:0] d0_first;
    wire       d4_load;
    wire [1:0] d5_coarse;
    wire       d5_fine, m6_fine;
    wire [1:0] d9_rp;
    wire       d10_sh2;
    wire       d13_sh2;
    wire       d15_aff_off;
    wire [1:0] d19_sh3;
    wire       d23_bit_y3;
    wire [1:0] m26_pool;
    delay_line #(.WIDTH(6), .DEPTH(1), .RESET(0)) u_kind (
        .clk(clk), .rst(1'b0), .d({x_sel, in_kind != 3'd1, w_sel, mul_kind == 3'd4}),
        .q({m_1_kind, m_1_norm})
    );
    delay_line #(.WIDTH(2), .DEPTH(2), .RESET(0)) u_first (
        .clk(clk), .rst(1'b0), .d({first, is_max}), .q(d0_first)
    );
    delay_line #(.WIDTH(1), .DEPTH(6), .RESET(0)) u_load (
        .clk(clk), .rst(1'b0), .d(first | is_max), .q(d4_load)
    );
    delay_line #(.WIDTH(3), .DEPTH(7), .RESET(0)) u_sh1 (
        .clk(clk), .rst(1'b0), .d(sh1_step[2:0]), .q({d5_coarse, d5_fine})
    );
    delay_line #(.WIDTH(1), .DEPTH(1), .RESET(0)) u_fine (
        .clk(clk), .rst(1'b0), .d(d5_fine), .q(m6_fine)
    );
    delay_line #(.WIDTH(2), .DEPTH(11), .RESET(0)) u_rp (
        .clk(clk), .rst(1'b0), .d({rp, ~chords_only}), .q(d9_rp)
    );
    delay_line #(.WIDTH(1), .DEPTH(12), .RESET(0)) u_sh2_10 (
        .clk(clk), .rst(1'b0), .d(sh2_14), .q(d10_sh2)
    );
    delay_line #(.WIDTH(1), .DEPTH(3), .RESET(0)) u_sh2_13 (
        .clk(clk), .rst(1'b0), .d(d10_sh2), .q(d13_sh2)
    );
    delay_line #(.WIDTH(1), .DEPTH(17), .RESET(0)) u_aff (
        .clk(clk), .rst(1'b0), .d(~aff), .q(d15_aff_off)
    );
    delay_line #(.WIDTH(2), .DEPTH(21), .RESET(0)) u_sh3 (
        .clk(clk), .rst(1'b0), .d(sh3_used), .q(d19_sh3)
    );
    delay_line #(.WIDTH(1), .DEPTH(25), .RESET(0)) u_bit_y3 (
        .clk(clk), .rst(1'b0), .d(bit_y3), .q(d23_bit_y3)
    );
    delay_line #(.WIDTH(2), .DEPTH(28), .RESET(0)) u_pool (
        .clk(clk), .rst(1'b0), .d(pool), .q(m26_pool)
    );

    wire [5*GROUPS-1:0] m0_kind;      // {x_sel, om_off, w_sel}
    wire [3*GROUPS-1:0] m1_first;     // {valid, first, max}
    wire [2*GROUPS-1:0] m5_load;      // {valid, load}
    wire [2*GROUPS-1:0] m6_coarse;
    wire [1*GROUPS-1:0] m7_fine;
    wire [2*GROUPS-1:0] m10_rp;       // {rp, chords off}
    wire [1*GROUPS-1:0] m11_sh2, m14_sh2, m16_aff_off, m24_bit_y3;
    wire [2*GROUPS-1:0] m12_half;
    wire [2*GROUPS-1:0] m20_sh3;
    genvar g;
    generate
        for (g = 0; g < GROUPS; g = g + 1) begin : gen_group
            register_copy #(.WIDTH(5)) u_m0 (
                .clk(clk), .d(m_1_kind), .q(m0_kind[5*g +: 5])
            );
            register_copy #(.WIDTH(3)) u_m1 (
                .clk(clk), .d({valid[1], d0_first}), .q(m1_first[3*g +: 3])
            );
            register_copy #(.WIDTH(2)) u_m5 (
                .clk(clk), .d({valid[5], d4_load}), .q(m5_load[2*g +: 2])
            );
            register_copy #(.WIDTH(2)) u_m6 (
                .clk(clk), .d(d5_coarse), .q(m6_coarse[2*g +: 2])
            );
            register_copy #(.WIDTH(1)) u_m7 (.clk(clk), .d(m6_fine), .q(m7_fine[g]));
            register_copy #(.WIDTH(2)) u_m10 (.clk(clk), .d(d9_rp), .q(m10_rp[2*g +: 2]));
            register_copy #(.WIDTH(1)) u_m11 (.clk(clk), .d(d10_sh2), .q(m11_sh2[g]));
            register_copy #(.WIDTH(2)) u_m12 (
                .clk(clk), .d({m11_sh2[g], ~m11_sh2[g]}), .q(m12_half[2*g +: 2])
            );
            register_copy #(.WIDTH(1)) u_m14 (.clk(clk), .d(d13_sh2), .q(m14_sh2[g]));
            register_copy #(.WIDTH(1)) u_m16 (.clk(clk), .d(d15_aff_off), .q(m16_aff_off[g]));
            register_copy #(.WIDTH(2)) u_m20 (.clk(clk), .d(d19_sh3), .q(m20_sh3[2*g +: 2]));
            register_copy #(.WIDTH(1)) u_m24 (.clk(clk), .d(d23_bit_y3), .q(m24_bit_y3[g]));
        end
    endgenerate

    // slots of QM: b in cycle 6, slope in 10, m3 in 16, c3 in 18, t in 23
    wire [5:0] m6_q, m10_q, m16_q, m18_q, m23_q;
    delay_line #(.WIDTH(6), .DEPTH(8), .RESET(0)) u_q6 (
        .clk(clk), .rst(1'b0), .d(q_slot), .q(m6_q)
    );
    delay_line #(.WIDTH(6), .DEPTH(4), .RESET(0)) u_q10 (
        .clk(clk), .rst(1'b0), .d(m6_q), .q(m10_q)
    );
    delay_line #(.WIDTH(6), .DEPTH(6), .RESET(0)) u_q16 (
        .clk(clk), .rst(1'b0), .d(m10_q), .q(m16_q)
    );
    delay_line #(.WIDTH(6), .DEPTH(2), .RESET(0)) u_q18 (
        .clk(clk), .rst(1'b0), .d(m16_q), .q(m18_q)
    );
    delay_line #(.WIDTH(6), .DEPTH(5), .RESET(0)) u_q23 (
        .clk(clk), .rst(1'b0), .d(m18_q), .q(m23_q)
    );

    // ---- parameter memories
    // CM and OM: the slot in cycle -1, the words in registers
    reg  [7:0]            m_1_cm, m_1_om;
    wire [LANES*16-1:0]   cm_word, om_word;
    wire [3*LANES*16-1:0] extra_word;  // banks 1, 2, 3
    reg  [LANES*16-1:0]   c0_cm, c0_om;
    reg  [3*LANES*16-1:0] c0_extra;
    always @(posedge clk) begin
        m_1_cm   <= cm_slot;
        m_1_om   <= om_slot;
        c0_cm    <= cm_word;
        c0_om    <= om_word;
        c0_extra <= extra_word;
    end
    param_ram #(.WIDTH(LANES*16), .SLOTS(CM_SLOTS), .ADDR_W(8)) u_cm (
        .clk(clk), .we(p_we & (p_sel == 2'd0) & (p_field[1:0] == 2'd0)), .waddr(p_slot),
        .wdata(p_word), .raddr(m_1_cm), .rdata(cm_word)
    );
    genvar k;
    generate
        for (k = 0; k < 3; k = k + 1) begin : gen_bank
            localparam [1:0] BANK = k + 1;
            wire [7:0] slot;
            register_copy #(.WIDTH(8)) u_slot (.clk(clk), .d(cm_slot), .q(slot));
            param_ram #(.WIDTH(LANES*16), .SLOTS(BANK_ROWS), .ADDR_W(8)) u_cm_bank (
                .clk(clk), .we(p_we & (p_sel == 2'd0) & (p_field[1:0] == BANK)), .waddr(p_slot),
                .wdata(p_word), .raddr(slot), .rdata(extra_word[k*LANES*16 +: LANES*16])
            );
        end
    endgenerate
    param_ram #(.WIDTH(LANES*16), .SLOTS(OM_SLOTS), .ADDR_W(8)) u_om (
        .clk(clk), .we(p_we & (p_sel == 2'd1)), .waddr(p_slot), .wdata(p_word),
        .raddr(m_1_om), .rdata(om_word)
    );

    // fields b, slope, m3, t with the cycle's slot
    wire [7:0] q_we = {7'd0, p_we & (p_sel == 2'd2)} << p_field;
    wire unused_fields = |q_we[7:6];
    wire [4*8-1:0] q_addr = {2'd0, m23_q, 2'd0, m16_q, 2'd0, m10_q, 2'd0, m6_q};
    wire [3:0] word_we = {q_we[5], q_we[2:0]};
    wire [4*LANES*16-1:0] q_data;
    genvar f;
    generate
        for (f = 0; f < 4; f = f + 1) begin : gen_field
            param_ram #(.WIDTH(LANES*16), .SLOTS(QM_SLOTS), .ADDR_W(8)) u_qm (
                .clk(clk), .we(word_we[f]), .waddr(p_slot), .wdata(p_word),
                .raddr(q_addr[8*f +: 8]), .rdata(q_data[f*LANES*16 +: LANES*16])
            );
        end
    endgenerate

    reg [LANES*16-1:0] c11_slope;
    always @(posedge clk) c11_slope <= q_data[LANES*16 +: LANES*16];

    // c3: 16 bits and the 10 above them
    wire [LANES*10-1:0] p_high;
    wire [LANES*16-1:0] c3_low;
    wire [LANES*10-1:0] c3_high;
    param_ram #(.WIDTH(LANES*16), .SLOTS(QM_SLOTS), .ADDR_W(8)) u_c3_low (
        .clk(clk), .we(q_we[3]), .waddr(p_slot), .wdata(p_word),
        .raddr({2'd0, m18_q}), .rdata(c3_low)
    );
    param_ram #(.WIDTH(LANES*10), .SLOTS(QM_SLOTS), .ADDR_W(8)) u_c3_high (
        .clk(clk), .we(q_we[4]), .waddr(p_slot), .wdata(p_high),
        .raddr({2'd0, m18_q}), .rdata(c3_high)
    );

    // ---- what is the same for all lanes
    reg         norm_0;
    wire [16:0] w_common = norm_0 ? {norm_r, 1'b0} : 17'd1;

    // norm apply: (2 x - mean2) norm_r = x 2 norm_r + base, base = -mean2 norm_r
    reg               norm_1;
    reg               norm_2;
    reg               norm_3;
    reg               norm_4;
    reg signed [17:0] mean2_1;
    reg signed [15:0] minus_r_1;
    reg signed [33:0] base_2;
    reg signed [33:0] base_3;
    reg signed [33:0] base_4;
    reg signed [33:0] base_5;
    always @(posedge clk) begin
        norm_0    <= m_1_norm;
        norm_1    <= norm_0;
        norm_2    <= norm_1;
        norm_3    <= norm_2;
        norm_4    <= norm_3;
        mean2_1   <= $signed(mean2);
        minus_r_1 <= 16'sd0 - $signed(norm_r);
        base_2    <= mean2_1 * minus_r_1;
        base_3    <= base_2;
        base_4    <= base_3;
        base_5    <= base_4;
        if (!norm_4) base_5 <= 34'sd0;
    end

    // ---- lanes
    wire [LANES*A-1:0] c24_y;
    wire [LANES-1:0]   c25_bits;
    wire [18*LANES-1:0] c15_y3, c24_y3;
    wire [LANES*6-1:0]  c11_chord;
    wire [LANES*16-1:0] c11_chord_slope;
    wire [LANES*16-1:0] c11_chord_intercept;
    genvar l;
    genvar t;
    generate
        for (t = 0; t < LANES/4; t = t + 1) begin : gen_table
            wire        we;
            wire [37:0] written;
            register_copy #(.WIDTH(39)) u_written (
                .clk(clk), .d({table_we, table_index, table_entry}), .q({we, written})
            );
            chord_table u_chords (
                .clk(clk), .we(we), .index(written[37:32]), .entry(written[31:0]),
                .chord(c11_chord[24*t +: 24]), .slope(c11_chord_slope[64*t +: 64]),
                .intercept(c11_chord_intercept[64*t +: 64])
            );
        end
        for (l = 0; l < LANES; l = l + 1) begin : gen_lane
            localparam G = l / 8;
            wire [5:0] unused_high = p_word[l*16+10 +: 6];
            assign p_high[l*10 +: 10] = p_word[l*16 +: 10];
            lane #(.ACT_BITS(A)) u_lane (
                .clk(clk),
                .c0_x_sel(m0_kind[5*G+3 +: 2]), .c0_om_off(m0_kind[5*G+2]),
                .c0_w_sel(m0_kind[5*G +: 2]),
                .c0_w_common(w_common), .c0_scalar(in_scalar),
                .c0_feat(in_feat[l*A +: A]), .c0_pop(in_pop[l*16 +: 16]),
                .c0_att(in_acc[l*16 +: 16]), .c0_weight(in_weight[l*16 +: 16]),
                .c0_cm(c0_cm[l*16 +: 16]), .c0_om(c0_om[l*16 +: 16]),
                .c0_extra(in_extra), .c0_stencil(in_stencil),
                .c0_words({in_words[(2*LANES+l)*A +: A], in_words[(LANES+l)*A +: A],
                    in_words[l*A +: A]}),
                .c0_extra_cm({c0_extra[2*LANES*16+l*16 +: 16], c0_extra[LANES*16+l*16 +: 16],
                    c0_extra[l*16 +: 16]}),
                .c1_valid(m1_first[3*G+2]), .c1_first(m1_first[3*G+1]), .c1_max(m1_first[3*G]),
                .c5_valid(m5_load[2*G+1]), .c5_load(m5_load[2*G]), .c5_base(base_5),
                .c6_acc(acc_word[l*40 +: 40]),
                .c6_sh1(m6_coarse[2*G +: 2]), .c6_b(q_data[(0*LANES+l)*16 +: 16]),
                .c7_sh1(m7_fine[G]),
                .c8_pre(pre_word[l*A +: A]), .c10_rp(m10_rp[2*G+1]),
                .c10_chords_off(m10_rp[2*G]),
                .c11_slope(c11_slope[l*16 +: 16]),
                .flat(table_flat), .c11_chord(c11_chord[6*l +: 6]),
                .c11_chord_slope(c11_chord_slope[16*l +: 16]),
                .c11_chord_intercept(c11_chord_intercept[16*l +: 16]),
                .c11_sh2(m11_sh2[G]), .c12_half(m12_half[2*G +: 2]), .c14_sh2(m14_sh2[G]),
                .c16_mid(mid_word[l*A +: A]), .c16_aff_off(m16_aff_off[G]),
                .c16_m3(q_data[(2*LANES+l)*16 +: 16]),
                .c18_c3({c3_high[l*10 +: 10], c3_low[l*16 +: 16]}), .c20_sh3(m20_sh3[2*G +: 2]),
                .c21_out(out_word[l*A +: A]), .c24_y(c24_y[l*A +: A]),
                .c15_y3(c15_y3[18*l +: 18]), .c24_y3(c24_y3[18*l +: 18]),
                .c23_t(q_data[(3*LANES+l)*16 +: 16]), .c24_bit_y3(m24_bit_y3[G]),
                .c25_bit(c25_bits[l])
            );
        end
    endgenerate

    // y3 waits for the threshold in LUT RAM, two thirds of a shift register
    delay_ram #(.WIDTH(18*LANES), .PART(144), .DEPTH(9)) u_y3 (
        .clk(clk), .rst(rst), .d(c15_y3), .q(c24_y3)
    );

    // ---- 24, 25, 26: pooling. The + 1 of the pairs is the rounding of every later average, and
    // an average with the bits below it is the sum that the next stage needs.
    wire [LANES/2*A-1:0] avg1;
    wire [LANES/4*A-1:0] avg2;
    wire [LANES/8*A-1:0] avg3;
    wire [LANES/2-1:0]   low1;
    wire [LANES/4*2-1:0] low2;
    reg  [LANES*A-1:0]   y_25, y_26, y_27;
    reg  [LANES/2*A-1:0] avg1_25, avg1_26;
    reg  [LANES/4*A-1:0] avg2_26;
    reg  [LANES/2-1:0]   low1_25;
    reg  [LANES/4*2-1:0] low2_26;
    reg  [LANES-1:0]     bits_26, bits_27;
    genvar p;
    generate
        for (p = 0; p < LANES/2; p = p + 1) begin : gen_pair
            assign {avg1[p*A +: A], low1[p]} =
                $signed(c24_y[2*p*A +: A]) + $signed(c24_y[(2*p+1)*A +: A])
                + $signed({{A{1'b0}}, 1'b1});
        end
        for (p = 0; p < LANES/4; p = p + 1) begin : gen_quad
            wire signed [A:0] s0 = {avg1_25[2*p*A +: A], low1_25[2*p]};
            wire signed [A:0] s1 = {avg1_25[(2*p+1)*A +: A], low1_25[2*p+1]};
            assign {avg2[p*A +: A], low2[2*p +: 2]} = $signed({s0[A], s0}) + s1;
        end
        for (p = 0; p < LANES/8; p = p + 1) begin : gen_oct
            wire signed [A+1:0] s0 = {avg2_26[2*p*A +: A], low2_26[4*p +: 2]};
            wire signed [A+1:0] s1 = {avg2_26[(2*p+1)*A +: A], low2_26[4*p+2 +: 2]};
            wire [2:0] unused_low;
            assign {avg3[p*A +: A], unused_low} = $signed({s0[A+1], s0}) + s1;
        end
    endgenerate

    always @(posedge clk) begin
        y_25    <= c24_y;
        avg1_25 <= avg1;
        low1_25 <= low1;
        y_26    <= y_25;
        avg1_26 <= avg1_25;
        avg2_26 <= avg2;
        low2_26 <= low2;
        y_27    <= m26_pool == 2'd0 ? y_26
            : m26_pool == 2'd1 ? {2{avg1_26}}
            : m26_pool == 2'd2 ? {4{avg2_26}} : {8{avg3}};
        bits_26 <= c25_bits;
        bits_27 <= bits_26;
    end
    assign y_word = y_27;
    assign y_bits = bits_27;
endmodule
`default_nettype wire
