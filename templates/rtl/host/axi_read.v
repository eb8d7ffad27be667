// AXI4 read master shared by the program fetch (p_*) and the DMA (d_*), on one or two ports.
//
// A client hands over (byte address, beats); the request is cut into INCR bursts that end at
// multiples of MAX_BURST beats (so none crosses 4 KiB) and the beats come back in order on pd_* or
// dd_*. The program goes first. A new burst is requested while at most IN_FLIGHT - 1 beats and 7
// bursts are outstanding, so the next record's reads overlap the current one's data.
// Addresses are multiples of the beat size; no IDs, one order.
//
// Port p holds plane p of the memory: bits p x PORT_BITS and up of every beat, at half its address
// where there are two, plus `plane` on the second. Both ports get the same bursts; a beat is there
// when all its parts are. An error response on either is one.
//
// Names: p_*, d_* the requests, pd_*, dd_* their data; pick: a burst goes to the ports; ar_*, r_*
// AXI, a slice of every vector for each port.
//
// Timing: request accepted in cycle t -> ar_valid in t + 3; one burst per 3 cycles while the ports
// take them; a beat passes a FIFO: taken in t, it is at the client in t + 1 or, if dd_ready is low,
// later (program beats are always taken: the fetch only asks for what it has room for). `flush`
// drops pending requests and all beats that still arrive (the clients are in reset then, dd_ready
// is 1); `idle` tells when nothing is outstanding.
// Reset: control only. Cost (Yosys, LUT RAM included): 427 LUT, 263 FF; two ports
// 485 LUT, 318 FF.
`default_nettype none
module axi_read #(
    parameter AXI_PORTS = 1,    // 1 or 2
    parameter AXI_BITS  = 128,  // of a beat, all ports together: 32, 64 or 128
    parameter ADDR_BITS = 32,   // of a port
    parameter BEAT_BITS = 21,   // width of a beat count
    parameter MAX_BURST = 64,   // beats, a power of two; MAX_BURST x AXI_BITS / 8 <= 4096
    parameter IN_FLIGHT = 128   // beats, a power of two
) (
    input wire clk,
    input wire rst,

    input  wire flush,
    output wire idle,

    input wire [ADDR_BITS-1:0] plane,  // bytes from plane 0 to plane 1, a multiple of 4096

    input  wire                           p_valid,
    output wire                           p_ready,
    input  wire [ADDR_BITS+AXI_PORTS-2:0] p_addr,
    input  wire [          BEAT_BITS-1:0] p_beats,
    output wire                           pd_valid,

    input  wire                           d_valid,
    output wire                           d_ready,
    input  wire [ADDR_BITS+AXI_PORTS-2:0] d_addr,
    input  wire [          BEAT_BITS-1:0] d_beats,
    output wire                           dd_valid,
    input  wire                           dd_ready,

    output wire [AXI_BITS-1:0] data,  // of both

    output wire [          AXI_PORTS-1:0] ar_valid,
    input  wire [          AXI_PORTS-1:0] ar_ready,
    output wire [AXI_PORTS*ADDR_BITS-1:0] ar_addr,
    output wire [        AXI_PORTS*8-1:0] ar_len,
    input  wire [          AXI_PORTS-1:0] r_valid,
    output wire [          AXI_PORTS-1:0] r_ready,
    input  wire [           AXI_BITS-1:0] r_data,
    input  wire [        AXI_PORTS*2-1:0] r_resp,
    input  wire [          AXI_PORTS-1:0] r_last,

    output wire beat,   // strobe: a beat was taken
    output wire error   // strobe: it came with an error response
);
    localparam PORT_BITS = AXI_BITS / AXI_PORTS;
    localparam PORT_LSB = AXI_PORTS - 1;  // address bits that the ports share out
    localparam BURSTS = 8;
    localparam FLIGHT_BITS = $clog2(IN_FLIGHT + MAX_BURST) + 1;

    generate
        if (AXI_PORTS != 1 && AXI_PORTS != 2) begin : gen_guard_ports
            ERROR_axi_read_AXI_PORTS_must_be_1_or_2 u_stop ();
        end
        if (AXI_BITS != 32 && AXI_BITS != 64 && AXI_BITS != 128) begin : gen_guard_bits
            ERROR_axi_read_AXI_BITS_must_be_32_64_or_128 u_stop ();
        end
        if (MAX_BURST * AXI_BITS > 32768) begin : gen_guard_burst
            ERROR_axi_read_MAX_BURST_must_be_within_4_KiB u_stop ();
        end
    endgenerate

    // ---------------------------------------------------------------- requests
    wire p_burst, d_burst, take_p, take_d;
    wire [ADDR_BITS-1:0] p_at, d_at;
    wire [7:0] p_len, d_len;

    axi_bursts #(
        .LSB($clog2(PORT_BITS / 8)),
        .ADDR_BITS(ADDR_BITS),
        .BEAT_BITS(BEAT_BITS),
        .MAX_BURST(MAX_BURST)
    ) u_program (
        .clk(clk),
        .rst(rst || flush),
        .s_valid(p_valid),
        .s_ready(p_ready),
        .s_addr(p_addr[PORT_LSB+:ADDR_BITS]),
        .s_beats(p_beats),
        .m_valid(p_burst),
        .m_take(take_p),
        .m_addr(p_at),
        .m_len(p_len)
    );

    axi_bursts #(
        .LSB($clog2(PORT_BITS / 8)),
        .ADDR_BITS(ADDR_BITS),
        .BEAT_BITS(BEAT_BITS),
        .MAX_BURST(MAX_BURST)
    ) u_dma (
        .clk(clk),
        .rst(rst || flush),
        .s_valid(d_valid),
        .s_ready(d_ready),
        .s_addr(d_addr[PORT_LSB+:ADDR_BITS]),
        .s_beats(d_beats),
        .m_valid(d_burst),
        .m_take(take_d),
        .m_addr(d_at),
        .m_len(d_len)
    );

    // ---------------------------------------------------------------- bursts
    reg [AXI_PORTS-1:0] ar_valid_q;
    reg [7:0] ar_len_q;
    reg [FLIGHT_BITS-1:0] flight_q;  // beats requested and not taken
    reg room_q;                      // for another burst
    reg pick_q;
    reg free_q;                      // the ports took the last burst's address
    reg beat_q;

    reg [BURSTS-1:0] owned_q;  // outstanding bursts
    reg [BURSTS-1:0] dma_q;    // those of the DMA

    // A beat leaves the ports' FIFOs when all its parts are there; with pop, the last of its burst.
    wire [AXI_PORTS-1:0] here;
    wire [AXI_PORTS-1:0] bad;
    wire [AXI_PORTS-1:0] last;
    wire whole = &here;
    wire out = whole && (!dma_q[0] || dd_ready);
    wire pop = out && (&last);

    wire free = ar_valid_q == {AXI_PORTS{1'b0}};
    wire pick = (p_burst || d_burst) && free_q && room_q;
    wire [7:0] pick_len = p_burst ? p_len : d_len;

    assign take_p = p_burst && free_q && room_q;
    assign take_d = d_burst && !p_burst && free_q && room_q;
    assign ar_valid = ar_valid_q;
    assign ar_len = {AXI_PORTS{ar_len_q}};

    genvar k;
    generate
        for (k = 0; k < AXI_PORTS; k = k + 1) begin : gen_address
            reg [ADDR_BITS-1:0] addr_q;
            wire [ADDR_BITS-1:0] offset = k == 0 ? {ADDR_BITS{1'b0}} : plane;
            assign ar_addr[k*ADDR_BITS+:ADDR_BITS] = addr_q;
            always @(posedge clk) begin
                if (free) addr_q <= (p_burst ? p_at : d_at) + offset;
            end
        end
        if (AXI_PORTS == 1) begin : gen_no_plane
            wire unused = &{1'b0, plane};
        end else begin : gen_halves
            wire unused = &{1'b0, p_addr[0], d_addr[0]};
        end
    endgenerate

    // Beats: + len + 1 for a burst, - 1 for a beat, in one adder.
    wire [FLIGHT_BITS-1:0] change =
        pick_q ? {{(FLIGHT_BITS - 8) {1'b0}}, ar_len_q} : {FLIGHT_BITS{beat_q}};

    // Owners of the outstanding bursts in a shift register, the oldest in bit 0.
    wire [BURSTS-1:0] owned_up = {1'b0, owned_q[BURSTS-1:1]};
    wire [BURSTS-1:0] owned_down = {owned_q[BURSTS-2:0], 1'b1};
    wire [BURSTS-1:0] dma_up = {1'b0, dma_q[BURSTS-1:1]};

    generate
        for (k = 0; k < BURSTS; k = k + 1) begin : gen_owner
            always @(posedge clk) begin
                if (pop) begin
                    owned_q[k] <= owned_up[k] || (pick && owned_q[k]);
                    dma_q[k]   <= owned_up[k] ? dma_up[k] : !p_burst;
                end else begin
                    owned_q[k] <= owned_q[k] || (pick && owned_down[k]);
                    dma_q[k]   <= owned_q[k] ? dma_q[k] : !p_burst;
                end
                if (rst) owned_q[k] <= 1'b0;
            end
        end
    endgenerate

    always @(posedge clk) begin
        ar_valid_q <= pick ? {AXI_PORTS{1'b1}} : ar_valid_q & ~ar_ready;
        if (free) ar_len_q <= pick_len;
        flight_q <= flight_q + change + {{(FLIGHT_BITS - 1) {1'b0}}, pick_q && !beat_q};
        pick_q <= pick;
        free_q <= free && !pick;
        room_q <= !owned_q[BURSTS-1] && flight_q < IN_FLIGHT[FLIGHT_BITS-1:0];
        if (rst) begin
            ar_valid_q <= {AXI_PORTS{1'b0}};
            flight_q <= {FLIGHT_BITS{1'b0}};
            pick_q <= 1'b0;
            free_q <= 1'b0;
            room_q <= 1'b0;
        end
    end

    // ---------------------------------------------------------------- beats
    reg error_q;

    generate
        for (k = 0; k < AXI_PORTS; k = k + 1) begin : gen_beats
            fifo_lut #(
                .WIDTH(PORT_BITS + 2),
                .DEPTH(16)
            ) u_beats (
                .clk(clk),
                .rst(rst),
                .s_valid(r_valid[k]),
                .s_ready(r_ready[k]),
                .s_data({r_resp[2*k+:2] != 2'd0, r_last[k], r_data[k*PORT_BITS+:PORT_BITS]}),
                .m_valid(here[k]),
                .m_ready(out),
                .m_data({bad[k], last[k], data[k*PORT_BITS+:PORT_BITS]})
            );
        end
    endgenerate

    assign pd_valid = whole && !dma_q[0] && !flush;
    assign dd_valid = whole && dma_q[0] && !flush;
    assign beat = beat_q;
    assign error = error_q;
    assign idle = ar_valid_q == {AXI_PORTS{1'b0}} && !owned_q[0] && !p_burst && !d_burst;

    always @(posedge clk) begin
        beat_q  <= out;
        error_q <= out && bad != {AXI_PORTS{1'b0}} && !flush;
        if (rst) begin
            beat_q  <= 1'b0;
            error_q <= 1'b0;
        end
    end
endmodule
`default_nettype wire
