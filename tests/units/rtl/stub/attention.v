// Stand-in for attention.v in the test of compute_unit: the pins of compute_harness, same ports.
// `fields` are what a start comes with.
`default_nettype none
module attention #(
    parameter LANES      = 16,
    parameter KW         = 128,
    parameter PK         = 8,   // keys per cycle, a power of two >= 4
    parameter HEAD       = 64,  // channels of a head
    parameter MAX_TOKENS = 256, // keys; a power of two, 4 PK .. 256
    parameter ROW_AT     = 4
) (
    input  wire                clk,
    input  wire                rst,
    input  wire                start,
    input  wire [15:0]         q_bits,
    input  wire [15:0]         k_bits,
    input  wire [15:0]         v_bits,
    input  wire [11:0]         t_stride,
    input  wire [11:0]         queries,
    input  wire [8:0]          tokens,
    input  wire [23:0]         kappa1,
    input  wire [23:0]         kappa2,
    input  wire [23:0]         kappa3,
    input  wire                neg,
    input  wire [2:0]          offset,
    input  wire [2:0]          v_unit,
    output wire                ready,
    output wire                att_re,
    output wire [15:0]         att_addr,
    input  wire [KW-1:0]       att_row,
    output wire                c_next,
    output wire [16*LANES-1:0] r_acc
);
    wire [159:0] fields = {neg, kappa3, kappa2, kappa1, v_unit, offset, queries, tokens, t_stride,
        v_bits, k_bits, q_bits};

    assign ready = compute_harness.at_ready;
    assign c_next = compute_harness.at_valid;
    assign r_acc = compute_harness.at_acc;
    assign att_re = 1'b0;
    assign att_addr = 16'd0;
endmodule
`default_nettype wire
