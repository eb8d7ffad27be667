// AXI4-Lite control registers. 32-bit words, byte addresses:
//
//   00 ID          "HWGN" = 32'h4857474E
//   04 VERSION     parameter VERSION
//   08 CTRL        bit 0 start (write 1), bit 1 soft reset (write 1), bit 2 interrupt enable
//   0C STATUS      bit 0 busy, bit 1 done (write 1 clears), bit 2 soft reset under way,
//                  bits 7:4 error code, bit 8 port_conflict (a scheduling bug was seen), bit 9
//                  warm: the next frame takes kept weights from the weight store
//   10 PROG_LO     program base in plane 0            14 PROG_HI
//   18 WEIGHT_LO   weight image base                  1C WEIGHT_HI
//   20 INPUT_LO    input image base                   24 INPUT_HI
//   28 OUTPUT_LO   output base                        2C OUTPUT_HI
//   30 PROG_LINES  lines of 16 bytes of the program
//   34 SIZES       LANES[7:0] ACT_BITS[15:8] KW[31:16]
//   38 PLANE_LO    bytes from plane 0 to plane 1, a multiple of 4096 (two ports only)
//   3C PLANE_HI
//   40 CYCLES      from start to done (or to the error)
//   44 BUSY_DMA    cycles in which the DMA holds an instruction
//   48 BUSY_LDW    the same of the weight loader
//   4C BUSY_CMP    cycles in which a compute instruction is held or in flight
//   50 BEATS_READ  54 BEATS_WRITTEN     AXI data beats of the run
//   58 RETIRED     dma[15:0] ldw[31:16]     5C RETIRED_CMP cmp[15:0]
//   60 ISSUED      dma[15:0] ldw[31:16]     64 ISSUED_CMP  cmp[15:0]
//   68 HEADS       {valid, opcode} waiting in: sequencer[4:0] dma[12:8] ldw[20:16] cmp[28:24]
//   6C RESULTS     cycles in which the lanes wrote a word or bits
//   70 PORTS       AXI_PORTS[7:0] AXI_BITS[23:8]
//
// Bases are multiples of 16 and addresses of a port: with two of them each holds half of every
// beat, the second one `plane` bytes further. The outputs are addresses of the whole memory, twice
// that.
// Error codes: 1 read response, 2 write response, 3 CRC of a weight record, 4 illegal opcode,
// 5 program without END. After an error only a soft reset helps; start is ignored while busy.
// A write to PROG, WEIGHT or PLANE (of the same value too) makes the weight store cold: the next
// frame reads all weights from DDR.
// Interrupt: enabled and (done or error). Counters restart with start.
//
// Names: s_* the channels of AXI4-Lite; busy_*, retired_*, issued_*, head_* what the units report.
// One access at a time; a write is taken in the cycle after both its parts are offered and answered
// in the next one, a read is answered 3 cycles after its address; always OKAY, unknown addresses
// read 0. Counters show an event 2 cycles later (run_counter.v). Reset: control only.
// Cost (Yosys): 454 LUT, 796 FF.
`default_nettype none
module axil_regs #(
    parameter AXI_PORTS = 1,
    parameter AXI_BITS  = 128,  // of a beat
    parameter ADDR_BITS = 32,   // of a port, 32 to 63
    parameter VERSION   = 1,
    parameter LANES     = 16,
    parameter ACT_BITS  = 16,
    parameter KW        = 128
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
    output reg         s_bvalid,
    input  wire        s_bready,
    input  wire [ 7:0] s_araddr,
    input  wire        s_arvalid,
    output wire        s_arready,
    output reg  [31:0] s_rdata,
    output wire [ 1:0] s_rresp,
    output reg         s_rvalid,
    input  wire        s_rready,

    output reg                            start,       // strobe
    output reg                            soft_reset,  // strobe
    output reg                            rebased,     // strobe: weights may be elsewhere
    output wire [ADDR_BITS+AXI_PORTS-2:0] base_program,
    output wire [ADDR_BITS+AXI_PORTS-2:0] base_weight,
    output wire [ADDR_BITS+AXI_PORTS-2:0] base_input,
    output wire [ADDR_BITS+AXI_PORTS-2:0] base_output,
    output wire [          ADDR_BITS-1:0] plane,
    output wire [                   23:0] count,

    input  wire        resetting,
    input  wire        finished,       // strobe
    input  wire [ 3:0] error_code,
    input  wire        port_conflict,
    input  wire        store_full,
    input  wire        busy_dma,
    input  wire        busy_ldw,
    input  wire        busy_cmp,
    input  wire        result,
    input  wire        beat_read,
    input  wire        beat_written,
    input  wire [15:0] retired_dma,
    input  wire [15:0] retired_ldw,
    input  wire [15:0] retired_cmp,
    input  wire [15:0] issued_dma,
    input  wire [15:0] issued_ldw,
    input  wire [15:0] issued_cmp,
    input  wire [ 4:0] head_seq,
    input  wire [ 4:0] head_dma,
    input  wire [ 4:0] head_ldw,
    input  wire [ 4:0] head_cmp,
    output wire        busy,
    output reg         irq
);
    localparam [31:0] ID = 32'h4857474E;
    localparam [31:0] VERSION_WORD = VERSION;
    localparam [31:0] SIZES = (KW << 16) + (ACT_BITS << 8) + LANES;
    localparam [31:0] PORTS = (AXI_BITS << 8) + AXI_PORTS;
    localparam INNER_BITS = ADDR_BITS + AXI_PORTS - 1;  // of an address of the whole memory

    generate
        if (ADDR_BITS < 32 || ADDR_BITS > 63) begin : gen_guard
            ERROR_axil_regs_ADDR_BITS_must_be_32_to_63 u_stop ();
        end
    endgenerate

    reg irq_en_q;
    reg running_q;
    reg done_q;
    reg idle_q;  // a start would be taken

    wire failed = error_code != 4'd0;
    assign busy = running_q && !failed;

    // ---------------------------------------------------------------- bus
    // A write: both parts are copied while they are offered, and taken together.
    reg write_q;
    reg ctrl_q;               // it is one of CTRL
    reg [15:0] wr_select_q;  // of the first 16 words
    reg [31:0] wr_data_q;
    reg [3:0] wr_strb_q;
    // A read: its address, one word of every eight, its data.
    reg read_q;
    reg look_q;
    reg [5:0] rd_index_q;
    reg [4*32-1:0] eighth_q;

    assign s_awready = write_q;
    assign s_wready = write_q;
    assign s_bresp = 2'd0;
    assign s_arready = !read_q && !look_q && !s_rvalid;
    assign s_rresp = 2'd0;
    wire unused = &{1'b0, s_awaddr[1:0], s_araddr[1:0], wr_select_q[2:0], wr_select_q[13]};

    wire take = s_awvalid && s_wvalid && !write_q && !s_bvalid;
    wire may_start = ctrl_q && wr_data_q[0] && idle_q;

    // ---------------------------------------------------------------- words
    wire [32*32-1:0] words;  // as they are read

    assign words[0+:64] = {VERSION_WORD, ID};
    assign words[64+:32] = {29'd0, irq_en_q, 2'd0};
    assign words[96+:32] =
        {22'd0, store_full, port_conflict, error_code, 1'b0, resetting, done_q, busy};

    // Words that keep what is written: bases, count, plane.
    genvar k, j;
    generate
        for (k = 4; k < 16; k = k + 1) begin : gen_word
            if (k == 13) begin : gen_sizes
                assign words[32*k+:32] = SIZES;
            end else begin : gen_kept
                for (j = 0; j < 4; j = j + 1) begin : gen_byte
                    if (k == 12 && j == 3) begin : gen_none
                        assign words[32*k+8*j+:8] = 8'd0;
                    end else begin : gen_byte_kept
                        reg [7:0] byte_q;
                        assign words[32*k+8*j+:8] = byte_q;
                        always @(posedge clk) begin
                            if (write_q && wr_select_q[k] && wr_strb_q[j])
                                byte_q <= wr_data_q[8*j+:8];
                        end
                    end
                end
            end
        end
    endgenerate

    assign base_program = words[32*4+:INNER_BITS] << (AXI_PORTS - 1);
    assign base_weight = words[32*6+:INNER_BITS] << (AXI_PORTS - 1);
    assign base_input = words[32*8+:INNER_BITS] << (AXI_PORTS - 1);
    assign base_output = words[32*10+:INNER_BITS] << (AXI_PORTS - 1);
    assign count = words[32*12+:24];
    assign plane = words[32*14+:ADDR_BITS];

    assign words[32*22+:64] = {16'd0, retired_cmp, retired_ldw, retired_dma};
    assign words[32*24+:64] = {16'd0, issued_cmp, issued_ldw, issued_dma};
    assign words[32*26+:32] = {3'd0, head_cmp, 3'd0, head_ldw, 3'd0, head_dma, 3'd0, head_seq};
    assign words[32*28+:32] = PORTS;
    assign words[32*29+:96] = 96'd0;

    // ---------------------------------------------------------------- counters
    run_counter u_cycles (
        .clk(clk),
        .clear(may_start),
        .count_up(busy),
        .count(words[32*16+:32])
    );

    run_counter u_dma (
        .clk(clk),
        .clear(may_start),
        .count_up(busy && busy_dma),
        .count(words[32*17+:32])
    );

    run_counter u_ldw (
        .clk(clk),
        .clear(may_start),
        .count_up(busy && busy_ldw),
        .count(words[32*18+:32])
    );

    run_counter u_cmp (
        .clk(clk),
        .clear(may_start),
        .count_up(busy && busy_cmp),
        .count(words[32*19+:32])
    );

    run_counter u_read (
        .clk(clk),
        .clear(may_start),
        .count_up(busy && beat_read),
        .count(words[32*20+:32])
    );

    run_counter u_written (
        .clk(clk),
        .clear(may_start),
        .count_up(busy && beat_written),
        .count(words[32*21+:32])
    );

    run_counter u_results (
        .clk(clk),
        .clear(may_start),
        .count_up(busy && result),
        .count(words[32*27+:32])
    );

    // ---------------------------------------------------------------- registers
    integer n;
    always @(posedge clk) begin
        start <= may_start;
        soft_reset <= ctrl_q && wr_data_q[1];
        rebased <= write_q && (wr_select_q[7:4] != 4'd0 || wr_select_q[15:14] != 2'd0);
        irq <= irq_en_q && (done_q || failed);
        idle_q <= !running_q && !failed && !resetting && !soft_reset && !ctrl_q && !start;

        write_q <= take;
        ctrl_q <= take && s_awaddr[7:2] == 6'h02 && s_wstrb[0];
        if (!write_q) begin
            for (n = 0; n < 16; n = n + 1) wr_select_q[n] <= s_awaddr[7:2] == n[5:0];
            wr_data_q <= s_wdata;
            wr_strb_q <= s_wstrb;
        end
        if (write_q) s_bvalid <= 1'b1;
        else if (s_bready) s_bvalid <= 1'b0;
        if (ctrl_q) irq_en_q <= wr_data_q[2];
        if (write_q && wr_select_q[3] && wr_strb_q[0] && wr_data_q[1]) done_q <= 1'b0;

        read_q <= s_arvalid && s_arready;
        look_q <= read_q;
        if (s_arready) rd_index_q <= s_araddr[7:2];
        for (n = 0; n < 4; n = n + 1)
            eighth_q[32*n+:32] <= words[32*(8*n+{29'd0, rd_index_q[2:0]})+:32];
        if (look_q) begin
            s_rvalid <= 1'b1;
            s_rdata  <= rd_index_q[5] ? 32'd0 : eighth_q[32*rd_index_q[4:3]+:32];
        end else if (s_rready) begin
            s_rvalid <= 1'b0;
        end

        if (finished) begin
            running_q <= 1'b0;
            done_q <= 1'b1;
        end
        if (may_start) begin
            running_q <= 1'b1;
            done_q <= 1'b0;
        end
        if (soft_reset || rst) begin
            running_q <= 1'b0;
            done_q <= 1'b0;
        end
        if (rst) begin
            start <= 1'b0;
            soft_reset <= 1'b0;
            rebased <= 1'b0;
            irq <= 1'b0;
            irq_en_q <= 1'b0;
            write_q <= 1'b0;
            ctrl_q <= 1'b0;
            s_bvalid <= 1'b0;
            read_q <= 1'b0;
            look_q <= 1'b0;
            s_rvalid <= 1'b0;
        end
    end
endmodule
`default_nettype wire
