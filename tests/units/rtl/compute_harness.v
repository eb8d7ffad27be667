// Test harness: compute_unit with the real lanes and a weight buffer; its other units are pins.
// Their stand-ins (stub/xnor_front.v, attention.v, norm_unit.v) read the inputs of this module.
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
    output wire                      at_start,
    input  wire                      at_ready,
    output wire [159:0]              at_fields,
    input  wire                      at_valid,
    input  wire [16*LANES-1:0]       at_acc,
    output wire                      nu_valid,
    output wire                      nu_phase,
    output wire [3:0]                nu_log2c,
    output wire [16:0]               nu_scale,
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
    wire        t_dst_mem;
    wire [13:0] t_dst_addr;
    wire [7:0]  t_dst_mask;
    wire        wbr_re;
    wire [15:0] wbr_addr;

    assign t_dst = {t_dst_mem, t_dst_mask, t_dst_addr};
    assign xf_start = u_unit.u_xnor.start;
    assign xf_fields = u_unit.u_xnor.fields;
    assign at_start = u_unit.u_attention.start;
    assign at_fields = u_unit.u_attention.fields;
    assign nu_valid = u_unit.u_norm.acc_valid;
    assign nu_phase = u_unit.u_norm.phase;
    assign nu_log2c = u_unit.u_norm.log2c;
    assign nu_scale = u_unit.u_norm.scale;
    assign nu_eps = u_unit.u_norm.eps;
    assign nu_reset = u_unit.u_norm.reset;
    assign nu_index = u_unit.u_norm.rd_index;
    assign acc_word = u_unit.u_norm.acc_word;

    (* ram_style = "block" *)
    reg [16*LANES-1:0] wb [0:255];
    reg [16*LANES-1:0] wb_read_q;
    reg [16*LANES-1:0] wb_word_q;

    always @(posedge clk) begin
        if (wb_we) wb[wb_addr] <= p_word;
        if (wbr_re) wb_read_q <= wb[wbr_addr[7:0]];
        wb_word_q <= wb_read_q;
    end

    compute_unit #(
        .LANES(LANES), .ACT_BITS(ACT_BITS), .FM_WORDS(FM_WORDS), .TM_WORDS(TM_WORDS),
        .CM_SLOTS(CM_SLOTS), .OM_SLOTS(OM_SLOTS), .QM_SLOTS(QM_SLOTS), .NT_WORDS(NT_WORDS)
    ) u_unit (
        .clk(clk), .rst(rst), .i_valid(i_valid), .i_ready(i_ready), .i_word(i_word),
        .retired_dma(retired_dma), .retired_ldw(retired_ldw), .retired_cmp(retired_cmp),
        .shadow_full(shadow_full), .swap(swap), .w_fill(1'b0), .w_we(1'b0), .w_col(8'd0),
        .w_data({16 * LANES{1'b0}}),
        .wbr_re(wbr_re), .wbr_addr(wbr_addr), .wbr_word(wb_word_q),
        .p_we(p_we), .p_sel(p_sel), .p_slot(p_slot), .p_field(p_field), .p_word(p_word),
        .f_we(f_we), .f_mem(f_mem), .f_addr(f_addr), .f_word(f_word), .f_ready(f_ready),
        .fr_re(fr_re), .fr_mem(fr_mem), .fr_addr(fr_addr), .fr_ready(fr_ready),
        .fr_word(fr_word), .busy(busy), .held(held), .head(head), .port_conflict(port_conflict),
        .t_dst_valid(t_dst_valid), .t_dst_mem(t_dst_mem), .t_dst_addr(t_dst_addr),
        .t_dst_mask(t_dst_mask), .t_dst_word(t_dst_word), .t_bit_valid(t_bit_valid),
        .t_bit_addr(t_bit_addr), .t_bit_word(t_bit_word), .t_start(t_start),
        .t_issue_end(t_issue_end)
    );
endmodule
`default_nettype wire
