// Core of the engine: AXI masters, control registers, sequencer, queues, DMA, weight loader, weight
// buffer and the compute unit, with trace ports for simulation.
//
// Program order is kept within each of the three queues; units wait for one another by retired
// counts only. `start` (a register write) resets all units except the memories, the weight store's
// state and the AXI masters, then runs the program. A soft reset first lets outstanding AXI
// transfers come to their end.
// The first error stops dispatch and DMA, and is kept in STATUS.
//
// AXI4 channels carry short names here (ar_*, r_*, aw_*, w_*, b_*; s_* is AXI4-Lite); hwgen_top
// gives them their standard ones. Trace ports t_*: dst and bit writes of the lanes; start
// (conditions met) and retire strobes of each unit; the headers that each unit holds, to name a
// unit that hangs.
//
// Timing: hwgen/units/sequencer.py; the first program address is on the bus 6 cycles after the
// engine becomes busy. Reset: control only.
`default_nettype none
module hwgen_core #(
    parameter LANES       = 16,
    parameter ACT_BITS    = 16,
    parameter KW          = 128,
    parameter AXI_BITS    = 128,
    parameter ADDR_BITS   = 32,
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
    parameter STORE_WORDS = 0,  // 0: no weight store
    parameter STORE_ULTRA = 0,
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

    output wire [ ADDR_BITS-1:0] ar_addr,
    output wire [           7:0] ar_len,
    output wire                  ar_valid,
    input  wire                  ar_ready,
    input  wire [  AXI_BITS-1:0] r_data,
    input  wire [           1:0] r_resp,
    input  wire                  r_last,
    input  wire                  r_valid,
    output wire                  r_ready,
    output wire [ ADDR_BITS-1:0] aw_addr,
    output wire [           7:0] aw_len,
    output wire                  aw_valid,
    input  wire                  aw_ready,
    output wire [  AXI_BITS-1:0] w_data,
    output wire [AXI_BITS/8-1:0] w_strb,
    output wire                  w_last,
    output wire                  w_valid,
    input  wire                  w_ready,
    input  wire [           1:0] b_resp,
    input  wire                  b_valid,
    output wire                  b_ready,

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

    // ---------------------------------------------------------------- control
    wire start;
    wire soft_reset;
    wire rebased;
    wire warm;
    wire store_full;
    wire [ADDR_BITS-1:0] base_program;
    wire [ADDR_BITS-1:0] base_weight;
    wire [ADDR_BITS-1:0] base_input;
    wire [ADDR_BITS-1:0] base_output;
    wire [15:0] count;
    wire finished;
    wire busy;
    wire [15:0] retired_dma;
    wire [15:0] retired_ldw;
    wire [15:0] retired_cmp;
    wire [15:0] issued_dma;
    wire [15:0] issued_ldw;
    wire [15:0] issued_cmp;
    wire dma_busy;
    wire ldw_busy;
    wire cmp_busy;
    wire beat_read;
    wire beat_written;
    wire read_error;
    wire write_error;
    wire error_crc;
    wire error_opcode;
    wire error_end;
    wire port_conflict;
    wire read_idle;
    wire write_idle;
    wire [51:0] dma_head;
    wire [51:0] ldw_head;
    wire [51:0] cmp_head;
    wire cmp_held;
    wire seq_valid;
    wire [3:0] seq_op;

    reg flush_q;
    reg unit_rst_q;
    reg run_q;
    reg run_late_q;
    reg conflict_q;
    reg [3:0] error_q;
    wire halt = error_q != 4'd0;

    always @(posedge clk) begin
        if (soft_reset) flush_q <= 1'b1;
        else if (read_idle && write_idle && unit_rst_q) flush_q <= 1'b0;
        unit_rst_q <= rst || start || soft_reset || flush_q;
        run_q <= start;  // one cycle of reset, then run
        run_late_q <= run_q;

        if (!halt) begin
            if (read_error) error_q <= 4'd1;
            else if (write_error) error_q <= 4'd2;
            else if (error_crc) error_q <= 4'd3;
            else if (error_opcode) error_q <= 4'd4;
            else if (error_end) error_q <= 4'd5;
        end
        if (port_conflict) conflict_q <= 1'b1;
        if (unit_rst_q) begin
            error_q <= 4'd0;
            conflict_q <= 1'b0;
        end
        if (rst) begin
            flush_q <= 1'b0;
            run_q <= 1'b0;
            run_late_q <= 1'b0;
        end
    end

    axil_regs #(
        .ADDR_BITS(ADDR_BITS),
        .VERSION(VERSION),
        .LANES(LANES),
        .ACT_BITS(ACT_BITS),
        .KW(KW)
    ) u_regs (
        .clk(clk),
        .rst(rst),
        .s_awaddr(s_awaddr),
        .s_awvalid(s_awvalid),
        .s_awready(s_awready),
        .s_wdata(s_wdata),
        .s_wstrb(s_wstrb),
        .s_wvalid(s_wvalid),
        .s_wready(s_wready),
        .s_bresp(s_bresp),
        .s_bvalid(s_bvalid),
        .s_bready(s_bready),
        .s_araddr(s_araddr),
        .s_arvalid(s_arvalid),
        .s_arready(s_arready),
        .s_rdata(s_rdata),
        .s_rresp(s_rresp),
        .s_rvalid(s_rvalid),
        .s_rready(s_rready),
        .start(start),
        .soft_reset(soft_reset),
        .rebased(rebased),
        .base_program(base_program),
        .base_weight(base_weight),
        .base_input(base_input),
        .base_output(base_output),
        .count(count),
        .resetting(flush_q),
        .finished(finished),
        .error_code(error_q),
        .port_conflict(conflict_q),
        .store_full(store_full),
        .busy_dma(dma_busy),
        .busy_ldw(ldw_busy),
        .busy_cmp(cmp_busy),
        .result(t_dst_valid || t_bit_valid),
        .beat_read(beat_read),
        .beat_written(beat_written),
        .retired_dma(retired_dma),
        .retired_ldw(retired_ldw),
        .retired_cmp(retired_cmp),
        .issued_dma(issued_dma),
        .issued_ldw(issued_ldw),
        .issued_cmp(issued_cmp),
        .head_seq({seq_valid, seq_op}),
        .head_dma({dma_busy, dma_head[3:0]}),
        .head_ldw({ldw_busy, ldw_head[3:0]}),
        .head_cmp({cmp_held, cmp_head[3:0]}),
        .busy(busy),
        .irq(irq)
    );

    // ---------------------------------------------------------------- AXI masters
    wire p_valid;
    wire p_ready;
    wire [ADDR_BITS-1:0] p_addr;
    wire [BEAT_BITS-1:0] p_beats;
    wire pd_valid;
    wire d_valid;
    wire d_ready;
    wire [ADDR_BITS-1:0] d_addr;
    wire [BEAT_BITS-1:0] d_beats;
    wire dd_valid;
    wire dd_ready;
    wire [AXI_BITS-1:0] read_data;

    axi_read #(
        .AXI_BITS(AXI_BITS),
        .ADDR_BITS(ADDR_BITS),
        .BEAT_BITS(BEAT_BITS),
        .MAX_BURST(MAX_BURST)
    ) u_read (
        .clk(clk),
        .rst(rst),
        .flush(flush_q),
        .idle(read_idle),
        .p_valid(p_valid),
        .p_ready(p_ready),
        .p_addr(p_addr),
        .p_beats(p_beats),
        .pd_valid(pd_valid),
        .d_valid(d_valid),
        .d_ready(d_ready),
        .d_addr(d_addr),
        .d_beats(d_beats),
        .dd_valid(dd_valid),
        .dd_ready(dd_ready),
        .data(read_data),
        .ar_valid(ar_valid),
        .ar_ready(ar_ready),
        .ar_addr(ar_addr),
        .ar_len(ar_len),
        .r_valid(r_valid),
        .r_ready(r_ready),
        .r_data(r_data),
        .r_resp(r_resp),
        .r_last(r_last),
        .beat(beat_read),
        .error(read_error)
    );

    wire c_valid;
    wire c_ready;
    wire [ADDR_BITS-1:0] c_addr;
    wire [BEAT_BITS-1:0] c_beats;
    wire c_done;
    wire cd_valid;
    wire cd_ready;
    wire [AXI_BITS-1:0] cd_data;

    axi_write #(
        .AXI_BITS(AXI_BITS),
        .ADDR_BITS(ADDR_BITS),
        .BEAT_BITS(BEAT_BITS),
        .MAX_BURST(MAX_BURST)
    ) u_write (
        .clk(clk),
        .rst(rst),
        .flush(flush_q),
        .idle(write_idle),
        .c_valid(c_valid),
        .c_ready(c_ready),
        .c_addr(c_addr),
        .c_beats(c_beats),
        .done(c_done),
        .s_valid(cd_valid),
        .s_ready(cd_ready),
        .s_data(cd_data),
        .aw_valid(aw_valid),
        .aw_ready(aw_ready),
        .aw_addr(aw_addr),
        .aw_len(aw_len),
        .w_valid(w_valid),
        .w_ready(w_ready),
        .w_data(w_data),
        .w_strb(w_strb),
        .w_last(w_last),
        .b_valid(b_valid),
        .b_ready(b_ready),
        .b_resp(b_resp),
        .beat(beat_written),
        .error(write_error)
    );

    // ---------------------------------------------------------------- sequencer and queues
    wire [511:0] q_word;
    wire q_dma_valid;
    wire q_dma_ready;
    wire q_ldw_valid;
    wire q_ldw_ready;
    wire q_cmp_valid;
    wire q_cmp_ready;
    wire dma_valid;
    wire dma_ready;
    wire [DMA_BITS-1:0] dma_word;
    wire ldw_valid;
    wire ldw_ready;
    wire [LDW_BITS-1:0] ldw_word;
    wire cmp_valid;
    wire cmp_ready;
    wire [511:0] cmp_word;
    wire seq_running;

    sequencer #(
        .AXI_BITS(AXI_BITS),
        .ADDR_BITS(ADDR_BITS),
        .BEAT_BITS(BEAT_BITS)
    ) u_sequencer (
        .clk(clk),
        .rst(unit_rst_q),
        .halt(halt),
        .start(run_late_q),
        .base(base_program),
        .count(count),
        .running(seq_running),
        .done(finished),
        .error_opcode(error_opcode),
        .error_end(error_end),
        .rd_valid(p_valid),
        .rd_ready(p_ready),
        .rd_addr(p_addr),
        .rd_beats(p_beats),
        .rdd_valid(pd_valid),
        .rdd_data(read_data),
        .q_word(q_word),
        .q_dma_valid(q_dma_valid),
        .q_dma_ready(q_dma_ready),
        .q_ldw_valid(q_ldw_valid),
        .q_ldw_ready(q_ldw_ready),
        .q_cmp_valid(q_cmp_valid),
        .q_cmp_ready(q_cmp_ready),
        .retired_dma(retired_dma),
        .retired_ldw(retired_ldw),
        .retired_cmp(retired_cmp),
        .issued_dma(issued_dma),
        .issued_ldw(issued_ldw),
        .issued_cmp(issued_cmp),
        .dispatch(t_dispatch),
        .head_valid(seq_valid),
        .head_op(seq_op)
    );

    fifo_lut #(
        .WIDTH(DMA_BITS),
        .DEPTH(QUEUE_DEPTH)
    ) u_queue_dma (
        .clk(clk),
        .rst(unit_rst_q),
        .s_valid(q_dma_valid),
        .s_ready(q_dma_ready),
        .s_data(q_word[DMA_BITS-1:0]),
        .m_valid(dma_valid),
        .m_ready(dma_ready),
        .m_data(dma_word)
    );

    fifo_lut #(
        .WIDTH(LDW_BITS),
        .DEPTH(QUEUE_DEPTH)
    ) u_queue_ldw (
        .clk(clk),
        .rst(unit_rst_q),
        .s_valid(q_ldw_valid),
        .s_ready(q_ldw_ready),
        .s_data(q_word[LDW_BITS-1:0]),
        .m_valid(ldw_valid),
        .m_ready(ldw_ready),
        .m_data(ldw_word)
    );

    fifo_lut #(
        .WIDTH(512),
        .DEPTH(QUEUE_DEPTH)
    ) u_queue_cmp (
        .clk(clk),
        .rst(unit_rst_q),
        .s_valid(q_cmp_valid),
        .s_ready(q_cmp_ready),
        .s_data(q_word),
        .m_valid(cmp_valid),
        .m_ready(cmp_ready),
        .m_data(cmp_word)
    );

    // ---------------------------------------------------------------- DMA, weights
    wire wb_we;
    wire [15:0] wb_wr_addr;
    wire [16*LANES-1:0] load_word;
    wire p_we;
    wire [1:0] p_sel;
    wire [7:0] p_slot;
    wire [2:0] p_field;
    wire f_we;
    wire f_mem;
    wire [13:0] f_addr;
    wire [16*LANES-1:0] f_word;
    wire f_ready;
    wire fr_re;
    wire fr_mem;
    wire [13:0] fr_addr;
    wire fr_ready;
    wire [16*LANES-1:0] fr_word;
    wire wbr_re;
    wire [15:0] wbr_addr;
    wire ldw_re;
    wire [15:0] ldw_addr;
    wire ldw_grant;
    wire [16*LANES-1:0] wb_word;
    wire w_fill;
    wire w_we;
    wire [7:0] w_col;
    wire [16*LANES-1:0] w_word;
    wire swap;
    wire shadow_full;
    wire st_we;
    wire st_re;
    wire [15:0] st_addr;
    wire [16*LANES-1:0] st_word;

    dma #(
        .LANES(LANES),
        .AXI_BITS(AXI_BITS),
        .ADDR_BITS(ADDR_BITS),
        .BEAT_BITS(BEAT_BITS),
        .STORE_WORDS(STORE_WORDS),
        .I_BITS(DMA_BITS)
    ) u_dma (
        .clk(clk),
        .rst(unit_rst_q),
        .halt(halt),
        .i_valid(dma_valid),
        .i_ready(dma_ready),
        .i_word(dma_word),
        .retired_ldw(retired_ldw),
        .retired_cmp(retired_cmp),
        .retired_dma(retired_dma),
        .base_weight(base_weight),
        .base_input(base_input),
        .base_output(base_output),
        .rd_valid(d_valid),
        .rd_ready(d_ready),
        .rd_addr(d_addr),
        .rd_beats(d_beats),
        .rdd_valid(dd_valid),
        .rdd_ready(dd_ready),
        .rdd_data(read_data),
        .wr_valid(c_valid),
        .wr_ready(c_ready),
        .wr_addr(c_addr),
        .wr_beats(c_beats),
        .wr_done(c_done),
        .wrd_valid(cd_valid),
        .wrd_ready(cd_ready),
        .wrd_data(cd_data),
        .wb_we(wb_we),
        .wb_addr(wb_wr_addr),
        .p_we(p_we),
        .p_sel(p_sel),
        .p_slot(p_slot),
        .p_field(p_field),
        .word(load_word),
        .warm(warm),
        .st_we(st_we),
        .st_re(st_re),
        .st_addr(st_addr),
        .st_word(st_word),
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
        .error_crc(error_crc),
        .busy(dma_busy),
        .start(t_dma_start),
        .retire(t_dma_retire),
        .head(dma_head)
    );

    generate
        if (STORE_WORDS != 0) begin : gen_store
            weight_store #(
                .WIDTH(16 * LANES),
                .WORDS(STORE_WORDS),
                .ULTRA(STORE_ULTRA)
            ) u_store (
                .clk(clk),
                .rst(rst),
                .start(start),
                .finished(finished),
                .forget(soft_reset || rebased),
                .warm(warm),
                .full(store_full),
                .we(st_we),
                .wr_addr(st_addr),
                .wr_word(load_word),
                .re(st_re),
                .rd_addr(st_addr),
                .rd_word(st_word)
            );
        end else begin : gen_no_store
            assign warm = 1'b0;
            assign store_full = 1'b0;
            assign st_word = {16 * LANES{1'b0}};
            wire unused_store = &{1'b0, rebased, st_we, st_re, st_addr};
        end
    endgenerate

    weight_buffer #(
        .LANES(LANES),
        .WB_WORDS(WB_WORDS)
    ) u_wb (
        .clk(clk),
        .we(wb_we),
        .wr_addr(wb_wr_addr),
        .wr_word(load_word),
        .cmp_re(wbr_re),
        .cmp_addr(wbr_addr),
        .ldw_re(ldw_re),
        .ldw_addr(ldw_addr),
        .ldw_ready(ldw_grant),
        .rd_word(wb_word)
    );

    ldw #(
        .LANES(LANES),
        .I_BITS(LDW_BITS)
    ) u_ldw (
        .clk(clk),
        .rst(unit_rst_q),
        .i_valid(ldw_valid),
        .i_ready(ldw_ready),
        .i_word(ldw_word),
        .retired_dma(retired_dma),
        .retired_cmp(retired_cmp),
        .retired_ldw(retired_ldw),
        .wb_re(ldw_re),
        .wb_addr(ldw_addr),
        .wb_ready(ldw_grant),
        .wb_word(wb_word),
        .w_fill(w_fill),
        .w_we(w_we),
        .w_col(w_col),
        .w_data(w_word),
        .swap(swap),
        .shadow_full(shadow_full),
        .busy(ldw_busy),
        .start(t_ldw_start),
        .retire(t_ldw_retire),
        .head(ldw_head)
    );

    // ---------------------------------------------------------------- compute
    compute_unit #(
        .LANES(LANES),
        .ACT_BITS(ACT_BITS),
        .KW(KW),
        .GU(GU),
        .GS(GS),
        .FM_WORDS(FM_WORDS),
        .TM_WORDS(TM_WORDS),
        .BM_ROWS(BM_ROWS),
        .PS_WORDS(PS_WORDS),
        .CM_SLOTS(CM_SLOTS),
        .OM_SLOTS(OM_SLOTS),
        .QM_SLOTS(QM_SLOTS),
        .NT_WORDS(NT_WORDS),
        .PK(PK),
        .MAX_TOKENS(MAX_TOKENS)
    ) u_compute (
        .clk(clk),
        .rst(unit_rst_q),
        .i_valid(cmp_valid),
        .i_ready(cmp_ready),
        .i_word(cmp_word),
        .retired_dma(retired_dma),
        .retired_ldw(retired_ldw),
        .retired_cmp(retired_cmp),
        .shadow_full(shadow_full),
        .swap(swap),
        .w_fill(w_fill),
        .w_we(w_we),
        .w_col(w_col),
        .w_data(w_word),
        .wbr_re(wbr_re),
        .wbr_addr(wbr_addr),
        .wbr_word(wb_word),
        .p_we(p_we),
        .p_sel(p_sel),
        .p_slot(p_slot),
        .p_field(p_field),
        .p_word(load_word),
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
        .busy(cmp_busy),
        .held(cmp_held),
        .head(cmp_head),
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

    // ---------------------------------------------------------------- traces
    reg [15:0] retired_cmp_q;
    always @(posedge clk) begin
        retired_cmp_q <= retired_cmp;
    end
    assign t_cmp_retire = retired_cmp != retired_cmp_q;
    assign t_run = run_late_q;
    assign t_busy = busy;
    assign t_done = finished;
    assign t_error = error_q;
    assign t_port_conflict = conflict_q;
    assign t_head_seq = {seq_valid, seq_op};
    assign t_head_dma = {dma_busy, dma_head};
    assign t_head_ldw = {ldw_busy, ldw_head};
    assign t_head_cmp = {cmp_held, cmp_head};
    assign t_retired = {retired_cmp, retired_ldw, retired_dma};
    wire unused = &{1'b0, seq_running};
endmodule
`default_nettype wire
