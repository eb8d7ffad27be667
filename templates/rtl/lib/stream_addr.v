// stream_addr: address of one result stream, base + i2 s2 + i3 s3 modulo 2**WIDTH, by adders only.
//
// i2 runs 0, xd, 2 xd, .. then 1, 1 + xd, .. (see docs/architecture.md, Nest); x2 = xd s2.
// base, s2, s3 and x2 hold from `load` to the last step. `load` starts at base; `step_x` (next i2
// of the same phase), `step_phase` (first i2 of the next phase) and `step_row` (next i3) move on;
// at most one of the four per cycle.
// addr holds the address of the current result. Latency 1 cycle, one step per cycle. Reset: none
// (an address is used only after a load). Cost: 3 adders, 3 WIDTH flip-flops.
`default_nettype none
module stream_addr #(
    parameter WIDTH = 14
) (
    input  wire             clk,
    input  wire [WIDTH-1:0] base,
    input  wire [WIDTH-1:0] s2,
    input  wire [WIDTH-1:0] s3,
    input  wire [WIDTH-1:0] x2,
    input  wire             load,
    input  wire             step_x,
    input  wire             step_phase,
    input  wire             step_row,
    output wire [WIDTH-1:0] addr
);
    reg [WIDTH-1:0] addr_q;
    reg [WIDTH-1:0] phase_q;
    reg [WIDTH-1:0] row_q;

    wire [WIDTH-1:0] next_phase = phase_q + s2;
    wire [WIDTH-1:0] next_row = row_q + s3;

    always @(posedge clk) begin
        if (step_x) addr_q <= addr_q + x2;
        if (step_phase) begin
            addr_q <= next_phase;
            phase_q <= next_phase;
        end
        if (step_row) begin
            addr_q <= next_row;
            phase_q <= next_row;
            row_q <= next_row;
        end
        if (load) begin
            addr_q <= base;
            phase_q <= base;
            row_q <= base;
        end
    end

    assign addr = addr_q;
endmodule
`default_nettype wire
