// Stand-in for norm_unit.v in the test of compute_unit: the pins of compute_harness, same ports.
`default_nettype none
module norm_unit #(
    parameter LANES    = 16,  // a power of two, 4 .. 256
    parameter NT_WORDS = 64   // table entries, a power of two >= 2
) (
    input  wire                        clk,
    input  wire                        rst,
    input  wire                        acc_valid,
    input  wire [40*LANES-1:0]         acc_word,
    input  wire                        phase,
    input  wire [3:0]                  log2c,
    input  wire [16:0]                 scale,
    input  wire [51:0]                 eps,
    input  wire                        reset,
    input  wire [$clog2(NT_WORDS)-1:0] rd_index,
    output wire [17:0]                 mean2,
    output wire [15:0]                 norm_r,
    output wire [5:0]                  norm_shift,
    output wire                        busy
);
    assign mean2 = compute_harness.mean2;
    assign norm_r = compute_harness.norm_r;
    assign norm_shift = compute_harness.nu_shift;
    assign busy = compute_harness.nu_busy;
endmodule
`default_nettype wire
