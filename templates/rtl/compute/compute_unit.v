// Everything that computes: executes the compute queue.
//
//   decode, issue --> mac_front, xnor_front, attention --beats--> result_stage --l_*--> lanes
//                       ^                                                                |
//                       +--words-- FM, TM (feature_ports), BM (in xnor_front) <--words---+
//                                            norm_unit <--accumulators-------------------+
//
// Names: b_* the prepared instruction (register B of compute_decode); xf_*, at_*, nu_* to and from
// xnor_front, attention and norm_unit; m_* a beat of mac_front that is announced, s_* its words;
// l_* the lanes. fm_word and tm_word answer all reads, 3 cycles later.
// i_* the queue, w_*, wbr_*, p_*, f_*, fr_* as in core_transfer.v; t_* traces.
//
// Every source announces a result four cycles before its words are at stage 0 of the lanes; the
// words of xnor_front, attention and the WB port are there by themselves, those of the norm table
// wait two cycles here.
//
// A MAC instruction that starts in cycle t has beat k (0 ..) at stage 0 in t + 9 + k. An
// instruction whose last result is at stage 0 in cycle z writes it in z + Y_AT; retired_cmp counts
// it from z + Y_AT + 1. Instruction order, waits and cycles: compute_issue.v and
// hwgen/units/compute_unit.py. The first result of an instruction must be announced at least 5
// cycles after its start.
//
// Read ports of FM and TM: source, pre, mid and out words have no arbitration (the compiler keeps
// them apart); two on one port set port_conflict until rst. STORE (fr_*) waits for them, DMA
// writes (f_*) wait for lane writes of the same memory.
// Reset: control only. Cost: see hwgen/units/compute_unit.py.
`default_nettype none
module compute_unit #(
    parameter LANES      = 16,
    parameter ACT_BITS   = 16,
    parameter KW         = 128,
    parameter GU         = 4,
    parameter GS         = 8,
    parameter FM_WORDS   = 1024,
    parameter TM_WORDS   = 1024,
    parameter BM_ROWS    = 512,
    parameter PS_WORDS   = 256,
    parameter CM_SLOTS   = 64,
    parameter OM_SLOTS   = 32,
    parameter QM_SLOTS   = 16,
    parameter NT_WORDS   = 64,
    parameter PK         = 4,
    parameter MAX_TOKENS = 256,
    parameter ULTRA      = 0     // 1: FM and TM may lie in ultra RAM
) (
    input  wire                      clk,
    input  wire                      rst,
    input  wire                      i_valid,
    output wire                      i_ready,
    input  wire [             511:0] i_word,
    input  wire [              15:0] retired_dma,
    input  wire [              15:0] retired_ldw,
    output wire [              15:0] retired_cmp,
    input  wire                      shadow_full,
    output wire                      swap,
    input  wire                      w_fill,
    input  wire                      w_we,
    input  wire [               7:0] w_col,
    input  wire [      16*LANES-1:0] w_data,
    output wire                      wbr_re,
    output wire [              15:0] wbr_addr,
    input  wire [      16*LANES-1:0] wbr_word,
    input  wire                      p_we,
    input  wire [               1:0] p_sel,
    input  wire [               7:0] p_slot,
    input  wire [               2:0] p_field,
    input  wire [      16*LANES-1:0] p_word,
    input  wire                      f_we,
    input  wire                      f_mem,
    input  wire [              13:0] f_addr,
    input  wire [      16*LANES-1:0] f_word,
    output wire                      f_ready,
    input  wire                      fr_re,
    input  wire                      fr_mem,
    input  wire [              13:0] fr_addr,
    output wire                      fr_ready,
    output wire [      16*LANES-1:0] fr_word,
    output wire                      busy,
    output wire                      held,
    output wire [              51:0] head,
    output wire                      port_conflict,
    output wire                      t_dst_valid,
    output wire                      t_dst_mem,
    output wire [              13:0] t_dst_addr,
    output wire [               7:0] t_dst_mask,
    output wire [LANES*ACT_BITS-1:0] t_dst_word,
    output wire                      t_bit_valid,
    output wire [              15:0] t_bit_addr,
    output wire [         LANES-1:0] t_bit_word,
    output wire                      t_start,
    output wire                      t_issue_end
);
    localparam A = ACT_BITS;
    localparam W = LANES * ACT_BITS;
    localparam NT_AW = $clog2(NT_WORDS);
    // of lanes
    localparam PRE_AT = 8;
    localparam MID_AT = 16;
    localparam OUT_AT = 21;
    localparam Y_AT = 27;
    localparam ACC_AT = 6;
    localparam SOURCE = 7;  // cycles from a beat of mac_nest to stage 0
    localparam READ = 3;    // cycles from a request to FM or TM to its word

    generate
        if (LANES < 8 || LANES > 64 || LANES != (1 << $clog2(LANES))) begin : gen_guard_lanes
            ERROR_compute_unit_LANES_must_be_8_16_32_or_64 u_stop ();
        end
        if (FM_WORDS < 2 || FM_WORDS > 16384
            || TM_WORDS < 2 || TM_WORDS > 16384) begin : gen_guard_words
            ERROR_compute_unit_FM_WORDS_and_TM_WORDS_must_be_2_to_16384 u_stop ();
        end
        if (ACT_BITS < 8 || ACT_BITS > 16) begin : gen_guard_act
            ERROR_compute_unit_ACT_BITS_must_be_8_to_16 u_stop ();
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
    wire [2:0]   b_xd, b_last_phase, b_mac_last_phase;
    wire         b_one_x, b_one_phase, b_one_row;
    wire         b_mac_one_x, b_mac_one_phase, b_mac_one_row;
    wire [7:0]   b_cm_base, b_cm_s0, b_cm_s1, b_cm_mask;
    wire [7:0]   b_cm_x, b_cm_1, b_cm_wrap, b_om_base;
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
        .b_last_phase(b_last_phase), .b_one_x(b_one_x), .b_one_phase(b_one_phase),
        .b_one_row(b_one_row),
        .b_mac_last_phase(b_mac_last_phase), .b_mac_one_x(b_mac_one_x),
        .b_mac_one_phase(b_mac_one_phase), .b_mac_one_row(b_mac_one_row),
        .b_cm_base(b_cm_base), .b_cm_s0(b_cm_s0), .b_cm_s1(b_cm_s1), .b_wb(b_wb),
        .b_cm_mask(b_cm_mask), .b_cm_x(b_cm_x), .b_cm_1(b_cm_1), .b_cm_wrap(b_cm_wrap),
        .b_om_base(b_om_base),
        .b_q_base(b_q_base), .b_q_mask(b_q_mask),
        .b_pre(b_pre), .b_mid(b_mid), .b_out(b_out), .b_dst(b_dst), .b_bit(b_bit),
        .b_modes(b_modes), .b_pool(b_pool),
        .b_psum_first(b_psum_first), .b_psum_last(b_psum_last),
        .b_src_s1(b_src_s1), .b_src_s2(b_src_s2), .b_src_x2(b_src_x2)
    );

    // ---- issue
    wire mac_free, mac_start, set_taps, set_att, set_norm, set_table;
    wire stat_beat, queue_full, push, front_done, flying;
    wire [2:0] retired;
    wire xf_start, xf_ready, at_start, at_ready, nu_busy, swap_now;

    // The array takes a swap later than xnor_front (xnor_front.v): the loader is told so late that
    // it does not overtake it, and what it shows until then is not the next tile.
    reg swap_1_q, swap_2_q;

    always @(posedge clk) begin
        swap_1_q <= swap_now;
        swap_2_q <= swap_1_q;
        if (rst) begin
            swap_1_q <= 1'b0;
            swap_2_q <= 1'b0;
        end
    end

    assign swap = swap_2_q;

    compute_issue #(.LN_QUIET(SOURCE + ACC_AT + 5)) u_issue (
        .clk(clk), .rst(rst),
        .b_valid(b_valid), .b_wait_ok(b_wait_ok), .b_set(b_set),
        .b_set_taps(b_set_taps), .b_set_att(b_set_att), .b_set_norm(b_set_norm),
        .b_set_table(b_set_table),
        .b_xnor(b_xnor), .b_att(b_att), .b_mac(b_mac), .b_apply(b_apply),
        .b_drain(b_drain), .b_swap(b_swap), .b_psum_last(b_psum_last), .take(take),
        .mac_free(mac_free), .xf_ready(xf_ready), .at_ready(at_ready),
        .mac_start(mac_start), .xf_start(xf_start), .at_start(at_start),
        .set_taps(set_taps), .set_att(set_att), .set_norm(set_norm), .set_table(set_table),
        .shadow_full(shadow_full && !swap_1_q && !swap_2_q), .swap(swap_now),
        .stat_beat(stat_beat), .norm_busy(nu_busy),
        .queue_full(queue_full), .push(push),
        .front_done(front_done), .retired(retired), .retired_cmp(retired_cmp),
        .in_flight(flying), .t_start(t_start), .t_issue_end(t_issue_end)
    );

    assign busy = holds || flying;
    assign held = b_valid;

    // ---- SET
    wire [3:0]  tap_index, tap_dx;
    wire [19:0] tap_offset, taps_wsx;
    wire        tap_out, taps_padded;
    wire [11:0] taps_width;
    wire [13:0] taps_pad;
    wire        table_we, table_flat;
    wire [5:0]  table_index;
    wire [31:0] table_entry;
    wire [23:0] at_kappa1, at_kappa2, at_kappa3;
    wire        at_neg, nu_reset;
    wire [3:0]  nu_log2c;
    wire [16:0] nu_scale;
    wire [51:0] nu_eps;

    compute_set u_set (
        .clk(clk), .rst(rst), .set_taps(set_taps), .set_att(set_att), .set_norm(set_norm),
        .set_table(set_table), .table_we(table_we), .table_index(table_index),
        .table_entry(table_entry),
        .table_flat(table_flat),
        .word(b_word), .taps_sx(taps_sx),
        .tap_index(tap_index), .tap_offset(tap_offset), .tap_dx(tap_dx), .tap_out(tap_out),
        .taps_width(taps_width), .taps_wsx(taps_wsx),
        .taps_padded(taps_padded), .taps_pad(taps_pad),
        .kappa1(at_kappa1), .kappa2(at_kappa2), .kappa3(at_kappa3), .neg(at_neg),
        .log2c(nu_log2c), .norm_scale(nu_scale), .eps(nu_eps), .norm_reset(nu_reset)
    );

    // ---- sources: MAC ops
    wire             src_fm_re, src_tm_re;
    wire [13:0]      src_addr;
    wire [W-1:0]     fm_word, tm_word;
    wire [NT_AW-1:0] nu_index;
    wire             m_valid, m_first, m_last, m_step_next, m_stat, m_phase, m_quad, s_stencil;
    wire [7:0]       m_cm;
    wire [W-1:0]     s_feat;
    wire [15:0]      s_scalar;
    wire [47:0]      s_extra;
    wire [3*W-1:0]   s_words;

    mac_front #(.LANES(LANES), .ACT_BITS(A), .NT_AW(NT_AW)) u_mac (
        .clk(clk), .rst(rst), .load(mac_start), .free(mac_free), .word(b_word),
        .macs(b_macs), .stat(b_stat), .apply(b_apply),
        .n0(b_n0), .n1(b_n1), .n2(b_mac_n2), .n3(b_mac_n3), .one_row(b_n2 == 12'd1), .xd(b_xd),
        .last_phase(b_mac_last_phase), .one_x(b_mac_one_x), .one_phase(b_mac_one_phase),
        .one_n3(b_mac_one_row),
        .s1(b_src_s1), .s2(b_src_s2), .x2(b_src_x2),
        .cm_base(b_cm_base), .cm_s0(b_cm_s0), .cm_s1(b_cm_s1), .wb_base(b_wb),
        .share(b_q_mask), .index_reset(nu_reset), .stat_beat(stat_beat),
        .tap_index(tap_index), .tap_offset(tap_offset), .tap_dx(tap_dx), .tap_out(tap_out),
        .taps_width(taps_width), .taps_wsx(taps_wsx), .taps_padded(taps_padded),
        .taps_pad(taps_pad),
        .fm_re(src_fm_re), .tm_re(src_tm_re), .re_addr(src_addr),
        .fm_word(fm_word), .tm_word(tm_word), .fr_mem(fr_mem), .fr_word(fr_word),
        .wbr_re(wbr_re), .wbr_addr(wbr_addr), .nt_index(nu_index),
        .m_valid(m_valid), .m_first(m_first), .m_last(m_last), .m_step_next(m_step_next),
        .m_stat(m_stat), .m_phase(m_phase), .m_quad(m_quad), .m_cm(m_cm), .s_feat(s_feat),
        .s_scalar(s_scalar), .s_extra(s_extra), .s_stencil(s_stencil), .s_words(s_words)
    );

    // ---- sources: XLIN, XCONV
    wire [15:0]      xf_a_base, xf_a_s2, xf_a_s3;
    wire [4:0]       xf_a_elems;
    wire [5:0]       xf_g_base, xf_g_step;
    wire [1:0]       xf_g_qsh;
    wire [3:0]       xf_g_len;
    wire [7:0]       xf_y0, xf_height, xf_width;
    wire             att_re;
    wire [15:0]      att_addr;
    wire [KW-1:0]    att_row;
    wire             xf_next, bit_we;
    wire [15:0]      bit_at;
    wire [16*LANES-1:0] xf_pop;
    wire [3:0]       xf_pattern;
    wire [LANES-1:0] l_y_bits;

    decode_xnor u_xnor_fields (
        .word(b_word), .a_base(xf_a_base), .a_s2(xf_a_s2), .a_s3(xf_a_s3), .a_elems(xf_a_elems),
        .g_base(xf_g_base), .g_step(xf_g_step), .g_qsh(xf_g_qsh), .g_len(xf_g_len), .y0(xf_y0),
        .height(xf_height), .width(xf_width)
    );

    xnor_front #(
        .LANES(LANES), .KW(KW), .GU(GU), .GS(GS), .BM_ROWS(BM_ROWS), .PS_WORDS(PS_WORDS)
    ) u_xnor (
        .clk(clk), .rst(rst), .start(xf_start), .ready(xf_ready), .conv(b_conv),
        .a_base(xf_a_base), .a_s2(xf_a_s2), .a_s3(xf_a_s3), .a_elems(xf_a_elems),
        .g_base(xf_g_base), .g_step(xf_g_step), .g_qsh(xf_g_qsh), .g_len(xf_g_len), .y0(xf_y0),
        .height(xf_height), .width(xf_width), .n2(b_n2), .n3(b_n3), .xd(b_xd),
        .psum_first(b_psum_first), .psum_last(b_psum_last),
        .w_fill(w_fill), .w_we(w_we), .w_col(w_col), .w_data(w_data), .w_swap(swap_now),
        .bm_we(bit_we), .bm_addr(bit_at), .bm_data(l_y_bits),
        .att_re(att_re), .att_addr(att_addr), .att_row(att_row),
        .c_next(xf_next), .c_pattern(xf_pattern), .r_pop(xf_pop)
    );

    // ---- sources: ATT
    wire [15:0] at_q_bits, at_k_bits, at_v_bits;
    wire [11:0] at_t_stride, at_queries;
    wire [8:0]  at_tokens;
    wire        at_next;
    wire [16*LANES-1:0] at_acc;

    decode_att u_att_fields (
        .word(b_word), .q_bits(at_q_bits), .k_bits(at_k_bits), .v_bits(at_v_bits),
        .t_stride(at_t_stride), .tokens(at_tokens), .queries(at_queries)
    );

    attention #(.LANES(LANES), .KW(KW), .PK(PK), .MAX_TOKENS(MAX_TOKENS)) u_attention (
        .clk(clk), .rst(rst), .start(at_start), .q_bits(at_q_bits), .k_bits(at_k_bits),
        .v_bits(at_v_bits), .t_stride(at_t_stride), .queries(at_queries), .tokens(at_tokens),
        .kappa1(at_kappa1), .kappa2(at_kappa2), .kappa3(at_kappa3), .neg(at_neg),
        .ready(at_ready),
        .att_re(att_re), .att_addr(att_addr), .att_row(att_row),
        .c_next(at_next), .r_acc(at_acc)
    );

    // ---- stage 0 and what its results need later
    wire        l_valid, l_first, l_last, l_is_max, l_rp, l_chords, l_aff, l_bit_y3;
    wire [2:0]  l_in_kind, l_mul_kind;
    wire [7:0]  l_cm_slot, l_om_slot;
    wire [5:0]  l_q_slot, l_sh1;
    wire [4:0]  l_sh2, l_sh3;
    wire [1:0]  l_pool;
    wire        l_acc_valid, l_y_valid, nu_valid, nu_phase, dst_next, dst_next_mem;
    wire [5:0]  nu_shift;
    wire [1:0]  pre_re, mid_re, out_re;
    wire        pre_sel, mid_sel, out_sel, pre_on, mid_on, out_on, dst_we;
    wire [13:0] pre_at, mid_at, out_at;
    wire [14:0] dst_at;
    wire [7:0]  dst_mask;

    result_stage #(
        .PRE_AT(PRE_AT), .MID_AT(MID_AT), .OUT_AT(OUT_AT), .Y_AT(Y_AT), .ACC_AT(ACC_AT),
        .READ(READ)
    ) u_results (
        .clk(clk), .rst(rst), .push(push), .full(queue_full),
        .p_none(b_set || (b_xnor && !b_psum_last)), .p_xnor(b_xnor), .p_att(b_att),
        .p_macs(b_macs), .p_stat(b_stat), .p_apply(b_apply),
        .p_n2(b_n2), .p_n3(b_n3), .p_xd(b_xd), .p_last_phase(b_last_phase),
        .p_one_x(b_one_x), .p_one_phase(b_one_phase), .p_one_row(b_one_row),
        .p_cm_base(b_cm_base), .p_cm_mask(b_cm_mask), .p_cm_x(b_cm_x), .p_cm_1(b_cm_1),
        .p_cm_wrap(b_cm_wrap),
        .p_om_base(b_om_base), .p_q_base(b_q_base), .p_q_mask(b_q_mask),
        .p_pre(b_pre), .p_mid(b_mid), .p_out(b_out), .p_dst(b_dst), .p_bit(b_bit),
        .p_modes(b_modes), .p_pool(b_pool),
        .m_valid(m_valid), .m_first(m_first), .m_last(m_last), .m_step_next(m_step_next),
        .m_stat(m_stat), .m_phase(m_phase), .m_quad(m_quad), .m_cm(m_cm),
        .xf_next(xf_next), .xf_pattern(xf_pattern), .at_next(at_next), .nu_shift(nu_shift),
        .l_valid(l_valid), .l_in_kind(l_in_kind), .l_mul_kind(l_mul_kind),
        .l_cm_slot(l_cm_slot), .l_om_slot(l_om_slot), .l_q_slot(l_q_slot), .l_first(l_first),
        .l_last(l_last), .l_is_max(l_is_max), .l_sh1(l_sh1), .l_rp(l_rp), .l_sh2(l_sh2),
        .l_chords(l_chords), .l_aff(l_aff), .l_sh3(l_sh3), .l_pool(l_pool), .l_bit_y3(l_bit_y3),
        .pre_re(pre_re), .mid_re(mid_re), .out_re(out_re),
        .pre_at(pre_at), .mid_at(mid_at), .out_at(out_at),
        .pre_sel(pre_sel), .mid_sel(mid_sel), .out_sel(out_sel),
        .pre_on(pre_on), .mid_on(mid_on), .out_on(out_on),
        .dst_next(dst_next), .dst_next_mem(dst_next_mem),
        .dst_we(dst_we), .dst_at(dst_at), .dst_mask(dst_mask), .bit_we(bit_we), .bit_at(bit_at),
        .nu_valid(nu_valid), .nu_phase(nu_phase),
        .front_done(front_done), .retired(retired)
    );

    // ---- lanes, norm unit
    wire [W-1:0]        l_y_word;
    wire [40*LANES-1:0] acc_word;
    wire [17:0]         nu_mean2, mean2;
    wire [15:0]         nu_r, norm_r;

    // the entry's shift is a mode of its beat, the rest comes with the words
    delay_line #(.WIDTH(34), .DEPTH(2), .RESET(0)) u_entry (
        .clk(clk), .rst(rst), .d({nu_mean2, nu_r}), .q({mean2, norm_r})
    );

    lanes #(
        .LANES(LANES), .ACT_BITS(A), .CM_SLOTS(CM_SLOTS), .OM_SLOTS(OM_SLOTS), .QM_SLOTS(QM_SLOTS)
    ) u_lanes (
        .clk(clk), .rst(rst), .in_valid(l_valid), .in_kind(l_in_kind), .mul_kind(l_mul_kind),
        .in_feat(s_feat), .in_pop(xf_pop), .in_acc(at_acc), .in_scalar(s_scalar),
        .in_extra(s_extra), .in_stencil(s_stencil), .in_words(s_words), .in_weight(wbr_word),
        .mean2(mean2), .norm_r(norm_r), .cm_slot(l_cm_slot), .om_slot(l_om_slot),
        .first(l_first), .last(l_last), .is_max(l_is_max),
        .q_slot(l_q_slot), .sh1(l_sh1), .rp(l_rp), .sh2(l_sh2), .chords(l_chords), .aff(l_aff),
        .sh3(l_sh3), .pool(l_pool), .bit_y3(l_bit_y3),
        .table_we(table_we), .table_index(table_index), .table_entry(table_entry),
        .table_flat(table_flat),
        .pre_word({W{pre_on}} & (pre_sel ? tm_word : fm_word)),
        .mid_word({W{mid_on}} & (mid_sel ? tm_word : fm_word)),
        .out_word({W{out_on}} & (out_sel ? tm_word : fm_word)),
        .acc_valid(l_acc_valid), .acc_word(acc_word), .y_valid(l_y_valid), .y_word(l_y_word),
        .y_bits(l_y_bits),
        .p_we(p_we), .p_sel(p_sel), .p_slot(p_slot), .p_field(p_field), .p_word(p_word)
    );

    norm_unit #(.LANES(LANES), .NT_WORDS(NT_WORDS)) u_norm (
        .clk(clk), .rst(rst), .acc_valid(nu_valid), .acc_word(acc_word), .phase(nu_phase),
        .log2c(nu_log2c), .scale(nu_scale), .eps(nu_eps), .reset(nu_reset),
        .rd_index(nu_index), .mean2(nu_mean2), .norm_r(nu_r), .norm_shift(nu_shift), .busy(nu_busy)
    );

    // ---- memories
    feature_ports #(
        .LANES(LANES), .ACT_BITS(A), .FM_WORDS(FM_WORDS), .TM_WORDS(TM_WORDS), .ULTRA(ULTRA)
    ) u_ports (
        .clk(clk), .rst(rst),
        .src_fm_re(src_fm_re), .src_tm_re(src_tm_re), .src_addr(src_addr),
        .pre_re(pre_re), .mid_re(mid_re), .out_re(out_re),
        .pre_at(pre_at), .mid_at(mid_at), .out_at(out_at),
        .dst_next(dst_next), .dst_next_mem(dst_next_mem), .dst_at(dst_at[13:0]),
        .dst_mask(dst_mask), .dst_word(l_y_word),
        .f_we(f_we), .f_mem(f_mem), .f_addr(f_addr), .f_word(f_word), .f_ready(f_ready),
        .fr_re(fr_re), .fr_mem(fr_mem), .fr_addr(fr_addr), .fr_ready(fr_ready),
        .fm_word(fm_word), .tm_word(tm_word), .conflict(port_conflict)
    );

    // ---- traces
    assign t_dst_valid = dst_we;
    assign {t_dst_mem, t_dst_addr} = dst_at;
    assign t_dst_mask = dst_mask;
    assign t_dst_word = l_y_word;
    assign t_bit_valid = bit_we;
    assign t_bit_addr = bit_at;
    assign t_bit_word = l_y_bits;
    wire unused = &{1'b0, l_acc_valid, l_y_valid};
endmodule
`default_nettype wire
