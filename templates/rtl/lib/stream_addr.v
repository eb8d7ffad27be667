// stream_addr: address of one result stream, base + i2 s2 + i3 s3 modulo 2**WIDTH, by adders only.
//
// i2 runs 0, xd, 2 xd, .. then 1, 1 + xd, .. (see docs/architecture.md, Nest); x2 = xd s2.
// base, s2, s3 and x2 hold from the start to the last step. With `move`, `step` says where to: 0
// base (start), 1 the next i2 of the same phase, 2 the first i2 of the next phase, 3 the next i3.
// addr holds the address of the current result. Latency 1 cycle, one step per cycle. Reset: none
// (an address is used only after a start). Cost: 3 adders, 3 WIDTH flip-flops.
`default_nettype none
module stream_addr #(
    parameter WIDTH = 14
) (
    input  wire             clk,
    input  wire [WIDTH-1:0] base,
    input  wire [WIDTH-1:0] s2,
    input  wire [WIDTH-1:0] s3,
    input  wire [WIDTH-1:0] x2,
    input  wire             move,
    input  wire [1:0]       step,
    output wire [WIDTH-1:0] addr
);
    reg [WIDTH-1:0] addr_q;
    reg [WIDTH-1:0] phase_q;
    reg [WIDTH-1:0] row_q;

    wire [WIDTH-1:0] next_x = addr_q + x2;
    wire [WIDTH-1:0] next_phase = phase_q + s2;
    wire [WIDTH-1:0] next_row = row_q + s3;
    wire [WIDTH-1:0] to = step == 2'd0 ? base : step == 2'd1 ? next_x
        : step == 2'd2 ? next_phase : next_row;

    always @(posedge clk) begin
        if (move) begin
            addr_q <= to;
            if (step != 2'd1) phase_q <= to;
            if (step == 2'd0 || step == 2'd3) row_q <= to;
        end
    end

    assign addr = addr_q;
endmodule
`default_nettype wire
