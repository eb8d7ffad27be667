// xnor_front: bit memory, activation fetch, XNOR array and partial sums.
//
// For every result (order and vectors: activation_fetch.v) and lane l, four cycles after c_next:
//   r_pop[16*l +: 16] = popcount(xnor(vector of lane l's quadrant, current weights of lane l)) +
//   PS.
// PS, the partial popcount of the same result index, is 0 with psum_first = 1; with psum_last = 0
// the sum is kept in PS and no result appears. No back-pressure on results.
//
// Names: a_*, g_* elements and group slices of the vectors (activation_fetch.v); v_* flags of the
// vector in act, _1 .. _3 so many cycles later; w_* weights, bm_* bit memory, att_* attention's
// reads.
//
// Protocol: `start` with the instruction's fields for one cycle, only while `ready`. `w_swap` with
// or before start; vectors of earlier instructions still see the old weights. `w_fill` sets all
// shadow bits, at the earliest two cycles after the cycle in which the swap was taken (w_swap &&
// ready); `w_we` follows w_fill by three cycles or more (ldw.v does both).
// bm_*: one element write per cycle. att_*: see activation_fetch.v, only while no XNOR op issues.
// Timing: first r_valid 11 cycles after an XLIN's start; all cycle formulas and the constants are
// in hwgen/units/xnor_front.py. One XLIN result per cycle; one XCONV result per cycle when rows of
// the image that are xd apart are an odd number of BM rows apart, else one per three; between
// two instructions at least one cycle without a vector. Reset: control only; weights and memories
// keep their contents.
// Cost (Yosys, xc7; 1,024 rows, 256 partial sums): L = 16, KW = 128: 4,900 LUT, 8,800 FF, 12
// RAMB36.
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
    output reg  [         3:0] c_pattern,  // its pattern, one cycle behind c_next
    output wire [16*LANES-1:0] r_pop
);
    wire bm_re;
    wire [4*14-1:0] bm_raddr;
    wire [4*KW-1:0] bm_rows;
    bit_memory #(
        .LANES(LANES),
        .KW(KW),
        .BM_ROWS(BM_ROWS)
    ) u_bm (
        .clk(clk),
        .we(bm_we),
        .waddr(bm_addr),
        .wdata(bm_data),
        .re(bm_re),
        .raddr(bm_raddr),
        .rows(bm_rows)
    );

    wire swap, v_valid, v_restart, v_first, v_last;
    wire [3:0] v_pattern;
    wire [4*KW-1:0] act;
    activation_fetch #(
        .LANES(LANES),
        .KW(KW),
        .GU(GU),
        .GS(GS)
    ) u_fetch (
        .clk(clk),
        .rst(rst),
        .start(start),
        .ready(ready),
        .conv(conv),
        .a_base(a_base),
        .a_s2(a_s2),
        .a_s3(a_s3),
        .a_elems(a_elems),
        .g_base(g_base),
        .g_step(g_step),
        .g_qsh(g_qsh),
        .g_len(g_len),
        .y0(y0),
        .height(height),
        .width(width),
        .n2(n2),
        .n3(n3),
        .xd(xd),
        .psum_first(psum_first),
        .psum_last(psum_last),
        .w_swap(w_swap),
        .att_re(att_re),
        .att_addr(att_addr),
        .att_row(att_row),
        .bm_re(bm_re),
        .bm_raddr(bm_raddr),
        .bm_rows(bm_rows),
        .swap(swap),
        .v_valid(v_valid),
        .v_restart(v_restart),
        .v_first(v_first),
        .v_last(v_last),
        .v_pattern(v_pattern),
        .act(act)
    );

    // The swap reaches the weights six cycles after it was taken; the fill must not overtake it.
    reg fill_1;
    wire [16*LANES-1:0] pop;
    xnor_array #(
        .LANES(LANES),
        .KW(KW)
    ) u_array (
        .clk(clk),
        .w_fill(fill_1),
        .w_we(w_we),
        .w_col(w_col),
        .w_data(w_data),
        .swap(swap),
        .act(act),
        .pop(pop)
    );

    // Beside the array: partial_sums wants a vector's flags two cycles before its popcounts.
    reg valid_1, valid_2, valid_3;
    reg [6:0] flags_1, flags_2, flags_3;
    always @(posedge clk) begin
        fill_1  <= w_fill;
        flags_1 <= {v_restart, v_first, v_last, v_pattern};
        flags_2 <= flags_1;
        flags_3 <= flags_2;
        valid_1 <= v_valid;
        valid_2 <= valid_1;
        valid_3 <= valid_2;
        c_pattern <= flags_2[3:0];
        if (rst) begin
            fill_1  <= 1'b0;
            valid_1 <= 1'b0;
            valid_2 <= 1'b0;
            valid_3 <= 1'b0;
        end
    end

    assign c_next = valid_2 && flags_2[4];

    wire r_valid;
    wire [3:0] r_pattern;
    wire unused = &{1'b0, r_valid, r_pattern};
    partial_sums #(
        .LANES(LANES),
        .PS_WORDS(PS_WORDS),
        .POP_W($clog2(KW + 1))
    ) u_ps (
        .clk(clk),
        .rst(rst),
        .i_valid(valid_3),
        .i_restart(flags_3[6]),
        .i_first(flags_3[5]),
        .i_last(flags_3[4]),
        .i_pattern(flags_3[3:0]),
        .pop(pop),
        .r_valid(r_valid),
        .r_pop(r_pop),
        .r_pattern(r_pattern)
    );
endmodule
`default_nettype wire
