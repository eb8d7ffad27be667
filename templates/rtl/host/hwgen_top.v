// Top of the engine: hwgen_core under the standard AXI names.
//
// m_axi: AXI4 masters, INCR bursts of whole beats, one ID, in order; every m_axi_* is a vector with
// a slice per port (hwgen_engine.v gives each port its own names), and each port has the part of
// every beat that axi_read.v says; s_axil: AXI4-Lite registers (axil_regs.v); irq: level interrupt,
// done or error. One clock; aresetn is the usual active-low reset of AXI, sampled once and used
// synchronously.
//
// Parameters: docs/architecture.md, "Sizing". Cost: see hwgen_core.v; nothing is added here.
`default_nettype none
module hwgen_top #(
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
    parameter STORE_WORDS = 0,
    parameter ULTRA = 0,
    parameter DMA_BITS    = 256,
    parameter LDW_BITS    = 128,
    parameter MAX_TOKENS  = 256,
    parameter QUEUE_DEPTH = 8,
    parameter MAX_BURST   = 64,
    parameter VERSION     = 1
) (
    input  wire aclk,
    input  wire aresetn,
    output wire irq,

    input  wire [ 7:0] s_axil_awaddr,
    input  wire [ 2:0] s_axil_awprot,
    input  wire        s_axil_awvalid,
    output wire        s_axil_awready,
    input  wire [31:0] s_axil_wdata,
    input  wire [ 3:0] s_axil_wstrb,
    input  wire        s_axil_wvalid,
    output wire        s_axil_wready,
    output wire [ 1:0] s_axil_bresp,
    output wire        s_axil_bvalid,
    input  wire        s_axil_bready,
    input  wire [ 7:0] s_axil_araddr,
    input  wire [ 2:0] s_axil_arprot,
    input  wire        s_axil_arvalid,
    output wire        s_axil_arready,
    output wire [31:0] s_axil_rdata,
    output wire [ 1:0] s_axil_rresp,
    output wire        s_axil_rvalid,
    input  wire        s_axil_rready,

    output wire [AXI_PORTS*ADDR_BITS-1:0] m_axi_araddr,
    output wire [        AXI_PORTS*8-1:0] m_axi_arlen,
    output wire [        AXI_PORTS*3-1:0] m_axi_arsize,
    output wire [        AXI_PORTS*2-1:0] m_axi_arburst,
    output wire [          AXI_PORTS-1:0] m_axi_arlock,
    output wire [        AXI_PORTS*4-1:0] m_axi_arcache,
    output wire [        AXI_PORTS*3-1:0] m_axi_arprot,
    output wire [        AXI_PORTS*4-1:0] m_axi_arqos,
    output wire [          AXI_PORTS-1:0] m_axi_arvalid,
    input  wire [          AXI_PORTS-1:0] m_axi_arready,
    input  wire [           AXI_BITS-1:0] m_axi_rdata,
    input  wire [        AXI_PORTS*2-1:0] m_axi_rresp,
    input  wire [          AXI_PORTS-1:0] m_axi_rlast,
    input  wire [          AXI_PORTS-1:0] m_axi_rvalid,
    output wire [          AXI_PORTS-1:0] m_axi_rready,
    output wire [AXI_PORTS*ADDR_BITS-1:0] m_axi_awaddr,
    output wire [        AXI_PORTS*8-1:0] m_axi_awlen,
    output wire [        AXI_PORTS*3-1:0] m_axi_awsize,
    output wire [        AXI_PORTS*2-1:0] m_axi_awburst,
    output wire [          AXI_PORTS-1:0] m_axi_awlock,
    output wire [        AXI_PORTS*4-1:0] m_axi_awcache,
    output wire [        AXI_PORTS*3-1:0] m_axi_awprot,
    output wire [        AXI_PORTS*4-1:0] m_axi_awqos,
    output wire [          AXI_PORTS-1:0] m_axi_awvalid,
    input  wire [          AXI_PORTS-1:0] m_axi_awready,
    output wire [           AXI_BITS-1:0] m_axi_wdata,
    output wire [         AXI_BITS/8-1:0] m_axi_wstrb,
    output wire [          AXI_PORTS-1:0] m_axi_wlast,
    output wire [          AXI_PORTS-1:0] m_axi_wvalid,
    input  wire [          AXI_PORTS-1:0] m_axi_wready,
    input  wire [        AXI_PORTS*2-1:0] m_axi_bresp,
    input  wire [          AXI_PORTS-1:0] m_axi_bvalid,
    output wire [          AXI_PORTS-1:0] m_axi_bready
);
    localparam PORT_BITS = AXI_BITS / AXI_PORTS;
    localparam [2:0] SIZE = PORT_BITS == 128 ? 3'd4 : PORT_BITS == 64 ? 3'd3 : 3'd2;
    localparam [1:0] BURST_INCR = 2'b01;
    localparam [3:0] CACHE = 4'b0011;  // normal, non-cacheable, bufferable

    reg rst_q;
    always @(posedge aclk) begin
        rst_q <= !aresetn;
    end

    assign m_axi_arsize = {AXI_PORTS{SIZE}};
    assign m_axi_arburst = {AXI_PORTS{BURST_INCR}};
    assign m_axi_arlock = {AXI_PORTS{1'b0}};
    assign m_axi_arcache = {AXI_PORTS{CACHE}};
    assign m_axi_arprot = {AXI_PORTS{3'b000}};
    assign m_axi_arqos = {AXI_PORTS{4'd0}};
    assign m_axi_awsize = {AXI_PORTS{SIZE}};
    assign m_axi_awburst = {AXI_PORTS{BURST_INCR}};
    assign m_axi_awlock = {AXI_PORTS{1'b0}};
    assign m_axi_awcache = {AXI_PORTS{CACHE}};
    assign m_axi_awprot = {AXI_PORTS{3'b000}};
    assign m_axi_awqos = {AXI_PORTS{4'd0}};

    wire t_dst_valid;
    wire t_dst_mem;
    wire [13:0] t_dst_addr;
    wire [7:0] t_dst_mask;
    wire [LANES*ACT_BITS-1:0] t_dst_word;
    wire t_bit_valid;
    wire [15:0] t_bit_addr;
    wire [LANES-1:0] t_bit_word;
    wire t_start;
    wire t_issue_end;
    wire t_cmp_retire;
    wire t_dma_start;
    wire t_dma_retire;
    wire t_ldw_start;
    wire t_ldw_retire;
    wire t_dispatch;
    wire t_run;
    wire t_busy;
    wire t_done;
    wire [3:0] t_error;
    wire t_port_conflict;
    wire [4:0] t_head_seq;
    wire [52:0] t_head_dma;
    wire [52:0] t_head_ldw;
    wire [52:0] t_head_cmp;
    wire [47:0] t_retired;
    // Simulation reads the traces on hwgen_core.
    wire unused = &{1'b0, s_axil_awprot, s_axil_arprot, t_dst_valid, t_dst_mem, t_dst_addr,
        t_dst_mask, t_dst_word, t_bit_valid, t_bit_addr, t_bit_word, t_start, t_issue_end,
        t_cmp_retire, t_dma_start, t_dma_retire, t_ldw_start, t_ldw_retire, t_dispatch, t_run,
        t_busy, t_done, t_error, t_port_conflict, t_head_seq, t_head_dma, t_head_ldw, t_head_cmp,
        t_retired};

    hwgen_core #(
        .LANES(LANES),
        .ACT_BITS(ACT_BITS),
        .KW(KW),
        .AXI_PORTS(AXI_PORTS),
        .AXI_BITS(AXI_BITS),
        .ADDR_BITS(ADDR_BITS),
        .GU(GU),
        .GS(GS),
        .FM_WORDS(FM_WORDS),
        .TM_WORDS(TM_WORDS),
        .BM_ROWS(BM_ROWS),
        .WB_WORDS(WB_WORDS),
        .PS_WORDS(PS_WORDS),
        .CM_SLOTS(CM_SLOTS),
        .OM_SLOTS(OM_SLOTS),
        .QM_SLOTS(QM_SLOTS),
        .NT_WORDS(NT_WORDS),
        .PK(PK),
        .HEAD(HEAD),
        .STORE_WORDS(STORE_WORDS),
        .ULTRA(ULTRA),
        .DMA_BITS(DMA_BITS),
        .LDW_BITS(LDW_BITS),
        .MAX_TOKENS(MAX_TOKENS),
        .QUEUE_DEPTH(QUEUE_DEPTH),
        .MAX_BURST(MAX_BURST),
        .VERSION(VERSION)
    ) u_core (
        .clk(aclk),
        .rst(rst_q),
        .s_awaddr(s_axil_awaddr),
        .s_awvalid(s_axil_awvalid),
        .s_awready(s_axil_awready),
        .s_wdata(s_axil_wdata),
        .s_wstrb(s_axil_wstrb),
        .s_wvalid(s_axil_wvalid),
        .s_wready(s_axil_wready),
        .s_bresp(s_axil_bresp),
        .s_bvalid(s_axil_bvalid),
        .s_bready(s_axil_bready),
        .s_araddr(s_axil_araddr),
        .s_arvalid(s_axil_arvalid),
        .s_arready(s_axil_arready),
        .s_rdata(s_axil_rdata),
        .s_rresp(s_axil_rresp),
        .s_rvalid(s_axil_rvalid),
        .s_rready(s_axil_rready),
        .irq(irq),
        .ar_addr(m_axi_araddr),
        .ar_len(m_axi_arlen),
        .ar_valid(m_axi_arvalid),
        .ar_ready(m_axi_arready),
        .r_data(m_axi_rdata),
        .r_resp(m_axi_rresp),
        .r_last(m_axi_rlast),
        .r_valid(m_axi_rvalid),
        .r_ready(m_axi_rready),
        .aw_addr(m_axi_awaddr),
        .aw_len(m_axi_awlen),
        .aw_valid(m_axi_awvalid),
        .aw_ready(m_axi_awready),
        .w_data(m_axi_wdata),
        .w_strb(m_axi_wstrb),
        .w_last(m_axi_wlast),
        .w_valid(m_axi_wvalid),
        .w_ready(m_axi_wready),
        .b_resp(m_axi_bresp),
        .b_valid(m_axi_bvalid),
        .b_ready(m_axi_bready),
        .t_dst_valid(t_dst_valid),
        .t_dst_mem(t_dst_mem),
        .t_dst_addr(t_dst_addr),
        .t_dst_mask(t_dst_mask),
        .t_dst_word(t_dst_word),
        .t_bit_valid(t_bit_valid),
        .t_bit_addr(t_bit_addr),
        .t_bit_word(t_bit_word),
        .t_start(t_start),
        .t_issue_end(t_issue_end),
        .t_cmp_retire(t_cmp_retire),
        .t_dma_start(t_dma_start),
        .t_dma_retire(t_dma_retire),
        .t_ldw_start(t_ldw_start),
        .t_ldw_retire(t_ldw_retire),
        .t_dispatch(t_dispatch),
        .t_run(t_run),
        .t_busy(t_busy),
        .t_done(t_done),
        .t_error(t_error),
        .t_port_conflict(t_port_conflict),
        .t_head_seq(t_head_seq),
        .t_head_dma(t_head_dma),
        .t_head_ldw(t_head_ldw),
        .t_head_cmp(t_head_cmp),
        .t_retired(t_retired)
    );
endmodule
`default_nettype wire
