// First-word-fall-through FIFO in LUT RAM.
//
// s_* in, m_* out; a transfer happens on valid && ready, `m_data` holds until taken. `s_ready` does
// not depend on `m_ready`; both flags are registers. Latency: a word written in cycle t is at the
// output in cycle t + 1. One word in and one out per cycle. Reset: pointers and flags. Cost (Yosys,
// DEPTH up to 32): one RAM32M (4 LUT) per 6 bits of WIDTH, 26 LUT, 23 FF. Not for more than about
// 64 words: use a block RAM.
`default_nettype none
module fifo_lut #(
    parameter WIDTH = 32,
    parameter DEPTH = 16   // power of two, at least 2
) (
    input  wire             clk,
    input  wire             rst,
    input  wire             s_valid,
    output reg              s_ready,
    input  wire [WIDTH-1:0] s_data,
    output reg              m_valid,
    input  wire             m_ready,
    output wire [WIDTH-1:0] m_data
);
    localparam AW = $clog2(DEPTH);

    generate
        if (DEPTH < 2 || (1 << AW) != DEPTH) begin : gen_guard
            ERROR_fifo_lut_DEPTH_must_be_a_power_of_two u_stop ();
        end
    endgenerate

    (* ram_style = "distributed" *)
    reg [WIDTH-1:0] mem[0:DEPTH-1];
    reg [AW-1:0] wr_q;
    reg [AW-1:0] rd_q;
    reg [AW:0] count_q;

    localparam [AW:0] ONE = 1;
    localparam [AW:0] LAST = {1'b0, {AW{1'b1}}};  // DEPTH - 1

    assign m_data = mem[rd_q];

    wire push = s_valid && s_ready;
    wire pop = m_valid && m_ready;

    always @(posedge clk) begin
        if (push) mem[wr_q] <= s_data;
    end

    always @(posedge clk) begin
        if (push) wr_q <= wr_q + 1'b1;
        if (pop) rd_q <= rd_q + 1'b1;
        if (push != pop) count_q <= push ? count_q + ONE : count_q - ONE;
        m_valid <= push || count_q > ONE || (count_q == ONE && !pop);
        s_ready <= pop || count_q < LAST || (count_q == LAST && !push);
        if (rst) begin
            wr_q <= {AW{1'b0}};
            rd_q <= {AW{1'b0}};
            count_q <= {(AW + 1) {1'b0}};
            m_valid <= 1'b0;
            s_ready <= 1'b1;
        end
    end
endmodule
`default_nettype wire
