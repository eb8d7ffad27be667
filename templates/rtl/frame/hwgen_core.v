// Core of the engine: AXI masters, control registers, queues, DMA, weight loader, weight buffer and
// the compute unit, with trace ports for simulation. Wiring only.
//
//   axi_read --program--> core_queues --instructions--> core_transfer, compute_unit
//   axi_read --records, image--> core_transfer --parameters, features, weights--> compute_unit
//   compute_unit --features--> core_transfer --results--> axi_write
//   axil_regs --start, soft reset--> core_state --reset, halt--> all
//
// Program order is kept within each of the three queues; units wait for one another by retired
// counts only. `start` (a register write) resets all units except the memories, the weight store's
// state and the AXI masters, then runs the program. A soft reset first lets outstanding AXI
// transfers come to their end.
// The first error stops dispatch and DMA, and is kept in STATUS.
//
// AXI4 channels carry short names here (ar_*, r_*, aw_*, w_*, b_*; s_* is AXI4-Lite); hwgen_top
// gives them their standard ones. Each is a vector with a slice per memory port; inside, addresses
// are those of the whole memory, INNER_BITS wide (axi_read.v: planes). Inside, requests of the AXI
// masters and their data: pr_* program, rd_* and rdd_* DMA reads, wr_* and wrd_* DMA writes; wt_*
// weights into the array, p_* parameters, f_* and fr_* words to and from FM and TM, wbr_* the
// compute unit's reads of WB. Trace ports t_*: dst and bit writes of the lanes; start (conditions
// met) and retire strobes of each unit; the headers that each unit holds, to name a unit that
// hangs.
//
// Timing: hwgen/units/sequencer.py; the first program address is on the bus 7 cycles after the
// engine becomes busy. Reset: control only.
`default_nettype none
module hwgen_core #(
    parameter LANES       = 16,
    parameter ACT_BITS    = 16,
    parameter KW          = 128,
    parameter AXI_PORTS   = 1,    // 1 or 2
    parameter AXI_BITS    = 128,  // of a beat, all ports together
    parameter ADDR_BITS   = 32,   // of a port
    parameter GU          = 4,
    parameter GS          = 8,
    parameter FM_WORDS    = 1024,
    parameter TM_WORDS    = 1024,
    parameter BM_ROWS     = 512,
    parameter WB_WORDS    = 1024,
    parameter PS_WORDS    = 256,
    parameter CM_SLOTS    = 64,
    parameter OM_SLOTS    = 32,
    parameter QM_SLOTS    = 16,
    parameter NT_WORDS    = 64,
    parameter PK          = 4,
    parameter HEAD        = 64,
    parameter STORE_WORDS = 0,  // 0: no weight store
    parameter ULTRA = 0,
    parameter DMA_BITS    = 256,  // bits of an instruction that these queues keep: isa.queue_bits
    parameter LDW_BITS    = 128,
    parameter MAX_TOKENS  = 256,
    parameter QUEUE_DEPTH = 8,
    parameter MAX_BURST   = 64,
    parameter VERSION     = 1
) (
    input wire clk,
    input wire rst,

    input  wire [ 7:0] s_awaddr,
    input  wire        s_awvalid,
    output wire        s_awready,
    input  wire [31:0] s_wdata,
    input  wire [ 3:0] s_wstrb,
    input  wire        s_wvalid,
    output wire        s_wready,
    output wire [ 1:0] s_bresp,
    output wire        s_bvalid,
    input  wire        s_bready,
    input  wire [ 7:0] s_araddr,
    input  wire        s_arvalid,
    output wire        s_arready,
    output wire [31:0] s_rdata,
    output wire [ 1:0] s_rresp,
    output wire        s_rvalid,
    input  wire        s_rready,
    output wire        irq,

    output wire [AXI_PORTS*ADDR_BITS-1:0] ar_addr,
    output wire [        AXI_PORTS*8-1:0] ar_len,
    output wire [          AXI_PORTS-1:0] ar_valid,
    input  wire [          AXI_PORTS-1:0] ar_ready,
    input  wire [           AXI_BITS-1:0] r_data,
    input  wire [        AXI_PORTS*2-1:0] r_resp,
    input  wire [          AXI_PORTS-1:0] r_last,
    input  wire [          AXI_PORTS-1:0] r_valid,
    output wire [          AXI_PORTS-1:0] r_ready,
    output wire [AXI_PORTS*ADDR_BITS-1:0] aw_addr,
    output wire [        AXI_PORTS*8-1:0] aw_len,
    output wire [          AXI_PORTS-1:0] aw_valid,
    input  wire [          AXI_PORTS-1:0] aw_ready,
    output wire [           AXI_BITS-1:0] w_data,
    output wire [         AXI_BITS/8-1:0] w_strb,
    output wire [          AXI_PORTS-1:0] w_last,
    output wire [          AXI_PORTS-1:0] w_valid,
    input  wire [          AXI_PORTS-1:0] w_ready,
    input  wire [        AXI_PORTS*2-1:0] b_resp,
    input  wire [          AXI_PORTS-1:0] b_valid,
    output wire [          AXI_PORTS-1:0] b_ready,

    output wire                      t_dst_valid,
    output wire                      t_dst_mem,
    output wire [              13:0] t_dst_addr,
    output wire [               7:0] t_dst_mask,
    output wire [LANES*ACT_BITS-1:0] t_dst_word,
    output wire                      t_bit_valid,
    output wire [              15:0] t_bit_addr,
    output wire [         LANES-1:0] t_bit_word,
    output wire                      t_start,       // compute: an instruction starts
    output wire                      t_issue_end,   // compute: its last issue beat
    output wire                      t_cmp_retire,
    output wire                      t_dma_start,
    output wire                      t_dma_retire,
    output wire                      t_ldw_start,
    output wire                      t_ldw_retire,
    output wire                      t_dispatch,
    output wire                      t_run,         // start reaches the sequencer
    output wire                      t_busy,
    output wire                      t_done,
    output wire [               3:0] t_error,
    output wire                      t_port_conflict,
    output wire [               4:0] t_head_seq,    // {valid, opcode}
    output wire [              52:0] t_head_dma,    // {valid, head of dma.v}
    output wire [              52:0] t_head_ldw,
    output wire [              52:0] t_head_cmp,
    output wire [              47:0] t_retired      // {cmp, ldw, dma}
);
    localparam BEAT_BITS = 21;
    localparam INNER_BITS = ADDR_BITS + AXI_PORTS - 1;

    // ---------------------------------------------------------------- control
    wire                 start, soft_reset, rebased, finished, busy;
    wire [INNER_BITS-1:0] base_program, base_weight, base_input, base_output;
    wire [ADDR_BITS-1:0] plane;
    wire [23:0]          count;
    wire                 flush, unit_rst, halt;
    wire [15:0]          retired_dma, retired_ldw, retired_cmp;
    wire [15:0]          issued_dma, issued_ldw, issued_cmp;
    wire                 store_full, dma_busy, ldw_busy, cmp_busy, cmp_held;
    wire [51:0]          dma_head, ldw_head, cmp_head;
    wire                 seq_valid;
    wire [3:0]           seq_op;
    wire                 read_idle, write_idle, beat_read, beat_written;
    wire                 read_error, write_error, error_crc, error_opcode, error_end;
    wire                 port_conflict;

    core_state u_state (
        .clk(clk), .rst(rst), .start(start), .soft_reset(soft_reset),
        .read_idle(read_idle), .write_idle(write_idle),
        .read_error(read_error), .write_error(write_error), .error_crc(error_crc),
        .error_opcode(error_opcode), .error_end(error_end), .port_conflict(port_conflict),
        .flush(flush), .unit_rst(unit_rst), .run(t_run), .halt(halt), .error_code(t_error),
        .conflict(t_port_conflict)
    );

    axil_regs #(
        .AXI_PORTS(AXI_PORTS), .AXI_BITS(AXI_BITS), .ADDR_BITS(ADDR_BITS), .VERSION(VERSION),
        .LANES(LANES), .ACT_BITS(ACT_BITS), .KW(KW)
    ) u_regs (
        .clk(clk), .rst(rst),
        .s_awaddr(s_awaddr), .s_awvalid(s_awvalid), .s_awready(s_awready),
        .s_wdata(s_wdata), .s_wstrb(s_wstrb), .s_wvalid(s_wvalid), .s_wready(s_wready),
        .s_bresp(s_bresp), .s_bvalid(s_bvalid), .s_bready(s_bready),
        .s_araddr(s_araddr), .s_arvalid(s_arvalid), .s_arready(s_arready),
        .s_rdata(s_rdata), .s_rresp(s_rresp), .s_rvalid(s_rvalid), .s_rready(s_rready),
        .start(start), .soft_reset(soft_reset), .rebased(rebased),
        .base_program(base_program), .base_weight(base_weight), .base_input(base_input),
        .base_output(base_output), .plane(plane), .count(count),
        .resetting(flush), .finished(finished), .error_code(t_error),
        .port_conflict(t_port_conflict), .store_full(store_full),
        .busy_dma(dma_busy), .busy_ldw(ldw_busy), .busy_cmp(cmp_busy),
        .result(t_dst_valid || t_bit_valid), .beat_read(beat_read), .beat_written(beat_written),
        .retired_dma(retired_dma), .retired_ldw(retired_ldw), .retired_cmp(retired_cmp),
        .issued_dma(issued_dma), .issued_ldw(issued_ldw), .issued_cmp(issued_cmp),
        .head_seq({seq_valid, seq_op}), .head_dma({dma_busy, dma_head[3:0]}),
        .head_ldw({ldw_busy, ldw_head[3:0]}), .head_cmp({cmp_held, cmp_head[3:0]}),
        .busy(busy), .irq(irq)
    );

    // ---------------------------------------------------------------- AXI masters
    wire                 pr_valid, pr_ready, prd_valid;
    wire [INNER_BITS-1:0] pr_addr;
    wire [BEAT_BITS-1:0] pr_beats;
    wire                 rd_valid, rd_ready, rdd_valid, rdd_ready;
    wire [INNER_BITS-1:0] rd_addr;
    wire [BEAT_BITS-1:0] rd_beats;
    wire [AXI_BITS-1:0]  read_data;
    wire                 wr_valid, wr_ready, wr_done, wrd_valid, wrd_ready;
    wire [INNER_BITS-1:0] wr_addr;
    wire [BEAT_BITS-1:0] wr_beats;
    wire [AXI_BITS-1:0]  wrd_data;

    axi_read #(
        .AXI_PORTS(AXI_PORTS), .AXI_BITS(AXI_BITS), .ADDR_BITS(ADDR_BITS), .BEAT_BITS(BEAT_BITS),
        .MAX_BURST(MAX_BURST)
    ) u_read (
        .clk(clk), .rst(rst), .flush(flush), .idle(read_idle), .plane(plane),
        .p_valid(pr_valid), .p_ready(pr_ready), .p_addr(pr_addr), .p_beats(pr_beats),
        .pd_valid(prd_valid),
        .d_valid(rd_valid), .d_ready(rd_ready), .d_addr(rd_addr), .d_beats(rd_beats),
        .dd_valid(rdd_valid), .dd_ready(rdd_ready), .data(read_data),
        .ar_valid(ar_valid), .ar_ready(ar_ready), .ar_addr(ar_addr), .ar_len(ar_len),
        .r_valid(r_valid), .r_ready(r_ready), .r_data(r_data), .r_resp(r_resp), .r_last(r_last),
        .beat(beat_read), .error(read_error)
    );

    axi_write #(
        .AXI_PORTS(AXI_PORTS), .AXI_BITS(AXI_BITS), .ADDR_BITS(ADDR_BITS), .BEAT_BITS(BEAT_BITS),
        .MAX_BURST(MAX_BURST)
    ) u_write (
        .clk(clk), .rst(rst), .flush(flush), .idle(write_idle), .plane(plane),
        .c_valid(wr_valid), .c_ready(wr_ready), .c_addr(wr_addr), .c_beats(wr_beats),
        .done(wr_done), .s_valid(wrd_valid), .s_ready(wrd_ready), .s_data(wrd_data),
        .aw_valid(aw_valid), .aw_ready(aw_ready), .aw_addr(aw_addr), .aw_len(aw_len),
        .w_valid(w_valid), .w_ready(w_ready), .w_data(w_data), .w_strb(w_strb), .w_last(w_last),
        .b_valid(b_valid), .b_ready(b_ready), .b_resp(b_resp),
        .beat(beat_written), .error(write_error)
    );

    // ---------------------------------------------------------------- queues
    wire                dma_valid, dma_ready, ldw_valid, ldw_ready, cmp_valid, cmp_ready;
    wire [DMA_BITS-1:0] dma_word;
    wire [LDW_BITS-1:0] ldw_word;
    wire [511:0]        cmp_word;

    core_queues #(
        .AXI_BITS(AXI_BITS), .ADDR_BITS(INNER_BITS), .BEAT_BITS(BEAT_BITS), .DMA_BITS(DMA_BITS),
        .LDW_BITS(LDW_BITS), .QUEUE_DEPTH(QUEUE_DEPTH)
    ) u_queues (
        .clk(clk), .rst(unit_rst), .halt(halt),
        .run(t_run), .base(base_program), .count(count), .finished(finished),
        .error_opcode(error_opcode), .error_end(error_end),
        .rd_valid(pr_valid), .rd_ready(pr_ready), .rd_addr(pr_addr), .rd_beats(pr_beats),
        .rdd_valid(prd_valid), .rdd_data(read_data),
        .dma_valid(dma_valid), .dma_ready(dma_ready), .dma_word(dma_word),
        .ldw_valid(ldw_valid), .ldw_ready(ldw_ready), .ldw_word(ldw_word),
        .cmp_valid(cmp_valid), .cmp_ready(cmp_ready), .cmp_word(cmp_word),
        .retired_dma(retired_dma), .retired_ldw(retired_ldw), .retired_cmp(retired_cmp),
        .issued_dma(issued_dma), .issued_ldw(issued_ldw), .issued_cmp(issued_cmp),
        .dispatch(t_dispatch), .head_valid(seq_valid), .head_op(seq_op)
    );

    // ---------------------------------------------------------------- DMA, weights
    wire                p_we;
    wire [1:0]          p_sel;
    wire [7:0]          p_slot;
    wire [2:0]          p_field;
    wire                f_we, f_mem, f_ready, fr_re, fr_mem, fr_ready;
    wire [13:0]         f_addr, fr_addr;
    wire                wbr_re, wt_fill, wt_we, swap, shadow_full;
    wire [15:0]         wbr_addr;
    wire [7:0]          wt_col;
    wire [16*LANES-1:0] p_word, f_word, fr_word, wbr_word, wt_data;

    core_transfer #(
        .LANES(LANES), .AXI_BITS(AXI_BITS), .ADDR_BITS(INNER_BITS), .BEAT_BITS(BEAT_BITS),
        .WB_WORDS(WB_WORDS), .STORE_WORDS(STORE_WORDS), .ULTRA(ULTRA),
        .DMA_BITS(DMA_BITS), .LDW_BITS(LDW_BITS)
    ) u_transfer (
        .clk(clk), .rst(unit_rst), .halt(halt),
        .dma_valid(dma_valid), .dma_ready(dma_ready), .dma_word(dma_word),
        .ldw_valid(ldw_valid), .ldw_ready(ldw_ready), .ldw_word(ldw_word),
        .retired_dma(retired_dma), .retired_ldw(retired_ldw), .retired_cmp(retired_cmp),
        .store_rst(rst), .start(start), .finished(finished), .forget(soft_reset || rebased),
        .store_full(store_full),
        .base_weight(base_weight), .base_input(base_input), .base_output(base_output),
        .rd_valid(rd_valid), .rd_ready(rd_ready), .rd_addr(rd_addr), .rd_beats(rd_beats),
        .rdd_valid(rdd_valid), .rdd_ready(rdd_ready), .rdd_data(read_data),
        .wr_valid(wr_valid), .wr_ready(wr_ready), .wr_addr(wr_addr), .wr_beats(wr_beats),
        .wr_done(wr_done), .wrd_valid(wrd_valid), .wrd_ready(wrd_ready), .wrd_data(wrd_data),
        .p_we(p_we), .p_sel(p_sel), .p_slot(p_slot), .p_field(p_field), .p_word(p_word),
        .f_we(f_we), .f_mem(f_mem), .f_addr(f_addr), .f_word(f_word), .f_ready(f_ready),
        .fr_re(fr_re), .fr_mem(fr_mem), .fr_addr(fr_addr), .fr_ready(fr_ready), .fr_word(fr_word),
        .wbr_re(wbr_re), .wbr_addr(wbr_addr), .wbr_word(wbr_word),
        .w_fill(wt_fill), .w_we(wt_we), .w_col(wt_col), .w_data(wt_data),
        .swap(swap), .shadow_full(shadow_full),
        .error_crc(error_crc),
        .dma_busy(dma_busy), .dma_start(t_dma_start), .dma_retire(t_dma_retire),
        .dma_head(dma_head),
        .ldw_busy(ldw_busy), .ldw_start(t_ldw_start), .ldw_retire(t_ldw_retire),
        .ldw_head(ldw_head)
    );

    // ---------------------------------------------------------------- compute
    compute_unit #(
        .LANES(LANES), .ACT_BITS(ACT_BITS), .KW(KW), .GU(GU), .GS(GS), .FM_WORDS(FM_WORDS),
        .TM_WORDS(TM_WORDS), .BM_ROWS(BM_ROWS), .PS_WORDS(PS_WORDS), .CM_SLOTS(CM_SLOTS),
        .OM_SLOTS(OM_SLOTS), .QM_SLOTS(QM_SLOTS), .NT_WORDS(NT_WORDS), .PK(PK),
        .HEAD(HEAD), .MAX_TOKENS(MAX_TOKENS), .ULTRA(ULTRA)
    ) u_compute (
        .clk(clk), .rst(unit_rst),
        .i_valid(cmp_valid), .i_ready(cmp_ready), .i_word(cmp_word),
        .retired_dma(retired_dma), .retired_ldw(retired_ldw), .retired_cmp(retired_cmp),
        .shadow_full(shadow_full), .swap(swap),
        .w_fill(wt_fill), .w_we(wt_we), .w_col(wt_col), .w_data(wt_data),
        .wbr_re(wbr_re), .wbr_addr(wbr_addr), .wbr_word(wbr_word),
        .p_we(p_we), .p_sel(p_sel), .p_slot(p_slot), .p_field(p_field), .p_word(p_word),
        .f_we(f_we), .f_mem(f_mem), .f_addr(f_addr), .f_word(f_word), .f_ready(f_ready),
        .fr_re(fr_re), .fr_mem(fr_mem), .fr_addr(fr_addr), .fr_ready(fr_ready), .fr_word(fr_word),
        .busy(cmp_busy), .held(cmp_held), .head(cmp_head), .port_conflict(port_conflict),
        .t_dst_valid(t_dst_valid), .t_dst_mem(t_dst_mem), .t_dst_addr(t_dst_addr),
        .t_dst_mask(t_dst_mask), .t_dst_word(t_dst_word),
        .t_bit_valid(t_bit_valid), .t_bit_addr(t_bit_addr), .t_bit_word(t_bit_word),
        .t_start(t_start), .t_issue_end(t_issue_end)
    );

    // ---------------------------------------------------------------- traces
    reg [15:0] retired_cmp_q;
    always @(posedge clk) begin
        retired_cmp_q <= retired_cmp;
    end
    assign t_cmp_retire = retired_cmp != retired_cmp_q;
    assign t_busy = busy;
    assign t_done = finished;
    assign t_head_seq = {seq_valid, seq_op};
    assign t_head_dma = {dma_busy, dma_head};
    assign t_head_ldw = {ldw_busy, ldw_head};
    assign t_head_cmp = {cmp_held, cmp_head};
    assign t_retired = {retired_cmp, retired_ldw, retired_dma};
endmodule
`default_nettype wire
