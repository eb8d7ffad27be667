// Everything that computes: queue control with the feature memories, XNOR front end, attention,
// post lanes and norm unit, wired together. No logic of its own.
//
//   compute_ctl --start--> xnor_front, attention --results--> lanes
//               <--words (FM, TM, BM)--------------------------
//               --beats--> lanes --accumulators--> norm_unit --statistics--> lanes
//
// Ports are those of compute_ctl.v towards queue, DMA, weight loader and weight buffer.
// Cost: the sum of its parts.
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
    parameter MAX_TOKENS = 256
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
    localparam NT_AW = $clog2(NT_WORDS);

    wire xf_start;
    wire xf_ready;
    wire xf_conv;
    wire [15:0] xf_a_base;
    wire [15:0] xf_a_s2;
    wire [15:0] xf_a_s3;
    wire [4:0] xf_a_elems;
    wire [5:0] xf_g_base;
    wire [5:0] xf_g_step;
    wire [1:0] xf_g_qsh;
    wire [3:0] xf_g_len;
    wire [7:0] xf_y0;
    wire [7:0] xf_height;
    wire [7:0] xf_width;
    wire [11:0] xf_n2;
    wire [11:0] xf_n3;
    wire [2:0] xf_xd;
    wire xf_psum_first;
    wire xf_psum_last;
    wire xf_valid;
    wire [3:0] xf_pattern;
    wire bm_we;
    wire [15:0] bm_addr;
    wire [LANES-1:0] bm_data;
    wire at_start;
    wire at_ready;
    wire [15:0] at_q_bits;
    wire [15:0] at_k_bits;
    wire [15:0] at_v_bits;
    wire [11:0] at_t_stride;
    wire [8:0] at_tokens;
    wire [11:0] at_queries;
    wire [23:0] at_kappa1;
    wire [23:0] at_kappa2;
    wire [23:0] at_kappa3;
    wire at_neg;
    wire at_valid;
    wire l_valid;
    wire [2:0] l_in_kind;
    wire [2:0] l_mul_kind;
    wire [LANES*ACT_BITS-1:0] l_feat;
    wire [15:0] l_scalar;
    wire [47:0] l_extra;
    wire l_stencil;
    wire [3*LANES*ACT_BITS-1:0] l_words;
    wire [7:0] l_cm_slot;
    wire [7:0] l_om_slot;
    wire [5:0] l_q_slot;
    wire l_first;
    wire l_last;
    wire l_is_max;
    wire [5:0] l_sh1;
    wire l_rp;
    wire [4:0] l_sh2;
    wire l_chords;
    wire l_aff;
    wire [4:0] l_sh3;
    wire [1:0] l_pool;
    wire l_bit_y3;
    wire table_we;
    wire [5:0] table_index;
    wire [31:0] table_entry;
    wire table_flat;
    wire [LANES*ACT_BITS-1:0] l_pre_word;
    wire [LANES*ACT_BITS-1:0] l_mid_word;
    wire [LANES*ACT_BITS-1:0] l_out_word;
    wire l_acc_valid;
    wire l_y_valid;
    wire [LANES*ACT_BITS-1:0] l_y_word;
    wire [LANES-1:0] l_y_bits;
    wire nu_valid;
    wire nu_phase;
    wire [3:0] nu_log2c;
    wire [51:0] nu_eps;
    wire nu_reset;
    wire nu_busy;
    wire [NT_AW-1:0] nu_index;
    wire [5:0] nu_shift;
    wire [16*LANES-1:0] xf_pop;
    wire [16*LANES-1:0] at_acc;
    wire at_idle;
    wire att_re;
    wire [15:0] att_addr;
    wire [KW-1:0] att_row;
    wire [40*LANES-1:0] acc_word;
    wire [17:0] mean2;
    wire [15:0] norm_r;
    wire unused = &{1'b0, at_idle};

    compute_ctl #(
        .LANES(LANES),
        .ACT_BITS(ACT_BITS),
        .FM_WORDS(FM_WORDS),
        .TM_WORDS(TM_WORDS),
        .NT_WORDS(NT_WORDS)
    ) u_ctl (
        .clk(clk),
        .rst(rst),
        .i_valid(i_valid),
        .i_word(i_word),
        .i_ready(i_ready),
        .retired_dma(retired_dma),
        .retired_ldw(retired_ldw),
        .retired_cmp(retired_cmp),
        .busy(busy),
        .held(held),
        .head(head),
        .shadow_full(shadow_full),
        .swap(swap),
        .xf_start(xf_start),
        .xf_ready(xf_ready),
        .xf_conv(xf_conv),
        .xf_a_base(xf_a_base),
        .xf_a_s2(xf_a_s2),
        .xf_a_s3(xf_a_s3),
        .xf_a_elems(xf_a_elems),
        .xf_g_base(xf_g_base),
        .xf_g_step(xf_g_step),
        .xf_g_qsh(xf_g_qsh),
        .xf_g_len(xf_g_len),
        .xf_y0(xf_y0),
        .xf_height(xf_height),
        .xf_width(xf_width),
        .xf_n2(xf_n2),
        .xf_n3(xf_n3),
        .xf_xd(xf_xd),
        .xf_psum_first(xf_psum_first),
        .xf_psum_last(xf_psum_last),
        .xf_valid(xf_valid),
        .xf_pattern(xf_pattern),
        .bm_we(bm_we),
        .bm_addr(bm_addr),
        .bm_data(bm_data),
        .at_start(at_start),
        .at_ready(at_ready),
        .at_q_bits(at_q_bits),
        .at_k_bits(at_k_bits),
        .at_v_bits(at_v_bits),
        .at_t_stride(at_t_stride),
        .at_tokens(at_tokens),
        .at_queries(at_queries),
        .at_kappa1(at_kappa1),
        .at_kappa2(at_kappa2),
        .at_kappa3(at_kappa3),
        .at_neg(at_neg),
        .at_valid(at_valid),
        .l_valid(l_valid),
        .l_in_kind(l_in_kind),
        .l_mul_kind(l_mul_kind),
        .l_feat(l_feat),
        .l_scalar(l_scalar),
        .l_extra(l_extra),
        .l_stencil(l_stencil),
        .l_words(l_words),
        .l_cm_slot(l_cm_slot),
        .l_om_slot(l_om_slot),
        .l_q_slot(l_q_slot),
        .l_first(l_first),
        .l_last(l_last),
        .l_is_max(l_is_max),
        .l_sh1(l_sh1),
        .l_rp(l_rp),
        .l_sh2(l_sh2),
        .l_chords(l_chords),
        .table_we(table_we),
        .table_index(table_index),
        .table_entry(table_entry),
        .table_flat(table_flat),
        .l_aff(l_aff),
        .l_sh3(l_sh3),
        .l_pool(l_pool),
        .l_bit_y3(l_bit_y3),
        .l_pre_word(l_pre_word),
        .l_mid_word(l_mid_word),
        .l_out_word(l_out_word),
        .l_acc_valid(l_acc_valid),
        .l_y_valid(l_y_valid),
        .l_y_word(l_y_word),
        .l_y_bits(l_y_bits),
        .nu_valid(nu_valid),
        .nu_phase(nu_phase),
        .nu_log2c(nu_log2c),
        .nu_eps(nu_eps),
        .nu_reset(nu_reset),
        .nu_busy(nu_busy),
        .nu_index(nu_index),
        .nu_shift(nu_shift),
        .f_we(f_we),
        .f_mem(f_mem),
        .f_addr(f_addr),
        .f_word(f_word),
        .f_ready(f_ready),
        .fr_re(fr_re),
        .fr_mem(fr_mem),
        .fr_addr(fr_addr),
        .fr_ready(fr_ready),
        .fr_word(fr_word),
        .wbr_re(wbr_re),
        .wbr_addr(wbr_addr),
        .port_conflict(port_conflict),
        .t_dst_valid(t_dst_valid),
        .t_dst_mem(t_dst_mem),
        .t_dst_addr(t_dst_addr),
        .t_dst_mask(t_dst_mask),
        .t_dst_word(t_dst_word),
        .t_bit_valid(t_bit_valid),
        .t_bit_addr(t_bit_addr),
        .t_bit_word(t_bit_word),
        .t_start(t_start),
        .t_issue_end(t_issue_end)
    );

    xnor_front #(
        .LANES(LANES),
        .KW(KW),
        .GU(GU),
        .GS(GS),
        .BM_ROWS(BM_ROWS),
        .PS_WORDS(PS_WORDS)
    ) u_xnor (
        .clk(clk),
        .rst(rst),
        .start(xf_start),
        .ready(xf_ready),
        .conv(xf_conv),
        .a_base(xf_a_base),
        .a_s2(xf_a_s2),
        .a_s3(xf_a_s3),
        .a_elems(xf_a_elems),
        .g_base(xf_g_base),
        .g_step(xf_g_step),
        .g_qsh(xf_g_qsh),
        .g_len(xf_g_len),
        .y0(xf_y0),
        .height(xf_height),
        .width(xf_width),
        .n2(xf_n2),
        .n3(xf_n3),
        .xd(xf_xd),
        .psum_first(xf_psum_first),
        .psum_last(xf_psum_last),
        .w_fill(w_fill),
        .w_we(w_we),
        .w_col(w_col),
        .w_data(w_data),
        .w_swap(swap),
        .bm_we(bm_we),
        .bm_addr(bm_addr),
        .bm_data(bm_data),
        .att_re(att_re),
        .att_addr(att_addr),
        .att_row(att_row),
        .r_valid(xf_valid),
        .r_pop(xf_pop),
        .r_pattern(xf_pattern)
    );

    attention #(
        .LANES(LANES),
        .KW(KW),
        .PK(PK),
        .MAX_TOKENS(MAX_TOKENS)
    ) u_attention (
        .clk(clk),
        .rst(rst),
        .start(at_start),
        .q_bits(at_q_bits),
        .k_bits(at_k_bits),
        .v_bits(at_v_bits),
        .t_stride(at_t_stride),
        .queries(at_queries),
        .tokens(at_tokens),
        .kappa1(at_kappa1),
        .kappa2(at_kappa2),
        .kappa3(at_kappa3),
        .neg(at_neg),
        .ready(at_idle),
        .ready_next(at_ready),
        .att_re(att_re),
        .att_addr(att_addr),
        .att_row(att_row),
        .r_valid(at_valid),
        .r_acc(at_acc)
    );

    lanes #(
        .LANES(LANES),
        .ACT_BITS(ACT_BITS),
        .CM_SLOTS(CM_SLOTS),
        .OM_SLOTS(OM_SLOTS),
        .QM_SLOTS(QM_SLOTS)
    ) u_lanes (
        .clk(clk),
        .rst(rst),
        .in_valid(l_valid),
        .in_kind(l_in_kind),
        .mul_kind(l_mul_kind),
        .in_feat(l_feat),
        .in_pop(xf_pop),
        .in_acc(at_acc),
        .in_scalar(l_scalar),
        .in_extra(l_extra),
        .in_stencil(l_stencil),
        .in_words(l_words),
        .in_weight(wbr_word),
        .mean2(mean2),
        .norm_r(norm_r),
        .cm_slot(l_cm_slot),
        .om_slot(l_om_slot),
        .first(l_first),
        .last(l_last),
        .is_max(l_is_max),
        .q_slot(l_q_slot),
        .sh1(l_sh1),
        .rp(l_rp),
        .sh2(l_sh2),
        .chords(l_chords),
        .table_we(table_we),
        .table_index(table_index),
        .table_entry(table_entry),
        .table_flat(table_flat),
        .aff(l_aff),
        .sh3(l_sh3),
        .pool(l_pool),
        .bit_y3(l_bit_y3),
        .pre_word(l_pre_word),
        .mid_word(l_mid_word),
        .out_word(l_out_word),
        .acc_valid(l_acc_valid),
        .acc_word(acc_word),
        .y_valid(l_y_valid),
        .y_word(l_y_word),
        .y_bits(l_y_bits),
        .p_we(p_we),
        .p_sel(p_sel),
        .p_slot(p_slot),
        .p_field(p_field),
        .p_word(p_word)
    );

    norm_unit #(
        .LANES(LANES),
        .NT_WORDS(NT_WORDS)
    ) u_norm (
        .clk(clk),
        .rst(rst),
        .acc_valid(nu_valid),
        .acc_word(acc_word),
        .phase(nu_phase),
        .log2c(nu_log2c),
        .eps(nu_eps),
        .reset(nu_reset),
        .rd_index(nu_index),
        .mean2(mean2),
        .norm_r(norm_r),
        .norm_shift(nu_shift),
        .busy(nu_busy)
    );
endmodule
`default_nettype wire
