// AXI4 write master of the DMA's STORE.
//
// A request (byte address, beats) is cut into INCR bursts that end at multiples of MAX_BURST beats;
// data beats follow on s_*. AW and W of a burst are offered independently (no AXI deadlock); the
// next burst starts when AW is taken and the last beat is under way. `done` strobes once, when the
// last response of the request
// has come. Addresses are multiples of the beat size; all bytes are written.
//
// Names: c_* the request, s_* its data; aw_*, w_*, b_* AXI (w_left_q, w_busy_q the burst under
// way, b_left_q responses to come).
//
// Timing: request accepted in cycle t -> aw_valid in t + 2; one beat per cycle; 1 idle cycle
// between bursts. `flush` completes a started burst with empty strobes and drops the rest; `idle`
// tells when nothing is outstanding. Reset: control only. Cost (Yosys): 191 LUT, 258 FF.
`default_nettype none
module axi_write #(
    parameter AXI_BITS  = 128,  // 64 or 128
    parameter ADDR_BITS = 32,
    parameter BEAT_BITS = 21,
    parameter MAX_BURST = 64    // beats, a power of two; MAX_BURST x AXI_BITS / 8 <= 4096
) (
    input wire clk,
    input wire rst,

    input  wire flush,
    output wire idle,

    input  wire                 c_valid,
    output wire                 c_ready,
    input  wire [ADDR_BITS-1:0] c_addr,
    input  wire [BEAT_BITS-1:0] c_beats,  // at least 1
    output wire                 done,

    input  wire                s_valid,
    output wire                s_ready,
    input  wire [AXI_BITS-1:0] s_data,

    output reg                    aw_valid,
    input  wire                   aw_ready,
    output reg  [  ADDR_BITS-1:0] aw_addr,
    output reg  [            7:0] aw_len,
    output reg                    w_valid,
    input  wire                   w_ready,
    output reg  [   AXI_BITS-1:0] w_data,
    output reg  [ AXI_BITS/8-1:0] w_strb,
    output reg                    w_last,
    input  wire                   b_valid,
    output wire                   b_ready,
    input  wire [            1:0] b_resp,

    output wire beat,  // strobe: a beat was sent
    output wire error  // strobe: an error response came
);
    localparam LSB = $clog2(AXI_BITS / 8);
    localparam BURST_LOG2 = $clog2(MAX_BURST);

    generate
        if (AXI_BITS != 64 && AXI_BITS != 128) begin : gen_guard_bits
            ERROR_axi_write_AXI_BITS_must_be_64_or_128 u_stop ();
        end
        if ((1 << BURST_LOG2) != MAX_BURST || MAX_BURST < 2 || MAX_BURST > 256
            || MAX_BURST * AXI_BITS > 32768) begin : gen_guard_burst
            ERROR_axi_write_MAX_BURST_must_be_a_power_of_two_within_4_KiB u_stop ();
        end
    endgenerate

    reg [ADDR_BITS-1:0] addr_q;
    reg [BEAT_BITS-1:0] left_q;
    reg busy_q;    // beats of the request are not all assigned to bursts
    reg [8:0] w_left_q;  // beats of the current burst
    reg w_busy_q;
    reg [BEAT_BITS-1:0] b_left_q;  // responses to come
    reg owed_q;    // a request is in progress

    wire [BURST_LOG2:0] room = MAX_BURST[BURST_LOG2:0] - {1'b0, addr_q[LSB+:BURST_LOG2]};
    wire [BEAT_BITS-1:0] room_wide = {{(BEAT_BITS - BURST_LOG2 - 1) {1'b0}}, room};
    wire ends = left_q <= room_wide;
    wire [BEAT_BITS-1:0] beats = ends ? left_q : room_wide;
    wire [BEAT_BITS-1:0] len = beats - 1'b1;
    wire pick = busy_q && !aw_valid && !w_busy_q && !flush;
    wire b_taken = b_valid && b_ready;
    wire unused = &{1'b0, len[BEAT_BITS-1:8]};

    assign c_ready = !owed_q;
    assign idle = !aw_valid && !w_busy_q && !w_valid && b_left_q == {BEAT_BITS{1'b0}};
    assign done = owed_q && !busy_q && idle;

    assign s_ready = w_busy_q && !flush && (!w_valid || w_ready);
    assign b_ready = 1'b1;
    assign beat = w_valid && w_ready;
    wire take = w_busy_q && (s_valid || flush) && (!w_valid || w_ready);
    assign error = b_taken && b_resp != 2'd0 && !flush;

    always @(posedge clk) begin
        if (c_valid && c_ready) begin
            addr_q <= c_addr;
            left_q <= c_beats;
            busy_q <= 1'b1;
            owed_q <= 1'b1;
        end
        if (done) owed_q <= 1'b0;

        if (aw_valid && aw_ready) aw_valid <= 1'b0;
        if (beat) w_valid <= 1'b0;
        if (take) begin
            w_valid  <= 1'b1;
            w_data   <= s_data;
            w_strb   <= {(AXI_BITS / 8) {!flush}};
            w_last   <= w_left_q == 9'd1;
            w_left_q <= w_left_q - 9'd1;
            w_busy_q <= w_left_q != 9'd1;
        end
        if (pick) begin
            aw_valid <= 1'b1;
            aw_addr  <= addr_q;
            aw_len   <= len[7:0];
            w_left_q <= beats[8:0];
            w_busy_q <= 1'b1;
            addr_q   <= addr_q + {{(ADDR_BITS - BEAT_BITS - LSB) {1'b0}}, beats, {LSB{1'b0}}};
            left_q   <= left_q - beats;
            busy_q   <= !ends;
        end
        b_left_q <= b_left_q + {{(BEAT_BITS - 1) {1'b0}}, pick}
            - {{(BEAT_BITS - 1) {1'b0}}, b_taken};

        if (rst) begin
            aw_valid <= 1'b0;
            w_valid  <= 1'b0;
            w_busy_q <= 1'b0;
            b_left_q <= {BEAT_BITS{1'b0}};
        end
        if (rst || flush) begin
            busy_q <= 1'b0;
            owed_q <= 1'b0;
        end
    end
endmodule
`default_nettype wire
