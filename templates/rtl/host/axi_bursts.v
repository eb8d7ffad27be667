// Cuts a request (byte address, beats) into INCR bursts that end at multiples of MAX_BURST beats.
//
// With low the beats from the last multiple of MAX_BURST to the address and end = low + beats - 1,
// the request has end / MAX_BURST + 1 bursts; the last one ends at end mod MAX_BURST, the others at
// MAX_BURST - 1. So only counters of one and two adders of registers are needed, none behind
// another.
//
// Names: s_* the request, m_* the next burst, taken with m_take (only while m_valid).
// Timing: request accepted in cycle t -> m_valid in t + 2; burst taken in t -> the next one in t +
// 2; the last one taken in t -> s_ready in t + 1. All outputs are registers. `rst` drops the
// request. Reset: control only. Cost (Yosys): 126 LUT, 86 FF.
`default_nettype none
module axi_bursts #(
    parameter LSB       = 4,   // log2 of the bytes of a beat
    parameter ADDR_BITS = 32,
    parameter BEAT_BITS = 21,  // width of a beat count
    parameter MAX_BURST = 64   // beats, a power of two, 2 to 256
) (
    input wire clk,
    input wire rst,

    input  wire                 s_valid,
    output wire                 s_ready,
    input  wire [ADDR_BITS-1:0] s_addr,   // a multiple of the beat size
    input  wire [BEAT_BITS-1:0] s_beats,  // at least 1

    output wire                 m_valid,
    input  wire                 m_take,
    output wire [ADDR_BITS-1:0] m_addr,
    output wire [          7:0] m_len     // beats - 1
);
    localparam BURST_LOG2 = $clog2(MAX_BURST);
    localparam HIGH = LSB + BURST_LOG2;  // first bit of the address that counts bursts
    localparam MORE_BITS = BEAT_BITS + 1 - BURST_LOG2;
    localparam [BURST_LOG2-1:0] FULL = {BURST_LOG2{1'b1}};

    generate
        if ((1 << BURST_LOG2) != MAX_BURST || MAX_BURST < 2 || MAX_BURST > 256) begin : gen_guard
            ERROR_axi_bursts_MAX_BURST_must_be_a_power_of_two_from_2_to_256 u_stop ();
        end
    endgenerate

    reg idle_q;
    reg fresh_q;  // a request has just come: its first burst is worked out
    reg next_q;   // a burst was taken: the one behind it is worked out
    reg valid_q;
    reg last_q;   // the burst is the last one
    reg [ADDR_BITS-1:0] addr_q;
    reg [BEAT_BITS-1:0] beats_q;
    reg [BURST_LOG2-1:0] len_q;
    reg [BURST_LOG2-1:0] tail_q;  // end of the last burst
    reg [MORE_BITS-1:0] more_q;   // bursts behind this one

    assign s_ready = idle_q;
    assign m_valid = valid_q;
    assign m_addr = addr_q;
    assign m_len = {{(8 - BURST_LOG2) {1'b0}}, len_q};

    // First burst.
    wire [BURST_LOG2-1:0] low = addr_q[HIGH-1:LSB];
    wire [BEAT_BITS:0] end_beat = {1'b0, beats_q} + {{(BEAT_BITS + 1 - BURST_LOG2) {1'b0}}, low}
        - {{BEAT_BITS{1'b0}}, 1'b1};
    // The same with the low bits only: whether it is within the first burst needs no long carry.
    wire [BURST_LOG2+1:0] end_near = {1'b0, beats_q[BURST_LOG2:0]} + {2'd0, low}
        - {{(BURST_LOG2 + 1) {1'b0}}, 1'b1};
    wire first_ends = beats_q[BEAT_BITS-1:BURST_LOG2+1] == {(BEAT_BITS - BURST_LOG2 - 1) {1'b0}}
        && end_near[BURST_LOG2+1:BURST_LOG2] == 2'd0;
    wire [BURST_LOG2-1:0] first_len = beats_q[BURST_LOG2-1:0] - 1'b1;
    wire unused = &{1'b0, end_near[BURST_LOG2-1:0]};
    // The others start at a multiple of MAX_BURST.
    wire next_ends = more_q == {{(MORE_BITS - 1) {1'b0}}, 1'b1};

    always @(posedge clk) begin
        idle_q  <= (idle_q && !s_valid) || (m_take && last_q);
        fresh_q <= idle_q && s_valid;
        next_q  <= m_take && !last_q;
        valid_q <= fresh_q || next_q || (valid_q && !m_take);

        if (idle_q) begin
            addr_q  <= s_addr;
            beats_q <= s_beats;
        end
        if (fresh_q) begin
            {more_q, tail_q} <= end_beat;
            len_q  <= first_ends ? first_len : ~low;
            last_q <= first_ends;
        end
        if (next_q) begin
            addr_q[ADDR_BITS-1:HIGH] <= addr_q[ADDR_BITS-1:HIGH] + 1'b1;
            addr_q[HIGH-1:LSB] <= {BURST_LOG2{1'b0}};
            more_q <= more_q - 1'b1;
            len_q  <= next_ends ? tail_q : FULL;
            last_q <= next_ends;
        end

        if (rst) begin
            idle_q  <= 1'b1;
            fresh_q <= 1'b0;
            next_q  <= 1'b0;
            valid_q <= 1'b0;
        end
    end
endmodule
`default_nettype wire
