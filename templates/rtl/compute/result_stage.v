// result_stage: beats of all sources meet the instruction they belong to, ahead of the lanes.
//
// Cycles count to stage 0 of the lanes, where a beat's words are:
//
//   -4   a source announces a result: m_step_next, xf_next, at_next
//   -3   a beat, m_*, and xf_pattern; result_nest moves on with a result
//   -2   r_* of the beat; its mode, slots and kinds are at the lanes' control inputs (l_*)
//    0   its words are at the lanes' other inputs
//
// XNOR and ATT beats are first and last at once. What the result needs later goes through
// result_delay.
//
// Names: p_* an issued instruction (to result_nest); m_* a beat of mac_front; r_* what belongs to
// its result; l_* to and from the lanes, nu_* norm_unit; pre_ .. bit_ see result_delay.
//
// in_kind 0 feature, 1 xnor, 2 attention, 3 scalar, 4 norm apply; mul_kind 0 cm, 1 weight, 2 one,
// 3 self, 4 norm R. Latency: as above. Reset: control only. Cost: the two parts, 60 LUTs.
`default_nettype none
module result_stage #(
    parameter PRE_AT = 8,
    parameter MID_AT = 16,
    parameter OUT_AT = 22,
    parameter Y_AT = 26,
    parameter ACC_AT = 6,
    parameter READ = 3      // from a request to its word
) (
    input  wire        clk,
    input  wire        rst,
    // issued instructions (result_nest)
    input  wire        push,
    output wire        full,
    input  wire        p_none,
    input  wire        p_xnor,
    input  wire        p_att,
    input  wire        p_macs,
    input  wire        p_stat,
    input  wire        p_apply,
    input  wire [11:0] p_n2,
    input  wire [11:0] p_n3,
    input  wire [2:0]  p_xd,
    input  wire [2:0]  p_last_phase,
    input  wire        p_one_x,
    input  wire        p_one_phase,
    input  wire        p_one_row,
    input  wire [7:0]  p_cm_base,
    input  wire [7:0]  p_cm_mask,
    input  wire [7:0]  p_cm_x,
    input  wire [7:0]  p_cm_1,
    input  wire [7:0]  p_cm_wrap,
    input  wire [7:0]  p_om_base,
    input  wire [5:0]  p_q_base,
    input  wire [5:0]  p_q_mask,
    input  wire [57:0] p_pre,
    input  wire [57:0] p_mid,
    input  wire [57:0] p_out,
    input  wire [57:0] p_dst,
    input  wire [64:0] p_bit,
    input  wire [20:0] p_modes,
    input  wire [4:0]  p_pool,
    // beats, in cycle -3
    input  wire        m_valid,
    input  wire        m_first,
    input  wire        m_last,
    input  wire        m_step_next, // next cycle: m_valid, and the beat is a result's last
    input  wire        m_stat,
    input  wire        m_phase,
    input  wire        m_quad,
    input  wire [7:0]  m_cm,
    input  wire        xf_next,     // next cycle: a beat of xnor_front
    input  wire [3:0]  xf_pattern,
    input  wire        at_next,
    input  wire [5:0]  nu_shift,
    // lanes, in cycle -2
    output wire        l_valid,
    output wire [2:0]  l_in_kind,
    output wire [2:0]  l_mul_kind,
    output wire [7:0]  l_cm_slot,
    output wire [7:0]  l_om_slot,
    output wire [5:0]  l_q_slot,
    output wire        l_first,
    output wire        l_last,
    output wire        l_is_max,
    output wire [5:0]  l_sh1,
    output wire        l_rp,
    output wire [4:0]  l_sh2,
    output wire        l_chords,
    output wire        l_aff,
    output wire [4:0]  l_sh3,
    output wire [1:0]  l_pool,
    output wire        l_bit_y3,
    // residual words, destinations, statistics
    output wire [1:0]  pre_re,      // {TM, FM}
    output wire [1:0]  mid_re,
    output wire [1:0]  out_re,
    output wire [13:0] pre_at,
    output wire [13:0] mid_at,
    output wire [13:0] out_at,
    output wire        pre_sel,
    output wire        mid_sel,
    output wire        out_sel,
    output wire        pre_on,
    output wire        mid_on,
    output wire        out_on,
    output wire        dst_next,    // dst_we of the next cycle, and its memory
    output wire        dst_next_mem,
    output wire        dst_we,
    output wire [14:0] dst_at,
    output wire [7:0]  dst_mask,
    output wire        bit_we,
    output wire [15:0] bit_at,
    output wire        nu_valid,
    output wire        nu_phase,
    output wire        front_done,  // last result of an XNOR or ATT instruction
    output wire [2:0]  retired      // how many
);
    reg         step, front_beat;   // cycle -3

    always @(posedge clk) begin
        step <= m_step_next || xf_next || at_next;
        front_beat <= xf_next || at_next;
        if (rst) begin
            step <= 1'b0;
            front_beat <= 1'b0;
        end
    end

    wire [2:0]  retire;
    wire        r_xnor, r_att, r_macs, r_apply;
    wire [7:0]  r_cm, r_om_base;
    wire [20:0] r_modes;
    wire        r_pre_en, r_mid_en, r_out_en, r_dst_en, r_bit_en;
    wire [14:0] r_pre, r_mid, r_out, r_dst;
    wire [7:0]  r_dst_mask;
    wire [15:0] r_bit;
    wire [5:0]  r_sh1;

    result_nest u_nest (
        .clk(clk), .rst(rst), .push(push), .full(full),
        .p_none(p_none), .p_xnor(p_xnor), .p_att(p_att),
        .p_macs(p_macs), .p_stat(p_stat), .p_apply(p_apply),
        .p_n2(p_n2), .p_n3(p_n3), .p_xd(p_xd), .p_last_phase(p_last_phase),
        .p_one_x(p_one_x), .p_one_phase(p_one_phase), .p_one_row(p_one_row),
        .p_cm_base(p_cm_base), .p_cm_mask(p_cm_mask), .p_cm_x(p_cm_x), .p_cm_1(p_cm_1),
        .p_cm_wrap(p_cm_wrap),
        .p_om_base(p_om_base), .p_q_base(p_q_base), .p_q_mask(p_q_mask),
        .p_pre(p_pre), .p_mid(p_mid), .p_out(p_out), .p_dst(p_dst), .p_bit(p_bit),
        .p_modes(p_modes), .p_pool(p_pool), .step(step),
        .retire(retire), .front_done(front_done),
        .r_xnor(r_xnor), .r_att(r_att), .r_macs(r_macs), .r_apply(r_apply),
        .r_cm(r_cm), .r_om_base(r_om_base), .r_q(l_q_slot), .r_modes(r_modes), .r_pool(l_pool),
        .r_pre_en(r_pre_en), .r_mid_en(r_mid_en), .r_out_en(r_out_en),
        .r_pre(r_pre), .r_mid(r_mid), .r_out(r_out),
        .r_dst_en(r_dst_en), .r_dst(r_dst), .r_dst_mask(r_dst_mask),
        .r_bit_en(r_bit_en), .r_bit(r_bit)
    );

    // ---- the beat of cycle -2
    reg        valid_q, result_q, first_q, last_q, stat_q, phase_q, quad_q;
    reg  [2:0] retire_q;
    wire [7:0] cm_q;
    wire [3:0] pattern_q;

    register_copy #(.WIDTH(12)) u_slot (.clk(clk), .d({m_cm, xf_pattern}), .q({cm_q, pattern_q}));

    always @(posedge clk) begin
        valid_q <= m_valid || front_beat;
        result_q <= step;
        retire_q <= retire;
        first_q <= m_first;
        last_q <= m_last;
        stat_q <= m_valid && m_stat;
        phase_q <= m_phase;
        quad_q <= m_quad;
        if (rst) begin
            valid_q <= 1'b0;
            result_q <= 1'b0;
            retire_q <= 3'd0;
        end
    end

    wire front = r_xnor || r_att;

    assign l_valid = valid_q;
    assign l_in_kind = r_xnor ? 3'd1 : r_att ? 3'd2 : r_macs ? 3'd3 : r_apply ? 3'd4 : 3'd0;
    assign l_mul_kind = r_macs ? {2'd0, !quad_q} : r_apply ? 3'd4 : front || !stat_q ? 3'd0
        : phase_q ? 3'd3 : 3'd2;
    assign l_first = front || first_q;
    assign l_last = front || last_q;
    assign l_cm_slot = front ? r_cm : r_cm + cm_q;
    assign l_om_slot = r_om_base + {4'd0, pattern_q};
    assign {l_chords, l_sh3, l_aff, l_sh2, l_rp, r_sh1, l_bit_y3, l_is_max} = r_modes;
    assign l_sh1 = r_apply ? nu_shift : r_sh1;

    result_delay #(
        .PRE_AT(PRE_AT), .MID_AT(MID_AT), .OUT_AT(OUT_AT), .Y_AT(Y_AT), .ACC_AT(ACC_AT),
        .AHEAD(2), .READ(READ)
    ) u_delay (
        .clk(clk), .rst(rst), .step(result_q), .retire(retire_q),
        .pre_en(r_pre_en), .mid_en(r_mid_en), .out_en(r_out_en),
        .dst_en(r_dst_en), .bit_en(r_bit_en),
        .pre(r_pre), .mid(r_mid), .out(r_out), .dst(r_dst), .dst_mask(r_dst_mask),
        .bit_addr(r_bit), .stat(stat_q && last_q), .stat_phase(phase_q),
        .pre_re(pre_re), .mid_re(mid_re), .out_re(out_re),
        .pre_at(pre_at), .mid_at(mid_at), .out_at(out_at),
        .pre_sel(pre_sel), .mid_sel(mid_sel), .out_sel(out_sel),
        .pre_on(pre_on), .mid_on(mid_on), .out_on(out_on),
        .dst_next(dst_next), .dst_next_mem(dst_next_mem), .dst_we(dst_we), .bit_we(bit_we),
        .dst_at(dst_at), .dst_mask_at(dst_mask),
        .bit_at(bit_at), .retired(retired), .acc_stat(nu_valid), .acc_phase(nu_phase)
    );
endmodule
`default_nettype wire
