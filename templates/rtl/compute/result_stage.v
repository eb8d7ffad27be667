// result_stage: stage 0 of the lanes - beats of all sources meet the instruction they belong to.
//
//   kind, multiplier, slots and modes of a beat (l_*) come from result_nest in the cycle of s_valid
//   (MAC ops), xf_valid or at_valid; XNOR and ATT beats are first and last at once. What the
//   result needs later goes through result_delay.
//
// Names: p_* an issued instruction (to result_nest); s_* a beat of mac_front, xf_*, at_* of
// xnor_front and attention; r_* what belongs to its result; l_* to and from the lanes, nu_*
// norm_unit; pre_ .. bit_ see result_delay.
//
// in_kind 0 feature, 1 xnor, 2 attention, 3 scalar, 4 norm apply; mul_kind 0 cm, 1 weight, 2 one,
// 3 self, 4 norm R. Latency 0 to stage 0. Reset: control only. Cost: the two parts, 60 LUTs.
`default_nettype none
module result_stage #(
    parameter PRE_AT = 8,
    parameter MID_AT = 16,
    parameter OUT_AT = 22,
    parameter Y_AT = 26,
    parameter ACC_AT = 6
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
    input  wire [7:0]  p_cm_base,
    input  wire [7:0]  p_cm_mask,
    input  wire [7:0]  p_cm_x,
    input  wire [7:0]  p_cm_x_wrap,
    input  wire [7:0]  p_cm_1,
    input  wire [7:0]  p_cm_1_wrap,
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
    input  wire        none_ended,
    // beats
    input  wire        s_valid,
    input  wire        s_first,
    input  wire        s_last,
    input  wire        s_result,
    input  wire        s_stat,
    input  wire        s_phase,
    input  wire        s_quad,
    input  wire [7:0]  s_cm,
    input  wire        xf_valid,
    input  wire [3:0]  xf_pattern,
    input  wire        at_valid,
    input  wire [5:0]  nu_shift,
    // lanes
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
    output wire        pre_re,
    output wire        mid_re,
    output wire        out_re,
    output wire [14:0] pre_at,      // {mem, addr}
    output wire [14:0] mid_at,
    output wire [14:0] out_at,
    output wire        pre_sel,
    output wire        mid_sel,
    output wire        out_sel,
    output wire        pre_on,
    output wire        mid_on,
    output wire        out_on,
    input  wire        l_y_valid,
    output wire        dst_next,
    output wire        dst_next_mem,
    output wire        dst_we,
    output wire [14:0] dst_at,
    output wire [7:0]  dst_mask,
    output wire        bit_we,
    output wire [15:0] bit_at,
    input  wire        l_acc_valid,
    output wire        nu_valid,
    output wire        nu_phase,
    output wire        front_done,  // last result of an XNOR or ATT instruction
    output wire        retired
);
    wire        step = (s_valid && s_result) || xf_valid || at_valid;
    wire        retire, r_xnor, r_att, r_macs, r_apply;
    wire [7:0]  r_cm, r_om_base;
    wire [20:0] r_modes;
    wire        r_pre_en, r_mid_en, r_out_en, r_dst_en, r_bit_en;
    wire [14:0] r_pre, r_mid, r_out, r_dst;
    wire [7:0]  r_dst_mask;
    wire [15:0] r_bit;
    wire [5:0]  r_sh1;

    result_nest #(.QUEUE(8)) u_nest (
        .clk(clk), .rst(rst), .push(push), .full(full),
        .p_none(p_none), .p_xnor(p_xnor), .p_att(p_att),
        .p_macs(p_macs), .p_stat(p_stat), .p_apply(p_apply),
        .p_n2(p_n2), .p_n3(p_n3), .p_xd(p_xd),
        .p_cm_base(p_cm_base), .p_cm_mask(p_cm_mask), .p_cm_x(p_cm_x),
        .p_cm_x_wrap(p_cm_x_wrap), .p_cm_1(p_cm_1), .p_cm_1_wrap(p_cm_1_wrap),
        .p_om_base(p_om_base), .p_q_base(p_q_base), .p_q_mask(p_q_mask),
        .p_pre(p_pre), .p_mid(p_mid), .p_out(p_out), .p_dst(p_dst), .p_bit(p_bit),
        .p_modes(p_modes), .p_pool(p_pool),
        .none_ended(none_ended), .step(step),
        .retire(retire), .front_done(front_done),
        .r_xnor(r_xnor), .r_att(r_att), .r_macs(r_macs), .r_apply(r_apply),
        .r_cm(r_cm), .r_om_base(r_om_base), .r_q(l_q_slot), .r_modes(r_modes), .r_pool(l_pool),
        .r_pre_en(r_pre_en), .r_mid_en(r_mid_en), .r_out_en(r_out_en),
        .r_pre(r_pre), .r_mid(r_mid), .r_out(r_out),
        .r_dst_en(r_dst_en), .r_dst(r_dst), .r_dst_mask(r_dst_mask),
        .r_bit_en(r_bit_en), .r_bit(r_bit)
    );

    wire front = r_xnor || r_att;

    assign l_valid = s_valid || xf_valid || at_valid;
    assign l_in_kind = r_xnor ? 3'd1 : r_att ? 3'd2 : r_macs ? 3'd3 : r_apply ? 3'd4 : 3'd0;
    assign l_mul_kind = r_macs ? {2'd0, !s_quad} : r_apply ? 3'd4 : front || !s_stat ? 3'd0
        : s_phase ? 3'd3 : 3'd2;
    assign l_first = front || s_first;
    assign l_last = front || s_last;
    assign l_cm_slot = front ? r_cm : r_cm + s_cm;
    assign l_om_slot = r_om_base + {4'd0, xf_pattern};
    assign {l_chords, l_sh3, l_aff, l_sh2, l_rp, r_sh1, l_bit_y3, l_is_max} = r_modes;
    assign l_sh1 = r_apply ? nu_shift : r_sh1;

    wire dst_en_at, bit_en_at, acc_stat;

    result_delay #(
        .PRE_AT(PRE_AT), .MID_AT(MID_AT), .OUT_AT(OUT_AT), .Y_AT(Y_AT), .ACC_AT(ACC_AT)
    ) u_delay (
        .clk(clk), .rst(rst), .step(step), .retire(retire),
        .pre_en(r_pre_en), .mid_en(r_mid_en), .out_en(r_out_en),
        .dst_en(r_dst_en), .bit_en(r_bit_en),
        .pre(r_pre), .mid(r_mid), .out(r_out), .dst(r_dst), .dst_mask(r_dst_mask),
        .bit_addr(r_bit), .stat(s_valid && s_stat && s_last), .stat_phase(s_phase),
        .pre_re(pre_re), .mid_re(mid_re), .out_re(out_re),
        .pre_at(pre_at), .mid_at(mid_at), .out_at(out_at),
        .pre_sel(pre_sel), .mid_sel(mid_sel), .out_sel(out_sel),
        .pre_on(pre_on), .mid_on(mid_on), .out_on(out_on),
        .dst_next(dst_next), .dst_next_mem(dst_next_mem), .dst_we(dst_en_at), .bit_we(bit_en_at),
        .dst_at(dst_at), .dst_mask_at(dst_mask),
        .bit_at(bit_at), .retired(retired), .acc_stat(acc_stat), .acc_phase(nu_phase)
    );

    assign nu_valid = acc_stat && l_acc_valid;
    assign dst_we = dst_en_at && l_y_valid;
    assign bit_we = bit_en_at && l_y_valid;
endmodule
`default_nettype wire
