// core_queues: program fetch and dispatch, and the three queues behind it.
//
//   read master --program--> sequencer --q_*--+--> DMA queue (the low DMA_BITS of an instruction)
//                                             +--> LDW queue (the low LDW_BITS)
//                                             +--> compute queue
//
// Names: rd_*, rdd_* request to the read master and its data; q_* between sequencer and queues;
// dma_*, ldw_*, cmp_* behind them.
// Program order is kept within each queue; the units behind them wait for one another by retired
// counts only. Reset: control only. Cost: the sequencer, the queues in LUT RAM.
`default_nettype none
module core_queues #(
    parameter AXI_BITS    = 128,
    parameter ADDR_BITS   = 32,
    parameter BEAT_BITS   = 21,
    parameter DMA_BITS    = 256,
    parameter LDW_BITS    = 128,
    parameter QUEUE_DEPTH = 8
) (
    input  wire                 clk,
    input  wire                 rst,
    input  wire                 halt,
    // run
    input  wire                 run,
    input  wire [ADDR_BITS-1:0] base,
    input  wire [23:0]          count,        // instructions
    output wire                 finished,     // strobe
    output wire                 error_opcode,
    output wire                 error_end,
    // read master
    output wire                 rd_valid,
    input  wire                 rd_ready,
    output wire [ADDR_BITS-1:0] rd_addr,
    output wire [BEAT_BITS-1:0] rd_beats,
    input  wire                 rdd_valid,
    input  wire [AXI_BITS-1:0]  rdd_data,
    // oldest instruction of each queue
    output wire                 dma_valid,
    input  wire                 dma_ready,
    output wire [DMA_BITS-1:0]  dma_word,
    output wire                 ldw_valid,
    input  wire                 ldw_ready,
    output wire [LDW_BITS-1:0]  ldw_word,
    output wire                 cmp_valid,
    input  wire                 cmp_ready,
    output wire [511:0]         cmp_word,
    // counts, status
    input  wire [15:0]          retired_dma,
    input  wire [15:0]          retired_ldw,
    input  wire [15:0]          retired_cmp,
    output wire [15:0]          issued_dma,
    output wire [15:0]          issued_ldw,
    output wire [15:0]          issued_cmp,
    output wire                 dispatch,     // strobe: an instruction enters a queue
    output wire                 head_valid,   // an instruction waits for its queue
    output wire [3:0]           head_op
);
    wire [511:0] q_word;
    wire         q_dma_valid, q_dma_ready, q_ldw_valid, q_ldw_ready, q_cmp_valid, q_cmp_ready;
    wire         running;

    sequencer #(.AXI_BITS(AXI_BITS), .ADDR_BITS(ADDR_BITS), .BEAT_BITS(BEAT_BITS)) u_sequencer (
        .clk(clk), .rst(rst), .halt(halt),
        .start(run), .base(base), .count(count), .running(running), .done(finished),
        .error_opcode(error_opcode), .error_end(error_end),
        .rd_valid(rd_valid), .rd_ready(rd_ready), .rd_addr(rd_addr), .rd_beats(rd_beats),
        .rdd_valid(rdd_valid), .rdd_data(rdd_data), .q_word(q_word),
        .q_dma_valid(q_dma_valid), .q_dma_ready(q_dma_ready),
        .q_ldw_valid(q_ldw_valid), .q_ldw_ready(q_ldw_ready),
        .q_cmp_valid(q_cmp_valid), .q_cmp_ready(q_cmp_ready),
        .retired_dma(retired_dma), .retired_ldw(retired_ldw), .retired_cmp(retired_cmp),
        .issued_dma(issued_dma), .issued_ldw(issued_ldw), .issued_cmp(issued_cmp),
        .dispatch(dispatch), .head_valid(head_valid), .head_op(head_op)
    );

    fifo_lut #(.WIDTH(DMA_BITS), .DEPTH(QUEUE_DEPTH)) u_queue_dma (
        .clk(clk), .rst(rst),
        .s_valid(q_dma_valid), .s_ready(q_dma_ready), .s_data(q_word[DMA_BITS-1:0]),
        .m_valid(dma_valid), .m_ready(dma_ready), .m_data(dma_word)
    );

    fifo_lut #(.WIDTH(LDW_BITS), .DEPTH(QUEUE_DEPTH)) u_queue_ldw (
        .clk(clk), .rst(rst),
        .s_valid(q_ldw_valid), .s_ready(q_ldw_ready), .s_data(q_word[LDW_BITS-1:0]),
        .m_valid(ldw_valid), .m_ready(ldw_ready), .m_data(ldw_word)
    );

    fifo_lut #(.WIDTH(512), .DEPTH(QUEUE_DEPTH)) u_queue_cmp (
        .clk(clk), .rst(rst),
        .s_valid(q_cmp_valid), .s_ready(q_cmp_ready), .s_data(q_word),
        .m_valid(cmp_valid), .m_ready(cmp_ready), .m_data(cmp_word)
    );

    wire unused = running;
endmodule
`default_nettype wire
