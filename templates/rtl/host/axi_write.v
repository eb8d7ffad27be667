// AXI4 write master of the DMA's STORE, on one or two ports.
//
// A request (byte address, beats) is cut into INCR bursts that end at multiples of MAX_BURST beats;
// data beats follow on s_*. AW and W of a burst are offered independently (no AXI deadlock); the
// next burst starts when AW is taken and the last beat is under way. `done` strobes once, when the
// last response of the request has come. Addresses are multiples of the beat size; all bytes are
// written. Ports and planes as in axi_read.v: both get the same bursts, each its part of a beat.
//
// Names: c_* the request, s_* its data; aw_*, w_*, b_* AXI, a slice of every vector for each port;
// left_q beats of the burst under way, less one.
//
// Timing: request accepted in cycle t -> aw_valid in t + 3; a beat every other cycle, so that no
// w_ready reaches s_ready within a cycle: a frame stores its logits only. `flush` completes a
// started burst with empty strobes and drops the rest; `idle` tells when nothing is outstanding.
// Reset: control only. Cost (Yosys): 164 LUT, 278 FF; two ports 208 LUT, 316 FF.
`default_nettype none
module axi_write #(
    parameter AXI_PORTS = 1,    // 1 or 2
    parameter AXI_BITS  = 128,  // of a beat, all ports together: 32, 64 or 128
    parameter ADDR_BITS = 32,   // of a port
    parameter BEAT_BITS = 21,
    parameter MAX_BURST = 64    // beats, a power of two; MAX_BURST x AXI_BITS / 8 <= 4096
) (
    input wire clk,
    input wire rst,

    input  wire flush,
    output wire idle,

    input wire [ADDR_BITS-1:0] plane,  // bytes from plane 0 to plane 1, a multiple of 4096

    input  wire                           c_valid,
    output wire                           c_ready,
    input  wire [ADDR_BITS+AXI_PORTS-2:0] c_addr,
    input  wire [          BEAT_BITS-1:0] c_beats,  // at least 1
    output wire                           done,

    input  wire                s_valid,
    output wire                s_ready,
    input  wire [AXI_BITS-1:0] s_data,

    output wire [          AXI_PORTS-1:0] aw_valid,
    input  wire [          AXI_PORTS-1:0] aw_ready,
    output wire [AXI_PORTS*ADDR_BITS-1:0] aw_addr,
    output wire [        AXI_PORTS*8-1:0] aw_len,
    output wire [          AXI_PORTS-1:0] w_valid,
    input  wire [          AXI_PORTS-1:0] w_ready,
    output wire [           AXI_BITS-1:0] w_data,
    output wire [         AXI_BITS/8-1:0] w_strb,
    output wire [          AXI_PORTS-1:0] w_last,
    input  wire [          AXI_PORTS-1:0] b_valid,
    output wire [          AXI_PORTS-1:0] b_ready,
    input  wire [        AXI_PORTS*2-1:0] b_resp,

    output wire beat,  // strobe: a beat was taken
    output wire error  // strobe: an error response came
);
    localparam PORT_BITS = AXI_BITS / AXI_PORTS;
    localparam PORT_LSB = AXI_PORTS - 1;  // address bits that the ports share out
    localparam OWED = 3;                  // log2 of the bursts without a response, at most

    generate
        if (AXI_PORTS != 1 && AXI_PORTS != 2) begin : gen_guard_ports
            ERROR_axi_write_AXI_PORTS_must_be_1_or_2 u_stop ();
        end
        if (AXI_BITS != 32 && AXI_BITS != 64 && AXI_BITS != 128) begin : gen_guard_bits
            ERROR_axi_write_AXI_BITS_must_be_32_64_or_128 u_stop ();
        end
        if (MAX_BURST * AXI_BITS > 32768) begin : gen_guard_burst
            ERROR_axi_write_MAX_BURST_must_be_within_4_KiB u_stop ();
        end
    endgenerate

    reg owed_q;   // a request is in progress
    reg done_q;
    reg [AXI_PORTS-1:0] aw_valid_q;
    reg [7:0] aw_len_q;
    reg pick_q;
    reg can_q;    // nothing is under way but responses: for another burst
    reg busy_q;   // beats of the burst are to come
    reg [7:0] left_q;
    reg last_q;   // left_q is 0
    reg hungry_q; // a beat is wanted
    reg [AXI_PORTS-1:0] w_valid_q;
    reg [AXI_BITS-1:0] w_data_q;
    reg w_strobe_q;
    reg w_last_q;
    reg beat_q;
    reg error_q;

    // ---------------------------------------------------------------- bursts
    wire burst;
    wire requested;  // no burst is left to come
    wire [ADDR_BITS-1:0] at;
    wire [7:0] len;
    wire [AXI_PORTS-1:0] owing;  // responses to come
    wire [AXI_PORTS-1:0] room;   // for another one
    wire pick = burst && can_q && !flush;

    axi_bursts #(
        .LSB($clog2(PORT_BITS / 8)),
        .ADDR_BITS(ADDR_BITS),
        .BEAT_BITS(BEAT_BITS),
        .MAX_BURST(MAX_BURST)
    ) u_bursts (
        .clk(clk),
        .rst(rst || flush),
        .s_valid(c_valid && !owed_q),
        .s_ready(requested),
        .s_addr(c_addr[PORT_LSB+:ADDR_BITS]),
        .s_beats(c_beats),
        .m_valid(burst),
        .m_take(pick),
        .m_addr(at),
        .m_len(len)
    );

    genvar k;
    generate
        for (k = 0; k < AXI_PORTS; k = k + 1) begin : gen_port
            reg [ADDR_BITS-1:0] addr_q;
            reg [OWED:0] owed_count_q;
            wire [ADDR_BITS-1:0] offset = k == 0 ? {ADDR_BITS{1'b0}} : plane;
            assign aw_addr[k*ADDR_BITS+:ADDR_BITS] = addr_q;
            assign owing[k] = owed_count_q != {(OWED + 1) {1'b0}};
            assign room[k] = !owed_count_q[OWED];
            always @(posedge clk) begin
                if (can_q) addr_q <= at + offset;
                if (pick_q && !b_valid[k]) owed_count_q <= owed_count_q + 1'b1;
                if (!pick_q && b_valid[k]) owed_count_q <= owed_count_q - 1'b1;
                if (rst) owed_count_q <= {(OWED + 1) {1'b0}};
            end
        end
        if (AXI_PORTS == 1) begin : gen_no_plane
            wire unused = &{1'b0, plane};
        end else begin : gen_halves
            wire unused = &{1'b0, c_addr[0]};
        end
    endgenerate

    // ---------------------------------------------------------------- beats
    wire load = hungry_q && (s_valid || flush);
    wire hungry_d = !load && busy_q && clear;
    wire take_data;  // hungry_q, for the data

    register_copy #(.WIDTH(1)) u_take_data (.clk(clk), .d(hungry_d && !rst), .q(take_data));

    wire clear = (w_valid_q & ~w_ready) == {AXI_PORTS{1'b0}};

    assign c_ready = !owed_q;
    assign idle = aw_valid_q == {AXI_PORTS{1'b0}} && w_valid_q == {AXI_PORTS{1'b0}} && !busy_q
        && owing == {AXI_PORTS{1'b0}};
    assign done = done_q;
    assign s_ready = hungry_q && !flush;
    assign aw_valid = aw_valid_q;
    assign aw_len = {AXI_PORTS{aw_len_q}};
    assign w_valid = w_valid_q;
    assign w_data = w_data_q;
    assign w_strb = {(AXI_BITS / 8) {w_strobe_q}};
    assign w_last = {AXI_PORTS{w_last_q}};
    assign b_ready = {AXI_PORTS{1'b1}};
    assign beat = beat_q;
    assign error = error_q;

    wire [AXI_PORTS-1:0] refused;
    generate
        for (k = 0; k < AXI_PORTS; k = k + 1) begin : gen_refused
            assign refused[k] = b_valid[k] && b_resp[2*k+:2] != 2'd0;
        end
    endgenerate

    always @(posedge clk) begin
        if (c_valid && !owed_q) owed_q <= 1'b1;
        done_q <= owed_q && !done_q && requested && idle;
        if (done_q) owed_q <= 1'b0;

        aw_valid_q <= pick ? {AXI_PORTS{1'b1}} : aw_valid_q & ~aw_ready;
        if (can_q) aw_len_q <= len;
        can_q <= !pick && !busy_q && (aw_valid_q & ~aw_ready) == {AXI_PORTS{1'b0}} && (&room);

        w_valid_q <= load ? {AXI_PORTS{1'b1}} : w_valid_q & ~w_ready;
        hungry_q  <= hungry_d;
        last_q    <= left_q == 8'd0;
        if (take_data) begin
            w_data_q   <= s_data;
            w_strobe_q <= !flush;
            w_last_q   <= last_q;
        end
        if (load) begin
            left_q <= left_q - 8'd1;
            busy_q <= !last_q;
        end
        if (pick) begin
            left_q <= len;
            busy_q <= 1'b1;
        end
        pick_q  <= pick;
        beat_q  <= load;
        error_q <= refused != {AXI_PORTS{1'b0}} && !flush;

        if (rst) begin
            aw_valid_q <= {AXI_PORTS{1'b0}};
            can_q <= 1'b0;
            w_valid_q <= {AXI_PORTS{1'b0}};
            pick_q <= 1'b0;
            busy_q <= 1'b0;
            hungry_q <= 1'b0;
            beat_q <= 1'b0;
            error_q <= 1'b0;
        end
        if (rst || flush) begin
            owed_q <= 1'b0;
            done_q <= 1'b0;
        end
    end
endmodule
`default_nettype wire
