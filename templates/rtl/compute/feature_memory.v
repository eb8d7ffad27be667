// feature_memory: one feature memory (FM or TM), words of WIDTH = LANES x ACT_BITS bits.
//
//   we[g] -> mem[waddr] lanes g LANES/8 .. (g+1) LANES/8 - 1 = wword      (8 lane groups)
//   rword = mem[raddr], 2 cycles after re (block RAM read, output register)
//
// Throughput: one write and one read per cycle. A read in the cycle of a write of the same word
// returns the old word. Reset: none. Cost: WORDS x WIDTH bits of block RAM, or of ultra RAM where
// the part has it and it takes less area, as estimated in hwgen/engine/resources.py; WIDTH
// flip-flops (inside the RAM where the tool uses its output register).
`default_nettype none
module feature_memory #(
    parameter WORDS = 1024,
    parameter WIDTH = 256,  // a multiple of 8
    parameter AW = 10       // clog2(WORDS)
) (
    input  wire             clk,
    input  wire [7:0]       we,
    input  wire [AW-1:0]    waddr,
    input  wire [WIDTH-1:0] wword,
    input  wire             re,
    input  wire [AW-1:0]    raddr,
    output wire [WIDTH-1:0] rword
);
    localparam GROUP = WIDTH / 8;

    generate
        if (WIDTH % 8 != 0) begin : gen_guard_width
            ERROR_feature_memory_WIDTH_must_be_a_multiple_of_8 u_stop ();
        end
        if ((1 << AW) < WORDS) begin : gen_guard_aw
            ERROR_feature_memory_AW_must_be_clog2_WORDS u_stop ();
        end
    endgenerate

    genvar g;
    generate
        for (g = 0; g < 8; g = g + 1) begin : gen_group
            (* ram_style = "auto" *)  // too large for anything but block or ultra RAM
            reg [GROUP-1:0] mem [0:WORDS-1];
            reg [GROUP-1:0] read_q;
            reg [GROUP-1:0] word_q;

            always @(posedge clk) begin
                if (we[g]) mem[waddr] <= wword[g*GROUP +: GROUP];
                if (re) read_q <= mem[raddr];
                word_q <= read_q;
            end

            assign rword[g*GROUP +: GROUP] = word_q;
        end
    endgenerate
endmodule
`default_nettype wire
