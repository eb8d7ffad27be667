// AXI4-Lite control registers. 32-bit words, byte addresses:
//
//   00 ID          "HWGN" = 32'h4857474E
//   04 VERSION     parameter VERSION
//   08 CTRL        bit 0 start (write 1), bit 1 soft reset (write 1), bit 2 interrupt enable
//   0C STATUS      bit 0 busy, bit 1 done (write 1 clears), bit 2 soft reset under way,
//                  bits 7:4 error code, bit 8 port_conflict (a scheduling bug was seen), bit 9
//                  warm: the next frame takes kept weights from the weight store
//   10 PROG_LO     program base, multiple of 16       14 PROG_HI
//   18 WEIGHT_LO   weight image base                  1C WEIGHT_HI
//   20 INPUT_LO    input image base                   24 INPUT_HI
//   28 OUTPUT_LO   output base                        2C OUTPUT_HI
//   30 PROG_COUNT  instructions of the program
//   34 SIZES       LANES[7:0] ACT_BITS[15:8] KW[31:16]
//   40 CYCLES      from start to done (or to the error)
//   44 BUSY_DMA    cycles in which the DMA holds an instruction
//   48 BUSY_LDW    the same of the weight loader
//   4C BUSY_CMP    cycles in which a compute instruction is held or in flight
//   50 BEATS_READ  54 BEATS_WRITTEN     AXI data beats of the run
//   58 RETIRED     dma[15:0] ldw[31:16]     5C RETIRED_CMP cmp[15:0]
//   60 ISSUED      dma[15:0] ldw[31:16]     64 ISSUED_CMP  cmp[15:0]
//   68 HEADS       {valid, opcode} waiting in: sequencer[4:0] dma[12:8] ldw[20:16] cmp[28:24]
//   6C RESULTS     cycles in which the lanes wrote a word or bits
//
// Error codes: 1 read response, 2 write response, 3 CRC of a weight record, 4 illegal opcode,
// 5 program without END. After an error only a soft reset helps; start is ignored while busy.
// A write to PROG or WEIGHT (of the same value too) makes the weight store cold: the next frame
// reads all weights from DDR.
// Interrupt: enabled and (done or error). Counters restart with start.
//
// Names: s_* the channels of AXI4-Lite; busy_*, retired_*, issued_*, head_* what the units report.
// One access at a time, response 1 cycle after both parts of a write or the read address; always
// OKAY, unknown addresses read 0. Reset: control only. Cost (Yosys): 633 LUT, 537 FF.
`default_nettype none
module axil_regs #(
    parameter ADDR_BITS = 32,  // of the bus that the bases address, up to 64
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

    output reg                  start,       // strobe
    output reg                  soft_reset,  // strobe
    output reg                  rebased,     // strobe: program or weight base was written
    output wire [ADDR_BITS-1:0] base_program,
    output wire [ADDR_BITS-1:0] base_weight,
    output wire [ADDR_BITS-1:0] base_input,
    output wire [ADDR_BITS-1:0] base_output,
    output wire [         15:0] count,

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

    generate
        if (ADDR_BITS < 32 || ADDR_BITS > 64) begin : gen_guard
            ERROR_axil_regs_ADDR_BITS_must_be_32_to_64 u_stop ();
        end
    endgenerate

    reg [63:0] program_q;
    reg [63:0] weight_q;
    reg [63:0] input_q;
    reg [63:0] output_q;
    reg [15:0] count_q;
    reg irq_en_q;
    reg running_q;
    reg done_q;
    reg [31:0] cycles_q;
    reg [31:0] busy_dma_q;
    reg [31:0] busy_ldw_q;
    reg [31:0] busy_cmp_q;
    reg [31:0] result_q;
    reg [31:0] read_q;
    reg [31:0] written_q;

    assign base_program = program_q[ADDR_BITS-1:0];
    assign base_weight = weight_q[ADDR_BITS-1:0];
    assign base_input = input_q[ADDR_BITS-1:0];
    assign base_output = output_q[ADDR_BITS-1:0];
    assign count = count_q;
    wire unused = &{1'b0, s_awaddr[1:0], s_araddr[1:0]};

    wire failed = error_code != 4'd0;
    assign busy = running_q && !failed;

    // Both parts of a write are taken together.
    wire write = s_awvalid && s_wvalid && !s_bvalid;
    wire read = s_arvalid && !s_rvalid;
    assign s_awready = write;
    assign s_wready = write;
    assign s_bresp = 2'd0;
    assign s_arready = !s_rvalid;
    assign s_rresp = 2'd0;

    wire [5:0] wr_index = s_awaddr[7:2];
    wire [31:0] keep = ~{{8{s_wstrb[3]}}, {8{s_wstrb[2]}}, {8{s_wstrb[1]}}, {8{s_wstrb[0]}}};
    wire [31:0] value = s_wdata & ~keep;
    wire ctrl = write && wr_index == 6'h02;
    wire may_start = ctrl && value[0] && !busy && !failed && !resetting && !start;

    always @(posedge clk) begin
        start <= may_start;
        soft_reset <= ctrl && value[1];
        rebased <= write && wr_index[5:2] == 4'd1;  // 10 .. 1C
        irq <= irq_en_q && (done_q || failed);

        if (write) begin
            s_bvalid <= 1'b1;
            case (wr_index)
                6'h02: if (s_wstrb[0]) irq_en_q <= value[2];
                6'h03: if (value[1]) done_q <= 1'b0;
                6'h04: program_q[31:0] <= (program_q[31:0] & keep) | value;
                6'h05: program_q[63:32] <= (program_q[63:32] & keep) | value;
                6'h06: weight_q[31:0] <= (weight_q[31:0] & keep) | value;
                6'h07: weight_q[63:32] <= (weight_q[63:32] & keep) | value;
                6'h08: input_q[31:0] <= (input_q[31:0] & keep) | value;
                6'h09: input_q[63:32] <= (input_q[63:32] & keep) | value;
                6'h0A: output_q[31:0] <= (output_q[31:0] & keep) | value;
                6'h0B: output_q[63:32] <= (output_q[63:32] & keep) | value;
                6'h0C: count_q <= (count_q & keep[15:0]) | value[15:0];
                default: ;
            endcase
        end else if (s_bready) begin
            s_bvalid <= 1'b0;
        end

        if (read) begin
            s_rvalid <= 1'b1;
            case (s_araddr[7:2])
                6'h00: s_rdata <= ID;
                6'h01: s_rdata <= VERSION_WORD;
                6'h02: s_rdata <= {29'd0, irq_en_q, 2'd0};
                6'h03:
                    s_rdata <= {22'd0, store_full, port_conflict, error_code, 1'b0, resetting,
                        done_q, busy};
                6'h04: s_rdata <= program_q[31:0];
                6'h05: s_rdata <= program_q[63:32];
                6'h06: s_rdata <= weight_q[31:0];
                6'h07: s_rdata <= weight_q[63:32];
                6'h08: s_rdata <= input_q[31:0];
                6'h09: s_rdata <= input_q[63:32];
                6'h0A: s_rdata <= output_q[31:0];
                6'h0B: s_rdata <= output_q[63:32];
                6'h0C: s_rdata <= {16'd0, count_q};
                6'h0D: s_rdata <= SIZES;
                6'h10: s_rdata <= cycles_q;
                6'h11: s_rdata <= busy_dma_q;
                6'h12: s_rdata <= busy_ldw_q;
                6'h13: s_rdata <= busy_cmp_q;
                6'h14: s_rdata <= read_q;
                6'h15: s_rdata <= written_q;
                6'h16: s_rdata <= {retired_ldw, retired_dma};
                6'h17: s_rdata <= {16'd0, retired_cmp};
                6'h18: s_rdata <= {issued_ldw, issued_dma};
                6'h19: s_rdata <= {16'd0, issued_cmp};
                6'h1B: s_rdata <= result_q;
                6'h1A: s_rdata <= {3'd0, head_cmp, 3'd0, head_ldw, 3'd0, head_dma, 3'd0, head_seq};
                default: s_rdata <= 32'd0;
            endcase
        end else if (s_rready) begin
            s_rvalid <= 1'b0;
        end

        if (busy) begin
            cycles_q <= cycles_q + 32'd1;
            if (busy_dma) busy_dma_q <= busy_dma_q + 32'd1;
            if (busy_ldw) busy_ldw_q <= busy_ldw_q + 32'd1;
            if (busy_cmp) busy_cmp_q <= busy_cmp_q + 32'd1;
            if (result) result_q <= result_q + 32'd1;
            if (beat_read) read_q <= read_q + 32'd1;
            if (beat_written) written_q <= written_q + 32'd1;
        end
        if (finished) begin
            running_q <= 1'b0;
            done_q <= 1'b1;
        end
        if (may_start) begin
            running_q <= 1'b1;
            done_q <= 1'b0;
            cycles_q <= 32'd0;
            busy_dma_q <= 32'd0;
            busy_ldw_q <= 32'd0;
            busy_cmp_q <= 32'd0;
            result_q <= 32'd0;
            read_q <= 32'd0;
            written_q <= 32'd0;
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
            s_bvalid <= 1'b0;
            s_rvalid <= 1'b0;
        end
    end
endmodule
`default_nettype wire
