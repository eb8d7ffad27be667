// Test harness: compute_ctl with the real lanes and a weight buffer; the other units are pins.
`default_nettype none
module compute_harness #(
    parameter LANES = 16,
    parameter ACT_BITS = 16,
    parameter FM_WORDS = 256,
    parameter TM_WORDS = 256,
    parameter NT_WORDS = 128,
    parameter CM_SLOTS = 64,
    parameter OM_SLOTS = 32,
    parameter QM_SLOTS = 16,
    parameter PRE_AT = 8,
    parameter MID_AT = 16,
    parameter OUT_AT = 22,
    parameter Y_AT = 26,
    parameter ACC_AT = 6,
    parameter NT_AW = $clog2(NT_WORDS)
) (
    input  wire                      clk,
    input  wire                      rst,
    input  wire                      i_valid,
    input  wire [511:0]              i_word,
    output wire                      i_ready,
    input  wire [15:0]               retired_dma,
    input  wire [15:0]               retired_ldw,
    output wire [15:0]               retired_cmp,
    output wire                      busy,
    output wire                      held,
    output wire [51:0]               head,
    input  wire                      shadow_full,
    output wire                      swap,
    output wire                      xf_start,
    input  wire                      xf_ready,
    output wire [162:0]              xf_fields,
    input  wire                      xf_valid,
    input  wire [3:0]                xf_pattern,
    input  wire [16*LANES-1:0]       xf_pop,
    output wire                      bm_we,
    output wire                      at_start,
    input  wire                      at_ready,
    output wire [153:0]              at_fields,
    input  wire                      at_valid,
    input  wire [16*LANES-1:0]       at_acc,
    output wire                      nu_valid,
    output wire                      nu_phase,
    output wire [3:0]                nu_log2c,
    output wire [51:0]               nu_eps,
    output wire                      nu_reset,
    input  wire                      nu_busy,
    output wire [NT_AW-1:0]          nu_index,
    input  wire [5:0]                nu_shift,
    input  wire [17:0]               mean2,
    input  wire [15:0]               norm_r,
    output wire [LANES*40-1:0]       acc_word,
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
    input  wire                      wb_we,
    input  wire [7:0]                wb_addr,
    input  wire                      p_we,
    input  wire [1:0]                p_sel,
    input  wire [7:0]                p_slot,
    input  wire [2:0]                p_field,
    input  wire [16*LANES-1:0]       p_word,
    output wire                      port_conflict,
    output wire                      t_dst_valid,
    output wire [22:0]               t_dst,         // {mem, mask, addr}
    output wire [LANES*ACT_BITS-1:0] t_dst_word,
    output wire                      t_bit_valid,
    output wire [15:0]               t_bit_addr,
    output wire [LANES-1:0]          t_bit_word,
    output wire                      t_start,
    output wire                      t_issue_end
);
    localparam W = LANES * ACT_BITS;

    wire                xf_conv, xf_psum_first, xf_psum_last, at_neg;
    wire [15:0]         xf_a_base, xf_a_s2, xf_a_s3, at_q_bits, at_k_bits, at_v_bits;
    wire [4:0]          xf_a_elems;
    wire [5:0]          xf_g_base, xf_g_step;
    wire [1:0]          xf_g_qsh;
    wire [3:0]          xf_g_len;
    wire [7:0]          xf_y0, xf_height, xf_width;
    wire [11:0]         xf_n2, xf_n3, at_t_stride, at_queries;
    wire [2:0]          xf_xd;
    wire [8:0]          at_tokens;
    wire [23:0]         at_kappa1, at_kappa2, at_kappa3;
    wire [15:0]         bm_addr;
    wire [LANES-1:0]    bm_data;
    wire                l_valid, l_first, l_last, l_is_max, l_rp, l_chords, l_aff, l_bit_y3;
    wire                table_we, table_flat;
    wire [5:0]          table_index;
    wire [31:0]         table_entry;
    wire                acc_valid, y_valid;
    wire [2:0]          l_in_kind, l_mul_kind;
    wire [W-1:0]        l_feat, l_pre_word, l_mid_word, l_out_word, y_word;
    wire [15:0]         l_scalar;
    wire [47:0]         l_extra;
    wire                l_stencil;
    wire [3*W-1:0]      l_words;
    wire [7:0]          l_cm_slot, l_om_slot;
    wire [5:0]          l_q_slot, l_sh1;
    wire [4:0]          l_sh2, l_sh3;
    wire [1:0]          l_pool;
    wire [LANES-1:0]    y_bits;
    wire                wbr_re;
    wire [15:0]         wbr_addr;
    wire                t_dst_mem;
    wire [13:0]         t_dst_addr;
    wire [7:0]          t_dst_mask;

    assign xf_fields = {xf_psum_last, xf_psum_first, xf_xd, xf_n3, xf_n2, xf_width, xf_height,
        xf_y0,
        xf_g_len, xf_g_qsh, xf_g_step, xf_g_base, xf_a_elems, xf_a_s3, xf_a_s2,
        xf_a_base, xf_conv} | 163'd0;
    assign at_fields = {at_neg, at_kappa3, at_kappa2, at_kappa1, at_queries, at_tokens,
        at_t_stride, at_v_bits, at_k_bits, at_q_bits} | 154'd0;
    assign t_dst = {t_dst_mem, t_dst_mask, t_dst_addr};

    compute_ctl #(
        .LANES(LANES), .ACT_BITS(ACT_BITS), .FM_WORDS(FM_WORDS), .TM_WORDS(TM_WORDS),
        .NT_WORDS(NT_WORDS), .PRE_AT(PRE_AT), .MID_AT(MID_AT), .OUT_AT(OUT_AT), .Y_AT(Y_AT),
        .ACC_AT(ACC_AT)
    ) u_ctl (
        .clk(clk), .rst(rst), .i_valid(i_valid), .i_word(i_word), .i_ready(i_ready),
        .retired_dma(retired_dma), .retired_ldw(retired_ldw), .retired_cmp(retired_cmp),
        .busy(busy), .held(held), .head(head), .shadow_full(shadow_full), .swap(swap),
        .xf_start(xf_start), .xf_ready(xf_ready), .xf_conv(xf_conv), .xf_a_base(xf_a_base),
        .xf_a_s2(xf_a_s2), .xf_a_s3(xf_a_s3), .xf_a_elems(xf_a_elems), .xf_g_base(xf_g_base),
        .xf_g_step(xf_g_step), .xf_g_qsh(xf_g_qsh), .xf_g_len(xf_g_len), .xf_y0(xf_y0),
        .xf_height(xf_height), .xf_width(xf_width), .xf_n2(xf_n2), .xf_n3(xf_n3), .xf_xd(xf_xd),
        .xf_psum_first(xf_psum_first), .xf_psum_last(xf_psum_last), .xf_valid(xf_valid),
        .xf_pattern(xf_pattern), .bm_we(bm_we), .bm_addr(bm_addr), .bm_data(bm_data),
        .at_start(at_start), .at_ready(at_ready), .at_q_bits(at_q_bits), .at_k_bits(at_k_bits),
        .at_v_bits(at_v_bits), .at_t_stride(at_t_stride), .at_tokens(at_tokens),
        .at_queries(at_queries),
        .at_kappa1(at_kappa1), .at_kappa2(at_kappa2), .at_kappa3(at_kappa3), .at_neg(at_neg),
        .at_valid(at_valid), .l_valid(l_valid), .l_in_kind(l_in_kind), .l_mul_kind(l_mul_kind),
        .l_feat(l_feat), .l_scalar(l_scalar), .l_extra(l_extra),
        .l_stencil(l_stencil), .l_words(l_words), .l_cm_slot(l_cm_slot), .l_om_slot(l_om_slot),
        .l_q_slot(l_q_slot), .l_first(l_first), .l_last(l_last), .l_is_max(l_is_max),
        .l_sh1(l_sh1), .l_rp(l_rp), .l_sh2(l_sh2), .l_chords(l_chords),
        .table_we(table_we), .table_index(table_index), .table_entry(table_entry),
        .table_flat(table_flat), .l_aff(l_aff), .l_sh3(l_sh3),
        .l_pool(l_pool), .l_bit_y3(l_bit_y3), .l_pre_word(l_pre_word), .l_mid_word(l_mid_word),
        .l_out_word(l_out_word), .l_acc_valid(acc_valid), .l_y_valid(y_valid), .l_y_word(y_word),
        .l_y_bits(y_bits), .nu_valid(nu_valid), .nu_phase(nu_phase), .nu_log2c(nu_log2c),
        .nu_eps(nu_eps), .nu_reset(nu_reset), .nu_busy(nu_busy), .nu_index(nu_index),
        .nu_shift(nu_shift), .f_we(f_we), .f_mem(f_mem), .f_addr(f_addr), .f_word(f_word),
        .f_ready(f_ready), .fr_re(fr_re), .fr_mem(fr_mem), .fr_addr(fr_addr), .fr_ready(fr_ready),
        .fr_word(fr_word), .wbr_re(wbr_re), .wbr_addr(wbr_addr), .port_conflict(port_conflict),
        .t_dst_valid(t_dst_valid), .t_dst_mem(t_dst_mem), .t_dst_addr(t_dst_addr),
        .t_dst_mask(t_dst_mask), .t_dst_word(t_dst_word), .t_bit_valid(t_bit_valid),
        .t_bit_addr(t_bit_addr), .t_bit_word(t_bit_word), .t_start(t_start),
        .t_issue_end(t_issue_end)
    );

    (* ram_style = "block" *)
    reg [16*LANES-1:0] wb [0:255];
    reg [16*LANES-1:0] wb_read_q;
    reg [16*LANES-1:0] wb_word_q;

    always @(posedge clk) begin
        if (wb_we) wb[wb_addr] <= p_word;
        if (wbr_re) wb_read_q <= wb[wbr_addr[7:0]];
        wb_word_q <= wb_read_q;
    end

    lanes #(
        .LANES(LANES), .ACT_BITS(ACT_BITS), .CM_SLOTS(CM_SLOTS), .OM_SLOTS(OM_SLOTS),
        .QM_SLOTS(QM_SLOTS)
    ) u_lanes (
        .clk(clk), .rst(rst), .in_valid(l_valid), .in_kind(l_in_kind), .mul_kind(l_mul_kind),
        .in_feat(l_feat), .in_pop(xf_pop), .in_acc(at_acc), .in_scalar(l_scalar),
        .in_extra(l_extra),
        .in_stencil(l_stencil), .in_words(l_words),
        .in_weight(wb_word_q), .mean2(mean2), .norm_r(norm_r), .cm_slot(l_cm_slot),
        .om_slot(l_om_slot), .first(l_first), .last(l_last), .is_max(l_is_max),
        .q_slot(l_q_slot), .sh1(l_sh1), .rp(l_rp), .sh2(l_sh2), .chords(l_chords),
        .table_we(table_we), .table_index(table_index), .table_entry(table_entry),
        .table_flat(table_flat), .aff(l_aff),
        .sh3(l_sh3), .pool(l_pool), .bit_y3(l_bit_y3),
        .pre_word(l_pre_word), .mid_word(l_mid_word), .out_word(l_out_word),
        .acc_valid(acc_valid), .acc_word(acc_word), .y_valid(y_valid), .y_word(y_word),
        .y_bits(y_bits), .p_we(p_we), .p_sel(p_sel), .p_slot(p_slot), .p_field(p_field),
        .p_word(p_word)
    );
endmodule
`default_nettype wire
