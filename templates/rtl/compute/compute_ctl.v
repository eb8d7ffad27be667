// compute_ctl: executes the compute queue - decode, waits, nests, stream addresses, FM and TM.
//
//   compute_decode -> compute_issue -> mac_nest -> mac_source --+-> stage 0 of the lanes
//                                   -> xnor_front, attention ---+   (l_*)
//                                   -> result_nest -> result_delay -> residual reads, writes
//
// Wire straight to `lanes` (they are aligned with l_valid): in_pop = r_pop of xnor_front, in_acc =
// r_acc of attention, in_weight = the word of the WB port, mean2 and norm_r of norm_unit; acc_word
// goes straight to norm_unit. XNOR and ATT results are at stage 0 in the cycle of their r_valid.
//
// A MAC instruction that starts in cycle t has beat k (0 ..) at stage 0 in t + 6 + k. An
// instruction whose last result is at stage 0 in cycle z writes it in z + Y_AT; retired_cmp counts
// it from z + Y_AT + 1. Instruction order, waits and cycles: compute_issue.v and
// hwgen/units/compute_ctl.py. The first r_valid of an instruction must come at least 6 cycles
// after its start.
//
// Read ports of FM and TM: source, pre, mid and out words have no arbitration (the compiler keeps
// them apart); two on one port set port_conflict until rst. STORE (fr_*) waits for them, DMA
// writes (f_*) wait for lane writes of the same memory.
// Reset: control only. Cost: see hwgen/units/compute_ctl.py.
`default_nettype none
// verilator lint_off PINCONNECTEMPTY
// (a decoder has all fields of its group; a unit leaves open those that it does not need)
module compute_ctl #(
    parameter LANES    = 16,    // a power of two, 16 .. 64
    parameter ACT_BITS = 16,    // 8 .. 16
    parameter FM_WORDS = 1024,  // 2 .. 16384
    parameter TM_WORDS = 1024,
    parameter NT_WORDS = 64,
    parameter PRE_AT   = 8,     // of lanes
    parameter MID_AT   = 16,
    parameter OUT_AT   = 22,
    parameter Y_AT     = 26,
    parameter ACC_AT   = 6,
    parameter NT_AW    = $clog2(NT_WORDS)
) (
    input  wire                      clk,
    input  wire                      rst,
    // queue
    input  wire                      i_valid,
    input  wire [511:0]              i_word,
    output wire                      i_ready,
    input  wire [15:0]               retired_dma,
    input  wire [15:0]               retired_ldw,
    output wire [15:0]               retired_cmp,
    output wire                      busy,         // an instruction is held or in flight
    output wire                      held,         // an instruction waits to start
    output wire [51:0]               head,         // .. and its {wait_cmp, wait_ldw, wait_dma, op}
    input  wire                      shadow_full,
    output wire                      swap,
    // xnor_front
    output wire                      xf_start,
    input  wire                      xf_ready,
    output wire                      xf_conv,
    output wire [15:0]               xf_a_base,
    output wire [15:0]               xf_a_s2,
    output wire [15:0]               xf_a_s3,
    output wire [4:0]                xf_a_elems,
    output wire [5:0]                xf_g_base,
    output wire [5:0]                xf_g_step,
    output wire [1:0]                xf_g_qsh,
    output wire [3:0]                xf_g_len,
    output wire [7:0]                xf_y0,
    output wire [7:0]                xf_height,
    output wire [7:0]                xf_width,
    output wire [11:0]               xf_n2,
    output wire [11:0]               xf_n3,
    output wire [2:0]                xf_xd,
    output wire                      xf_psum_first,
    output wire                      xf_psum_last,
    input  wire                      xf_valid,
    input  wire [3:0]                xf_pattern,
    output wire                      bm_we,
    output wire [15:0]               bm_addr,
    output wire [LANES-1:0]          bm_data,
    // attention
    output wire                      at_start,
    input  wire                      at_ready,     // a further ATT may start (ready_next)
    output wire [15:0]               at_q_bits,
    output wire [15:0]               at_k_bits,
    output wire [15:0]               at_v_bits,
    output wire [11:0]               at_t_stride,
    output wire [8:0]                at_tokens,
    output wire [11:0]               at_queries,
    output wire [23:0]               at_kappa1,
    output wire [23:0]               at_kappa2,
    output wire [23:0]               at_kappa3,
    output wire                      at_neg,
    input  wire                      at_valid,
    // lanes
    output wire                      l_valid,
    output wire [2:0]                l_in_kind,
    output wire [2:0]                l_mul_kind,
    output wire [LANES*ACT_BITS-1:0] l_feat,
    output wire [15:0]               l_scalar,
    output wire [47:0]               l_extra,
    output wire                      l_stencil,     // l_words belong to the beat
    output wire [3*LANES*ACT_BITS-1:0] l_words,
    output wire                      table_we,
    output wire [5:0]                table_index,
    output wire [31:0]               table_entry,
    output wire                      table_flat,
    output wire [7:0]                l_cm_slot,
    output wire [7:0]                l_om_slot,
    output wire [5:0]                l_q_slot,
    output wire                      l_first,
    output wire                      l_last,
    output wire                      l_is_max,
    output wire [5:0]                l_sh1,
    output wire                      l_rp,
    output wire [4:0]                l_sh2,
    output wire                      l_chords,
    output wire                      l_aff,
    output wire [4:0]                l_sh3,
    output wire [1:0]                l_pool,
    output wire                      l_bit_y3,
    output wire [LANES*ACT_BITS-1:0] l_pre_word,
    output wire [LANES*ACT_BITS-1:0] l_mid_word,
    output wire [LANES*ACT_BITS-1:0] l_out_word,
    input  wire                      l_acc_valid,
    input  wire                      l_y_valid,
    input  wire [LANES*ACT_BITS-1:0] l_y_word,
    input  wire [LANES-1:0]          l_y_bits,
    // norm_unit
    output wire                      nu_valid,     // acc_word is a statistic
    output wire                      nu_phase,
    output wire [3:0]                nu_log2c,
    output wire [51:0]               nu_eps,
    output wire                      nu_reset,
    input  wire                      nu_busy,
    output wire [NT_AW-1:0]          nu_index,
    input  wire [5:0]                nu_shift,
    // DMA
    input  wire                      f_we,
    input  wire                      f_mem,
    input  wire [13:0]               f_addr,
    input  wire [16*LANES-1:0]       f_word,
    output wire                      f_ready,
    input  wire                      fr_re,
    input  wire                      fr_mem,
    input  wire [13:0]               fr_addr,
    output wire                      fr_ready,
    output wire [16*LANES-1:0]       fr_word,
    // weight buffer
    output wire                      wbr_re,
    output wire [15:0]               wbr_addr,
    // status, traces
    output wire                      port_conflict,
    output wire                      t_dst_valid,
    output wire                      t_dst_mem,
    output wire [13:0]               t_dst_addr,
    output wire [7:0]                t_dst_mask,
    output wire [LANES*ACT_BITS-1:0] t_dst_word,
    output wire                      t_bit_valid,
    output wire [15:0]               t_bit_addr,
    output wire [LANES-1:0]          t_bit_word,
    output wire                      t_start,
    output wire                      t_issue_end
);
    localparam A = ACT_BITS;
    localparam W = LANES * ACT_BITS;
    localparam SOURCE = 5;               // cycles from a beat of mac_nest to stage 0

    generate
        if (LANES < 16 || LANES > 64 || LANES != (1 << $clog2(LANES))) begin : gen_guard_lanes
            ERROR_compute_ctl_LANES_must_be_16_32_or_64 u_stop ();
        end
        if (FM_WORDS < 2 || FM_WORDS > 16384
            || TM_WORDS < 2 || TM_WORDS > 16384) begin : gen_guard_words
            ERROR_compute_ctl_FM_WORDS_and_TM_WORDS_must_be_2_to_16384 u_stop ();
        end
        if (ACT_BITS < 8 || ACT_BITS > 16) begin : gen_guard_act
            ERROR_compute_ctl_ACT_BITS_must_be_8_to_16 u_stop ();
        end
    endgenerate

    // ---- decode
    wire         holds, b_valid, b_wait_ok, take;
    wire         b_set, b_xnor, b_conv, b_att, b_mac, b_macs, b_stat, b_apply;
    wire         b_set_taps, b_set_att, b_set_norm, b_set_table;
    wire [511:0] b_word;
    wire         b_drain, b_swap;
    wire [11:0]  b_n0, b_n2, b_n3, b_mac_n2, b_mac_n3;
    wire [7:0]   b_n1;
    wire [2:0]   b_xd;
    wire [7:0]   b_cm_base, b_cm_s0, b_cm_s1, b_cm_mask;
    wire [7:0]   b_cm_x, b_cm_x_wrap, b_cm_1, b_cm_1_wrap, b_om_base;
    wire [15:0]  b_wb;
    wire [5:0]   b_q_base, b_q_mask;
    wire [57:0]  b_pre, b_mid, b_out, b_dst;
    wire [64:0]  b_bit;
    wire [20:0]  b_modes;
    wire [4:0]   b_pool;
    wire         b_psum_first, b_psum_last;
    wire [19:0]  b_src_s1, b_src_s2, b_src_x2;
    wire [13:0]  taps_sx;

    compute_decode u_decode (
        .clk(clk), .rst(rst),
        .i_valid(i_valid), .i_word(i_word), .i_ready(i_ready),
        .retired_dma(retired_dma), .retired_ldw(retired_ldw), .taps_sx(taps_sx),
        .holds(holds), .b_valid(b_valid), .b_wait_ok(b_wait_ok), .take(take), .head(head),
        .b_set(b_set), .b_xnor(b_xnor), .b_conv(b_conv), .b_att(b_att), .b_mac(b_mac),
        .b_macs(b_macs), .b_stat(b_stat), .b_apply(b_apply),
        .b_set_taps(b_set_taps), .b_set_att(b_set_att), .b_set_norm(b_set_norm),
        .b_set_table(b_set_table),
        .b_word(b_word), .b_drain(b_drain), .b_swap(b_swap),
        .b_n0(b_n0), .b_n1(b_n1), .b_n2(b_n2), .b_n3(b_n3), .b_mac_n2(b_mac_n2),
        .b_mac_n3(b_mac_n3), .b_xd(b_xd),
        .b_cm_base(b_cm_base), .b_cm_s0(b_cm_s0), .b_cm_s1(b_cm_s1), .b_wb(b_wb),
        .b_cm_mask(b_cm_mask), .b_cm_x(b_cm_x), .b_cm_x_wrap(b_cm_x_wrap),
        .b_cm_1(b_cm_1), .b_cm_1_wrap(b_cm_1_wrap), .b_om_base(b_om_base),
        .b_q_base(b_q_base), .b_q_mask(b_q_mask),
        .b_pre(b_pre), .b_mid(b_mid), .b_out(b_out), .b_dst(b_dst), .b_bit(b_bit),
        .b_modes(b_modes), .b_pool(b_pool),
        .b_psum_first(b_psum_first), .b_psum_last(b_psum_last),
        .b_src_s1(b_src_s1), .b_src_s2(b_src_s2), .b_src_x2(b_src_x2)
    );

    // ---- issue
    wire mac_free, mac_start, taps_busy, taps_done, set_taps, set_att, set_norm;
    wire table_busy, table_done, set_table;
    wire n_valid, n_stat, queue_full, push, none_ended, front_done, retired, flying;

    compute_issue #(.LN_QUIET(SOURCE + ACC_AT + 4)) u_issue (
        .clk(clk), .rst(rst),
        .b_valid(b_valid), .b_wait_ok(b_wait_ok), .b_set(b_set),
        .b_set_taps(b_set_taps), .b_set_att(b_set_att), .b_set_norm(b_set_norm),
        .b_set_table(b_set_table),
        .b_xnor(b_xnor), .b_att(b_att), .b_mac(b_mac), .b_apply(b_apply),
        .b_drain(b_drain), .b_swap(b_swap), .b_psum_last(b_psum_last), .take(take),
        .mac_free(mac_free), .xf_ready(xf_ready), .at_ready(at_ready),
        .mac_start(mac_start), .xf_start(xf_start), .at_start(at_start),
        .taps_busy(taps_busy), .taps_done(taps_done),
        .set_taps(set_taps), .set_att(set_att), .set_norm(set_norm),
        .table_busy(table_busy), .table_done(table_done), .set_table(set_table),
        .shadow_full(shadow_full), .swap(swap),
        .stat_beat(n_valid && n_stat), .norm_busy(nu_busy),
        .queue_full(queue_full), .push(push), .none_ended(none_ended),
        .front_done(front_done), .retired(retired), .retired_cmp(retired_cmp),
        .in_flight(flying), .t_start(t_start), .t_issue_end(t_issue_end)
    );

    assign busy = holds || flying;
    assign held = b_valid;

    // ---- SET
    wire [3:0]  n_i0;
    wire        n_phase;
    wire        n_stencil;
    wire [19:0] tap_offset;
    wire [3:0]  tap_dx;
    wire        tap_out;
    wire [11:0] taps_width;
    wire [19:0] taps_wsx;
    wire        taps_padded;
    wire [13:0] taps_pad;

    compute_set u_set (
        .clk(clk), .rst(rst), .set_taps(set_taps), .set_att(set_att), .set_norm(set_norm),
        .set_table(set_table), .table_busy(table_busy), .table_done(table_done),
        .table_we(table_we), .table_index(table_index), .table_entry(table_entry),
        .table_flat(table_flat),
        .word(b_word), .taps_busy(taps_busy), .taps_done(taps_done), .taps_sx(taps_sx),
        .tap_index(n_stencil && n_phase ? n_i0 + 4'd3 : n_i0),
        .tap_offset(tap_offset), .tap_dx(tap_dx), .tap_out(tap_out),
        .taps_width(taps_width), .taps_wsx(taps_wsx),
        .taps_padded(taps_padded), .taps_pad(taps_pad),
        .kappa1(at_kappa1), .kappa2(at_kappa2), .kappa3(at_kappa3), .neg(at_neg),
        .log2c(nu_log2c), .eps(nu_eps), .norm_reset(nu_reset)
    );

    // ---- sources
    assign xf_conv = b_conv;
    assign xf_n2 = b_n2;
    assign xf_n3 = b_n3;
    assign xf_xd = b_xd;
    assign xf_psum_first = b_psum_first;
    assign xf_psum_last = b_psum_last;

    decode_xnor u_xnor (
        .word(b_word), .a_base(xf_a_base), .a_s2(xf_a_s2), .a_s3(xf_a_s3), .a_elems(xf_a_elems),
        .g_base(xf_g_base), .g_step(xf_g_step), .g_qsh(xf_g_qsh), .g_len(xf_g_len), .y0(xf_y0),
        .height(xf_height), .width(xf_width)
    );

    decode_att u_att (
        .word(b_word), .q_bits(at_q_bits), .k_bits(at_k_bits), .v_bits(at_v_bits),
        .t_stride(at_t_stride), .tokens(at_tokens), .queries(at_queries)
    );

    wire        src_mem, src_taps, quad, stencil;
    wire [19:0] src_base;
    wire [17:0] src_s0, src_s3;

    decode_mac u_mac (
        .word(b_word), .src_mem(src_mem), .src_taps(src_taps), .src_base(src_base),
        .src_s0(src_s0), .src_s1(), .src_s2(), .src_s3(src_s3), .quad(quad), .stencil(stencil)
    );

    wire [19:0] n_addr, n_pos;
    wire [11:0] n_i2;
    wire        n_first, n_last, n_result;
    wire [7:0]  n_cm;
    wire [15:0] n_wb;

    mac_nest u_nest (
        .clk(clk), .rst(rst), .load(mac_start),
        .n0(b_n0), .n1(b_n1), .n2(b_mac_n2), .n3(b_mac_n3), .xd(b_xd),
        .base(src_base),
        .s0({{2{src_s0[17]}}, src_s0}), .s1(b_src_s1), .s2(b_src_s2),
        .s3({{2{src_s3[17]}}, src_s3}), .x2(b_src_x2),
        .cm_base(b_cm_base), .cm_s0(b_cm_s0), .cm_s1(b_cm_s1), .wb_base(b_wb), .stat(b_stat),
        .stencil(stencil), .free(mac_free), .valid(n_valid), .addr(n_addr), .pos(n_pos),
        .i0(n_i0), .i2(n_i2),
        .phase(n_phase), .first(n_first), .last(n_last), .result(n_result), .stat_on(n_stat),
        .cm(n_cm), .wb(n_wb)
    );

    wire         src_fm_re, src_tm_re;
    wire [13:0]  src_addr;
    wire [W-1:0] fm_word, tm_word;
    wire         s_valid, s_first, s_last, s_result, s_stat, s_phase, s_quad;
    wire [7:0]   s_cm;

    mac_source #(.LANES(LANES), .ACT_BITS(A), .NT_AW(NT_AW)) u_source (
        .clk(clk), .rst(rst), .load(mac_start),
        .mem(src_mem), .taps(src_taps),
        .macs(b_macs), .quad(b_macs && quad),
        .stencil(stencil), .one_row(b_n2 == 12'd1),
        .stat(b_stat), .apply(b_apply), .share(b_q_mask), .index_reset(nu_reset),
        .valid(n_valid), .addr(n_addr), .pos(n_pos), .i2(n_i2), .phase(n_phase),
        .first(n_first), .last(n_last), .result(n_result), .cm(n_cm), .wb(n_wb),
        .tap_offset(tap_offset), .tap_dx(tap_dx), .tap_out(tap_out),
        .width(taps_width), .wsx(taps_wsx), .padded(taps_padded), .pad(taps_pad),
        .fm_re(src_fm_re), .tm_re(src_tm_re), .re_addr(src_addr),
        .fm_word(fm_word), .tm_word(tm_word),
        .wbr_re(wbr_re), .wbr_addr(wbr_addr), .nt_index(nu_index),
        .s_valid(s_valid), .s_first(s_first), .s_last(s_last), .s_result(s_result),
        .s_stat(s_stat), .s_phase(s_phase), .s_quad(s_quad), .s_cm(s_cm), .s_feat(l_feat),
        .s_scalar(l_scalar), .s_extra(l_extra),
        .stencil_on(n_stencil), .s_stencil(l_stencil), .s_words(l_words)
    );

    // ---- results
    wire        pre_re, mid_re, out_re, pre_sel, mid_sel, out_sel, dst_we, bit_we;
    wire        pre_on, mid_on, out_on;
    wire [14:0] pre_at, mid_at, out_at, dst_at;
    wire [7:0]  dst_mask;

    result_stage #(
        .PRE_AT(PRE_AT), .MID_AT(MID_AT), .OUT_AT(OUT_AT), .Y_AT(Y_AT), .ACC_AT(ACC_AT)
    ) u_results (
        .clk(clk), .rst(rst), .push(push), .full(queue_full),
        .p_none(b_set || (b_xnor && !b_psum_last)), .p_xnor(b_xnor), .p_att(b_att),
        .p_macs(b_macs), .p_stat(b_stat), .p_apply(b_apply),
        .p_n2(b_n2), .p_n3(b_n3), .p_xd(b_xd),
        .p_cm_base(b_cm_base), .p_cm_mask(b_cm_mask), .p_cm_x(b_cm_x),
        .p_cm_x_wrap(b_cm_x_wrap), .p_cm_1(b_cm_1), .p_cm_1_wrap(b_cm_1_wrap),
        .p_om_base(b_om_base), .p_q_base(b_q_base), .p_q_mask(b_q_mask),
        .p_pre(b_pre), .p_mid(b_mid), .p_out(b_out), .p_dst(b_dst), .p_bit(b_bit),
        .p_modes(b_modes), .p_pool(b_pool),
        .none_ended(none_ended),
        .s_valid(s_valid), .s_first(s_first), .s_last(s_last), .s_result(s_result),
        .s_stat(s_stat), .s_phase(s_phase), .s_quad(s_quad), .s_cm(s_cm),
        .xf_valid(xf_valid), .xf_pattern(xf_pattern), .at_valid(at_valid), .nu_shift(nu_shift),
        .l_valid(l_valid), .l_in_kind(l_in_kind), .l_mul_kind(l_mul_kind),
        .l_cm_slot(l_cm_slot), .l_om_slot(l_om_slot), .l_q_slot(l_q_slot), .l_first(l_first),
        .l_last(l_last), .l_is_max(l_is_max), .l_sh1(l_sh1), .l_rp(l_rp), .l_sh2(l_sh2),
        .l_chords(l_chords), .l_aff(l_aff), .l_sh3(l_sh3), .l_pool(l_pool), .l_bit_y3(l_bit_y3),
        .pre_re(pre_re), .mid_re(mid_re), .out_re(out_re),
        .pre_at(pre_at), .mid_at(mid_at), .out_at(out_at),
        .pre_sel(pre_sel), .mid_sel(mid_sel), .out_sel(out_sel),
        .pre_on(pre_on), .mid_on(mid_on), .out_on(out_on),
        .l_y_valid(l_y_valid), .dst_we(dst_we), .dst_at(dst_at), .dst_mask(dst_mask),
        .bit_we(bit_we), .bit_at(t_bit_addr),
        .l_acc_valid(l_acc_valid), .nu_valid(nu_valid), .nu_phase(nu_phase),
        .front_done(front_done), .retired(retired)
    );

    // ---- memories
    feature_ports #(.LANES(LANES), .ACT_BITS(A), .FM_WORDS(FM_WORDS), .TM_WORDS(TM_WORDS)) u_ports (
        .clk(clk), .rst(rst),
        .src_fm_re(src_fm_re), .src_tm_re(src_tm_re), .src_addr(src_addr),
        .pre_re(pre_re), .mid_re(mid_re), .out_re(out_re),
        .pre_at(pre_at), .mid_at(mid_at), .out_at(out_at),
        .dst_we(dst_we), .dst_at(dst_at), .dst_mask(dst_mask), .dst_word(l_y_word),
        .f_we(f_we), .f_mem(f_mem), .f_addr(f_addr), .f_word(f_word), .f_ready(f_ready),
        .fr_re(fr_re), .fr_mem(fr_mem), .fr_addr(fr_addr), .fr_ready(fr_ready),
        .fr_word(fr_word), .fm_word(fm_word), .tm_word(tm_word), .conflict(port_conflict)
    );

    assign l_pre_word = {W{pre_on}} & (pre_sel ? tm_word : fm_word);
    assign l_mid_word = {W{mid_on}} & (mid_sel ? tm_word : fm_word);
    assign l_out_word = {W{out_on}} & (out_sel ? tm_word : fm_word);

    // ---- bits, traces
    assign bm_we = bit_we;
    assign bm_addr = t_bit_addr;
    assign bm_data = l_y_bits;
    assign t_dst_valid = dst_we;
    assign {t_dst_mem, t_dst_addr} = dst_at;
    assign t_dst_mask = dst_mask;
    assign t_dst_word = l_y_word;
    assign t_bit_valid = bit_we;
    assign t_bit_word = l_y_bits;
endmodule
// verilator lint_on PINCONNECTEMPTY
`default_nettype wire
