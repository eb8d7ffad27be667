// core_transfer: the DMA and LDW queues - what moves words between DDR and the engine's memories.
//
//   DDR <--> dma --words--+--> weight_buffer (WB) --> ldw --> shadow weights of the XNOR array
//             ^ |         |         `---------------> weights of MACS
//   weight_store (kept)   +--> parameters of the lanes; features: FM, TM
//
// rd_*, wr_*: requests to the AXI masters, rdd_*, wrd_*: their data. Words of WB, parameters and
// the weight store share one bus, p_word. Reads of WB: MACS before ldw; its word comes 2 cycles
// later. Without a weight store (STORE_WORDS = 0) no frame is warm.
// Names: p_* parameters of the lanes, f_* writes and fr_* reads of FM and TM, wbr_* MACS' reads of
// WB, w_* weights into the array, st_* the weight store; dma_*, ldw_*: of the two queues.
// `rst` is that of the units; `store_rst` that of the weight store's state, which outlives a frame.
// Reset: control only. Cost: its parts.
`default_nettype none
module core_transfer #(
    parameter LANES       = 16,
    parameter AXI_BITS    = 128,
    parameter ADDR_BITS   = 32,
    parameter BEAT_BITS   = 21,
    parameter WB_WORDS    = 1024,
    parameter STORE_WORDS = 0,
    parameter ULTRA = 0,
    parameter DMA_BITS    = 256,
    parameter LDW_BITS    = 128
) (
    input  wire                 clk,
    input  wire                 rst,
    input  wire                 halt,
    // queues
    input  wire                 dma_valid,
    output wire                 dma_ready,
    input  wire [DMA_BITS-1:0]  dma_word,
    input  wire                 ldw_valid,
    output wire                 ldw_ready,
    input  wire [LDW_BITS-1:0]  ldw_word,
    output wire [15:0]          retired_dma,
    output wire [15:0]          retired_ldw,
    input  wire [15:0]          retired_cmp,
    // weight store (weight_store.v)
    input  wire                 store_rst,
    input  wire                 start,
    input  wire                 finished,
    input  wire                 forget,
    output wire                 store_full,
    // AXI masters
    input  wire [ADDR_BITS-1:0] base_weight,
    input  wire [ADDR_BITS-1:0] base_input,
    input  wire [ADDR_BITS-1:0] base_output,
    output wire                 rd_valid,
    input  wire                 rd_ready,
    output wire [ADDR_BITS-1:0] rd_addr,
    output wire [BEAT_BITS-1:0] rd_beats,
    input  wire                 rdd_valid,
    output wire                 rdd_ready,
    input  wire [AXI_BITS-1:0]  rdd_data,
    output wire                 wr_valid,
    input  wire                 wr_ready,
    output wire [ADDR_BITS-1:0] wr_addr,
    output wire [BEAT_BITS-1:0] wr_beats,
    input  wire                 wr_done,
    output wire                 wrd_valid,
    input  wire                 wrd_ready,
    output wire [AXI_BITS-1:0]  wrd_data,
    // compute unit: parameters, features, weights
    output wire                 p_we,
    output wire [1:0]           p_sel,
    output wire [7:0]           p_slot,
    output wire [2:0]           p_field,
    output wire [16*LANES-1:0]  p_word,
    output wire                 f_we,
    output wire                 f_mem,
    output wire [13:0]          f_addr,
    output wire [16*LANES-1:0]  f_word,
    input  wire                 f_ready,
    output wire                 fr_re,
    output wire                 fr_mem,
    output wire [13:0]          fr_addr,
    input  wire                 fr_ready,
    input  wire [16*LANES-1:0]  fr_word,
    input  wire                 wbr_re,
    input  wire [15:0]          wbr_addr,
    output wire [16*LANES-1:0]  wbr_word,
    output wire                 w_fill,
    output wire                 w_we,
    output wire [7:0]           w_col,
    output wire [16*LANES-1:0]  w_data,
    input  wire                 swap,
    output wire                 shadow_full,
    // status
    output wire                 error_crc,
    output wire                 dma_busy,
    output wire                 dma_start,
    output wire                 dma_retire,
    output wire [51:0]          dma_head,
    output wire                 ldw_busy,
    output wire                 ldw_start,
    output wire                 ldw_retire,
    output wire [51:0]          ldw_head
);
    wire                wb_we, st_we, st_re, warm, ldw_re, ldw_grant;
    wire [15:0]         wb_addr, st_addr, ldw_addr;
    wire [16*LANES-1:0] st_word;

    dma #(
        .LANES(LANES), .AXI_BITS(AXI_BITS), .ADDR_BITS(ADDR_BITS), .BEAT_BITS(BEAT_BITS),
        .STORE_WORDS(STORE_WORDS), .I_BITS(DMA_BITS)
    ) u_dma (
        .clk(clk), .rst(rst), .halt(halt),
        .i_valid(dma_valid), .i_ready(dma_ready), .i_word(dma_word),
        .retired_ldw(retired_ldw), .retired_cmp(retired_cmp), .retired_dma(retired_dma),
        .base_weight(base_weight), .base_input(base_input), .base_output(base_output),
        .rd_valid(rd_valid), .rd_ready(rd_ready), .rd_addr(rd_addr), .rd_beats(rd_beats),
        .rdd_valid(rdd_valid), .rdd_ready(rdd_ready), .rdd_data(rdd_data),
        .wr_valid(wr_valid), .wr_ready(wr_ready), .wr_addr(wr_addr), .wr_beats(wr_beats),
        .wr_done(wr_done), .wrd_valid(wrd_valid), .wrd_ready(wrd_ready), .wrd_data(wrd_data),
        .wb_we(wb_we), .wb_addr(wb_addr), .p_we(p_we), .p_sel(p_sel), .p_slot(p_slot),
        .p_field(p_field), .word(p_word),
        .warm(warm), .st_we(st_we), .st_re(st_re), .st_addr(st_addr), .st_word(st_word),
        .f_we(f_we), .f_mem(f_mem), .f_addr(f_addr), .f_ready(f_ready),
        .fr_re(fr_re), .fr_mem(fr_mem), .fr_addr(fr_addr), .fr_ready(fr_ready), .fr_word(fr_word),
        .error_crc(error_crc), .busy(dma_busy), .start(dma_start), .retire(dma_retire),
        .head(dma_head)
    );

    assign f_word = p_word;

    generate
        if (STORE_WORDS != 0) begin : gen_store
            weight_store #(
                .WIDTH(16 * LANES), .WORDS(STORE_WORDS), .ULTRA(ULTRA)
            ) u_store (
                .clk(clk), .rst(store_rst), .start(start), .finished(finished), .forget(forget),
                .warm(warm), .full(store_full),
                .we(st_we), .wr_addr(st_addr), .wr_word(p_word),
                .re(st_re), .rd_addr(st_addr), .rd_word(st_word)
            );
        end else begin : gen_no_store
            assign warm = 1'b0;
            assign store_full = 1'b0;
            assign st_word = {16 * LANES{1'b0}};
            wire unused = &{1'b0, store_rst, start, finished, forget, st_we, st_re, st_addr};
        end
    endgenerate

    weight_buffer #(.LANES(LANES), .WB_WORDS(WB_WORDS)) u_wb (
        .clk(clk), .we(wb_we), .wr_addr(wb_addr), .wr_word(p_word),
        .cmp_re(wbr_re), .cmp_addr(wbr_addr),
        .ldw_re(ldw_re), .ldw_addr(ldw_addr), .ldw_ready(ldw_grant), .rd_word(wbr_word)
    );

    ldw #(.LANES(LANES), .I_BITS(LDW_BITS)) u_ldw (
        .clk(clk), .rst(rst), .i_valid(ldw_valid), .i_ready(ldw_ready), .i_word(ldw_word),
        .retired_dma(retired_dma), .retired_cmp(retired_cmp), .retired_ldw(retired_ldw),
        .wb_re(ldw_re), .wb_addr(ldw_addr), .wb_ready(ldw_grant), .wb_word(wbr_word),
        .w_fill(w_fill), .w_we(w_we), .w_col(w_col), .w_data(w_data),
        .swap(swap), .shadow_full(shadow_full),
        .busy(ldw_busy), .start(ldw_start), .retire(ldw_retire), .head(ldw_head)
    );
endmodule
`default_nettype wire
