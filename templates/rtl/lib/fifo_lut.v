// First-word-fall-through FIFO in LUT RAM.
//
// s_* in, m_* out; a transfer happens on valid && ready, `m_data` holds until taken. `s_ready` does
// not depend on `m_ready`. Latency: a word written in cycle t is at the output in cycle t + 1.
// Both flags are registers. One word in and one out per cycle. Reset: pointers and flags only. Cost
// (Yosys, DEPTH up to 32): one RAM32M (4 LUT) per 6 bits of WIDTH, 14 LUT, 22 FF. Not for more than
// about 64 words: use a block RAM.
`default_nettype none
module fifo_lut #(
    parameter WIDTH = 32,
    parameter DEPTH = 16   // power of two, at least 2
) (
    input  wire             clk,
    input  wire             rst,
    input  wire             s_valid,
    output wire             s_ready,
    input  wire [WIDTH-1:0] s_data,
    output wire             m_valid,
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
    reg [AW-1:0] wr_next_q;  // wr_q + 1
    reg [AW-1:0] rd_next_q;
    reg valid_q;
    reg ready_q;

    assign s_ready = ready_q;
    assign m_valid = valid_q;
    assign m_data  = mem[rd_q];

    wire push = s_valid && ready_q;
    wire pop = valid_q && m_ready;
    wire one_left = rd_next_q == wr_q;  // while there is one at least
    wire one_free = wr_next_q == rd_q;  // while there is room for one

    always @(posedge clk) begin
        if (push) mem[wr_q] <= s_data;
    end

    always @(posedge clk) begin
        if (push) begin
            wr_q <= wr_next_q;
            wr_next_q <= wr_next_q + 1'b1;
        end
        if (pop) begin
            rd_q <= rd_next_q;
            rd_next_q <= rd_next_q + 1'b1;
        end
        valid_q <= push || (valid_q && !(pop && one_left));
        ready_q <= pop || (ready_q && !(push && one_free));
        if (rst) begin
            wr_q <= {AW{1'b0}};
            rd_q <= {AW{1'b0}};
            wr_next_q <= {{AW - 1{1'b0}}, 1'b1};
            rd_next_q <= {{AW - 1{1'b0}}, 1'b1};
            valid_q <= 1'b0;
            ready_q <= 1'b1;
        end
    end
endmodule
`default_nettype wire
