// stencil_memory: the words of a MACV stencil that come again, three a beat, each lane its own.
//
// A stencil's columns come one after the other, rows 0 .. 5 of a column in six beats (compiler:
// y, y - 2, y - 1, y + 1, y + 2, y + 3 of an image). Beats 0 .. 2 belong to the result of row y,
// beats 3 .. 5 to that of row y + 1, each at the column two before the one that comes. With x the
// column of the result, a beat's own word is x + 2 of the result's row (first beat), and the words
// of this unit are, in the order of `words`, lowest first:
//
//   first beat   row 0, columns x + 1, x, x - 1
//   second       row 0, column x - 2; column x, rows - 2, - 1
//   third        column x, rows + 1, + 2; the third is one of these again (its weight is 0)
//
// (rows count from the result's own). In the order in which the words came these lie 6 to 25 beats
// back: a ring of 32 words with one write and three reads a beat.
// `beat`, `row`, `first`, `third` two cycles before `word`; `words` in the cycle of `word`, behind
// a register. Reset: the write position. Cost: 3 x 32 x LANES x ACT_BITS bits of LUT RAM.
`default_nettype none
module stencil_memory #(
    parameter LANES    = 16,
    parameter ACT_BITS = 16
) (
    input  wire                        clk,
    input  wire                        rst,
    input  wire                        beat,
    input  wire                        row,       // the result's row: 0 or 1
    input  wire                        first,     // beat of the result
    input  wire                        third,
    input  wire [LANES*ACT_BITS-1:0]   word,
    output wire [3*LANES*ACT_BITS-1:0] words
);
    reg       beat_q, write_q;
    reg [4:0] position_q, write_at_q;

    // how many beats ago the words came, less the one that comes, number 0 lowest
    wire [14:0] back = first ? {5'd17, 5'd11, 5'd5}
        : third ? (row ? {5'd11, 5'd11, 5'd12} : {5'd9, 5'd9, 5'd10})
        : row ? {5'd15, 5'd13, 5'd24} : {5'd10, 5'd11, 5'd24};

    always @(posedge clk) begin
        beat_q <= beat;
        write_q <= beat_q;
        write_at_q <= position_q;
        if (beat) position_q <= position_q + 5'd1;
        if (rst) begin
            beat_q <= 1'b0;
            write_q <= 1'b0;
            position_q <= 5'd0;
        end
    end

    genvar k;
    generate
        for (k = 0; k < 3; k = k + 1) begin : gen_read
            reg [4:0] at_q;

            wire [LANES*ACT_BITS-1:0] read;
            reg  [LANES*ACT_BITS-1:0] read_q;

            always @(posedge clk) begin
                at_q <= position_q - back[5*k +: 5];
                read_q <= read;
            end
            assign words[k*LANES*ACT_BITS +: LANES*ACT_BITS] = read_q;

            param_ram #(.WIDTH(LANES*ACT_BITS), .SLOTS(32), .ADDR_W(5)) u_stencil (
                .clk(clk), .we(write_q), .waddr(write_at_q), .wdata(word), .raddr(at_q),
                .rdata(read)
            );
        end
    endgenerate
endmodule
`default_nettype wire
