// Stand-in for xnor_front.v in the test of compute_unit: the pins of compute_harness, same ports.
// `fields` are what a start comes with.
`default_nettype none
module xnor_front #(
    parameter LANES = 16,
    parameter KW = 128,
    parameter GU = 4,
    parameter GS = 8,
    parameter BM_ROWS = 1024,
    parameter PS_WORDS = 256
) (
    input  wire                clk,
    input  wire                rst,
    input  wire                start,
    output wire                ready,
    input  wire                conv,
    input  wire [        15:0] a_base,
    input  wire [        15:0] a_s2,
    input  wire [        15:0] a_s3,
    input  wire [         4:0] a_elems,
    input  wire [         5:0] g_base,
    input  wire [         5:0] g_step,
    input  wire [         1:0] g_qsh,
    input  wire [         3:0] g_len,
    input  wire [         7:0] y0,
    input  wire [         7:0] height,
    input  wire [         7:0] width,
    input  wire [        11:0] n2,
    input  wire [        11:0] n3,
    input  wire [         2:0] xd,
    input  wire                psum_first,
    input  wire                psum_last,
    input  wire                w_fill,
    input  wire                w_we,
    input  wire [         7:0] w_col,
    input  wire [16*LANES-1:0] w_data,
    input  wire                w_swap,
    input  wire                bm_we,
    input  wire [        15:0] bm_addr,
    input  wire [   LANES-1:0] bm_data,
    input  wire                att_re,
    input  wire [        15:0] att_addr,
    output wire [      KW-1:0] att_row,
    output wire                c_next,     // a result comes four cycles later
    output wire [         3:0] c_pattern,  // its pattern, one cycle behind c_next
    output wire [16*LANES-1:0] r_pop
);
    wire [162:0] fields = {psum_last, psum_first, xd, n3, n2, width, height, y0, g_len, g_qsh,
        g_step, g_base, a_elems, a_s3, a_s2, a_base, conv};

    assign ready = compute_harness.xf_ready;
    assign c_next = compute_harness.xf_valid;
    assign r_pop = compute_harness.xf_pop;
    assign c_pattern = compute_harness.xf_pattern;
    assign att_row = {KW{1'b0}};
endmodule
`default_nettype wire
