// AXI4 read master shared by the program fetch (p_*) and the DMA (d_*).
//
// A client hands over (byte address, beats); the request is cut into INCR bursts that end at
// multiples of MAX_BURST beats (so none crosses 4 KiB) and the beats come back in order on pd_* or
// dd_*. The program goes first. A new burst is requested while at most IN_FLIGHT - 1 beats and 7
// bursts are outstanding, so the next record's reads overlap the current one's data.
// Addresses are multiples of the beat size; no IDs, one order.
//
// Names: p_*, d_* the requests, pd_*, dd_* their data; pick_* the next burst; ar_*, r_* AXI.
//
// Timing: request accepted in cycle t -> ar_valid in t + 2; one burst per 2 cycles; beats pass
// through without delay (r_ready = dd_ready for DMA beats, 1 for program beats: the fetch only asks
// for what it has room for). `flush` drops pending requests and all beats that still arrive; `idle`
// tells when nothing is outstanding. Reset: control only. Cost (Yosys): 286 LUT, 169 FF.
`default_nettype none
module axi_read #(
    parameter AXI_BITS  = 128,  // 64 or 128
    parameter ADDR_BITS = 32,
    parameter BEAT_BITS = 21,   // width of a beat count
    parameter MAX_BURST = 64,   // beats, a power of two; MAX_BURST x AXI_BITS / 8 <= 4096
    parameter IN_FLIGHT = 128   // beats, a power of two
) (
    input wire clk,
    input wire rst,

    input  wire flush,
    output wire idle,

    input  wire                 p_valid,
    output wire                 p_ready,
    input  wire [ADDR_BITS-1:0] p_addr,
    input  wire [BEAT_BITS-1:0] p_beats,
    output wire                 pd_valid,

    input  wire                 d_valid,
    output wire                 d_ready,
    input  wire [ADDR_BITS-1:0] d_addr,
    input  wire [BEAT_BITS-1:0] d_beats,
    output wire                 dd_valid,
    input  wire                 dd_ready,

    output wire [AXI_BITS-1:0] data,  // of both

    output reg                  ar_valid,
    input  wire                 ar_ready,
    output reg  [ADDR_BITS-1:0] ar_addr,
    output reg  [          7:0] ar_len,
    input  wire                 r_valid,
    output wire                 r_ready,
    input  wire [ AXI_BITS-1:0] r_data,
    input  wire [          1:0] r_resp,
    input  wire                 r_last,

    output wire beat,   // strobe: a beat was taken
    output wire error   // strobe: it came with an error response
);
    localparam LSB = $clog2(AXI_BITS / 8);
    localparam BURST_LOG2 = $clog2(MAX_BURST);
    localparam FLIGHT_BITS = $clog2(IN_FLIGHT + MAX_BURST) + 1;

    generate
        if (AXI_BITS != 64 && AXI_BITS != 128) begin : gen_guard_bits
            ERROR_axi_read_AXI_BITS_must_be_64_or_128 u_stop ();
        end
        if ((1 << BURST_LOG2) != MAX_BURST || MAX_BURST < 2 || MAX_BURST > 256
            || MAX_BURST * AXI_BITS > 32768) begin : gen_guard_burst
            ERROR_axi_read_MAX_BURST_must_be_a_power_of_two_within_4_KiB u_stop ();
        end
    endgenerate

    // Rest of each client's request.
    reg [ADDR_BITS-1:0] p_addr_q;
    reg [BEAT_BITS-1:0] p_left_q;
    reg p_busy_q;
    reg [ADDR_BITS-1:0] d_addr_q;
    reg [BEAT_BITS-1:0] d_left_q;
    reg d_busy_q;

    assign p_ready = !p_busy_q;
    assign d_ready = !d_busy_q;

    // The next burst: the program's if it has one.
    wire [ADDR_BITS-1:0] pick_addr = p_busy_q ? p_addr_q : d_addr_q;
    wire [BEAT_BITS-1:0] pick_left = p_busy_q ? p_left_q : d_left_q;
    wire [BURST_LOG2:0] pick_room = MAX_BURST[BURST_LOG2:0] - {1'b0, pick_addr[LSB+:BURST_LOG2]};
    wire [BEAT_BITS-1:0] pick_room_wide = {{(BEAT_BITS - BURST_LOG2 - 1) {1'b0}}, pick_room};
    wire pick_ends = pick_left <= pick_room_wide;
    wire [BEAT_BITS-1:0] pick_beats = pick_ends ? pick_left : pick_room_wide;
    wire [BEAT_BITS-1:0] pick_len = pick_beats - 1'b1;

    // Owner of each outstanding burst, oldest first.
    wire owner_valid;
    wire owner_ready;
    wire owner_dma;
    reg [FLIGHT_BITS-1:0] flight_q;

    wire pick = (p_busy_q || d_busy_q) && !ar_valid && owner_ready && !flush
        && flight_q < IN_FLIGHT[FLIGHT_BITS-1:0];

    assign r_ready = owner_valid && (flush || !owner_dma || dd_ready);
    assign pd_valid = r_valid && owner_valid && !owner_dma && !flush;
    assign dd_valid = r_valid && owner_valid && owner_dma && !flush;
    assign data = r_data;
    assign beat = r_valid && r_ready;
    assign error = beat && r_resp != 2'd0 && !flush;
    assign idle = !ar_valid && !owner_valid;

    fifo_lut #(
        .WIDTH(1),
        .DEPTH(8)
    ) u_owner (
        .clk(clk),
        .rst(rst),
        .s_valid(pick),
        .s_ready(owner_ready),
        .s_data(!p_busy_q),
        .m_valid(owner_valid),
        .m_ready(beat && r_last),
        .m_data(owner_dma)
    );

    wire unused = &{1'b0, pick_len[BEAT_BITS-1:8]};

    always @(posedge clk) begin
        if (p_valid && p_ready) begin
            p_addr_q <= p_addr;
            p_left_q <= p_beats;
            p_busy_q <= 1'b1;
        end
        if (d_valid && d_ready) begin
            d_addr_q <= d_addr;
            d_left_q <= d_beats;
            d_busy_q <= 1'b1;
        end

        if (ar_valid && ar_ready) ar_valid <= 1'b0;
        if (pick) begin
            ar_valid <= 1'b1;
            ar_addr  <= pick_addr;
            ar_len   <= pick_len[7:0];
            if (p_busy_q) begin
                p_left_q <= p_left_q - pick_beats;
                p_addr_q <= p_addr_q
                    + {{(ADDR_BITS - BEAT_BITS - LSB) {1'b0}}, pick_beats, {LSB{1'b0}}};
                p_busy_q <= !pick_ends;
            end else begin
                d_left_q <= d_left_q - pick_beats;
                d_addr_q <= d_addr_q
                    + {{(ADDR_BITS - BEAT_BITS - LSB) {1'b0}}, pick_beats, {LSB{1'b0}}};
                d_busy_q <= !pick_ends;
            end
        end
        flight_q <= flight_q + (pick ? pick_beats[FLIGHT_BITS-1:0] : {FLIGHT_BITS{1'b0}})
            - {{(FLIGHT_BITS - 1) {1'b0}}, beat};

        if (rst) begin
            ar_valid <= 1'b0;
            flight_q <= {FLIGHT_BITS{1'b0}};
        end
        if (rst || flush) begin
            p_busy_q <= 1'b0;
            d_busy_q <= 1'b0;
        end
    end
endmodule
`default_nettype wire
